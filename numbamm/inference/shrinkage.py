"""`shrinkage`: how far the random effects are drawn towards zero."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.models.linear import LinearMixedModel
from numbamm.models.start import working_model

#: Relative standard deviations, of the columns inside, that leave nothing to be drawn.
UNSHRUNKEN = 1e4


def shrinkage(model) -> dict:
    """Differences between the random effects and those that the data alone would give.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is left as it is.

    Returns
    -------
    dict of str to pandas.DataFrame
        For each grouping factor a line a level: the differences, unshrunken less estimate, a
        column for each random effect, and ``norm``, their Euclidean length.

    Raises
    ------
    NotFittedError

    Notes
    -----
    The data alone speak where λ is 10⁴ times the identity; β is estimated anew there. Levels of
    crossed factors that the data alone cannot tell apart share what they explain.

    For a generalized model these are the data of its working model, the linear mixed model of
    the working response at the mode: so the effects of levels without a success, whose own
    estimates are infinite, have finite differences.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.shrinkage(m)["Subject"]["norm"].idxmax()
    '370'
    """
    estimates = model.estimates
    if isinstance(model, LinearMixedModel):
        twin = model._twin()
    else:
        twin = working_model(model, estimates.eta, estimates.shape)
    free = np.concatenate([np.where(t.on_diagonal, UNSHRUNKEN, 0.0) for t in twin.reterms])
    twin._set_theta(twin._outward(free))
    with blas_threads(config.get("threads")):
        twin.blocks.factorize(free)
        _, alone = twin._effects(twin.blocks.solve())
    frames: dict = {}
    for term, ours, theirs in zip(model.reterms, model.b, alone, strict=True):
        index = pd.Index(term.levels, name=term.group)
        frame = pd.DataFrame(theirs - ours, index=index, columns=term.cnames)
        seen = frames.get(term.group)
        frames[term.group] = frame if seen is None else pd.concat([seen, frame], axis=1)
    for frame in frames.values():
        frame["norm"] = np.sqrt((frame**2).sum(axis=1))
    return frames
