"""`shrinkage`: how far the random effects are drawn towards zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import FitError
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.models.linear import LinearMixedModel

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
    FitError
        All means of a generalized model are at a limit of their link.

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
        twin = _working_model(model, estimates.eta, estimates.shape)
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


def _working_model(model, eta, shape: float) -> LinearMixedModel:
    """The linear mixed model of a generalized model's working response; it is not fitted.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    eta : ndarray, shape (n,)
        The linear predictors at which the response is made linear.
    shape : float
        Shape of the negative binomial.

    Returns
    -------
    LinearMixedModel
        Of η + (y - μ) dη/dμ with weights w (dμ/dη)² / V(μ); σ is 1 where φ is.
    """
    frame, family, link = model.frame, model._family_code, links.NAMES[model.link]
    slope, mu = links.slope(link, eta), model._mean(eta)
    with np.errstate(all="ignore"):
        weights = model._prior * slope**2 / families.variance(family, shape, mu)
        y = eta + (frame.y - mu) / slope
    least = np.finfo(float).eps ** 2 * np.nanmax(weights, initial=0.0)
    informative = (weights > least) & np.isfinite(y)
    if not informative.any():
        raise FitError("no row says anything of the random effects: all means are at a limit")
    working = replace(
        frame,
        y=np.where(informative, y, eta),
        weights=np.where(informative, weights, least),  # rows at a limit say next to nothing
        reterms=[replace(term, lambda_=None) for term in frame.reterms],  # λ belongs to a model
    )
    return LinearMixedModel.of_frame(working, sigma=None if family in families.DISPERSED else 1.0)
