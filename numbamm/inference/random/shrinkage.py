"""`shrinkage`: how much the random effects are shrunken towards zero."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.inference.random.conditional_modes import frames_by_factor
from numbamm.report.drawn import EffectFrames

#: Relative standard deviations, in scaled coordinates, so large that nothing is shrunken.
UNSHRUNKEN = 1e4


@names_arguments
def shrinkage(model) -> EffectFrames:
    """Differences between the random effects and their estimates without shrinkage.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.

    Returns
    -------
    EffectFrames, a dict of str to pandas.DataFrame
        For each grouping factor a frame with a row per level: a column per random effect with
        the difference, unshrunken minus estimate, and ``norm``, the Euclidean length of the row.
        Its method `plot` draws them.

    Raises
    ------
    NotFittedError
        Before the fit.
    FitError
        All means of a generalized model are at a limit of the link.

    See Also
    --------
    LinearMixedModel.ranef : The random effects.

    Notes
    -----
    The estimates without shrinkage are those at λ = 10⁴ times the identity, with β estimated
    again. Levels of crossed factors that the data cannot tell apart share their common effect.

    For a generalized model they are computed in its working model, the linear mixed model of the
    working response at the conditional mode. This gives finite differences also for levels
    without a success, whose maximum-likelihood estimates are infinite.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.shrinkage(m)["Subject"]["norm"].idxmax()
    '370'
    """
    _ = model.estimates
    twin = model.working_model()
    side = model.residual_side
    typical = 1.0 if side is None else np.exp(side.shift(side.phi))  # of a row, over σ
    theta = twin.scaled.structure.of_one_sd(UNSHRUNKEN * typical)
    with blas_threads():
        _, unshrunken = twin.effects_at(twin.scaled.to_user(theta))
    differences = [free - b for b, free in zip(model.b, unshrunken, strict=True)]
    frames = frames_by_factor(model.reterms, differences)
    for frame in frames.values():
        frame["norm"] = np.sqrt((frame**2).sum(axis=1))
    return EffectFrames(frames, "Shrinkage", model, "shrinkage")
