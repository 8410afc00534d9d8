"""`shrinkage`: how much the random effects are shrunken towards zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import FitError
from numbamm.glm.rows import SCORE, WEIGHT, WORKING
from numbamm.inference.random.conditional_modes import frames_by_factor
from numbamm.models.linear import LinearMixedModel

#: Relative standard deviations, in scaled coordinates, so large that nothing is shrunken.
UNSHRUNKEN = 1e4
#: Working weights below are those of means at a limit: exp(-700) is the least that kernels give.
NO_WEIGHT = 1e-290


def shrinkage(model) -> dict:
    """Differences between the random effects and their estimates without shrinkage.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is left as it is.

    Returns
    -------
    dict of str to pandas.DataFrame
        For each grouping factor a frame with a row per level: a column per random effect with
        the difference, unshrunken minus estimate, and ``norm``, the Euclidean length of the row.

    Raises
    ------
    NotFittedError
    FitError
        All means of a generalized model are at a limit of the link.

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
    estimates = model.estimates
    if isinstance(model, LinearMixedModel):
        twin = model._twin()
    else:
        twin = _working_model(model, estimates.eta, estimates.shape)
    theta = UNSHRUNKEN * twin.scaled.structure.start
    twin._set_theta(twin.scaled.to_user(theta))
    with blas_threads():
        twin.blocks.factorize(theta)
        _, unshrunken = twin._effects(twin.blocks.solve())
    differences = [free - b for b, free in zip(model.b, unshrunken, strict=True)]
    frames = frames_by_factor(model.reterms, differences)
    for frame in frames.values():
        frame["norm"] = np.sqrt((frame**2).sum(axis=1))
    return frames


def _working_model(model, eta, shape: float) -> LinearMixedModel:
    """The linear mixed model of a generalized model's working response, not fitted.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    eta : ndarray, shape (n,)
        The linear predictors about which the response is linearised.
    shape : float
        Shape of the negative binomial.

    Returns
    -------
    LinearMixedModel
        Its response is η + (y - μ) dη/dμ, with weights w (dμ/dη)² / V(μ); σ is 1 where φ is.
    """
    frame, family = model.frame, model._family
    lines = family.evaluate(WORKING, model._link, shape, frame.y, model._prior, eta)
    weights = lines[WEIGHT]
    with np.errstate(all="ignore"):
        y = eta + lines[SCORE] / weights
    least = np.finfo(float).eps ** 2 * np.nanmax(weights, initial=0.0)
    informative = (weights > max(least, NO_WEIGHT)) & np.isfinite(y)
    if not informative.any():
        raise FitError(
            "no row has information about the random effects, since all fitted means are at a "
            "limit of the link: the coefficients are infinite"
        )
    working = replace(
        frame,
        y=np.where(informative, y, eta),
        weights=np.where(informative, weights, least),  # rows at a limit have almost no information
        reterms=[replace(term, theta=None) for term in frame.reterms],  # each model has its own θ
    )
    return LinearMixedModel.of_frame(working, sigma=None if family.dispersed else 1.0)
