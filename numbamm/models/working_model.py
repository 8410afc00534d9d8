"""The linear mixed model of a generalized model's working response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.errors import FitError
from numbamm.glm.row_kernels import SCORE, WEIGHT, WORKING
from numbamm.models.linear import LinearMixedModel

#: Working weights below are those of means at a limit: exp(-700) is the least that kernels give.
NO_WEIGHT = 1e-290


def working_model(model, eta, shape: float) -> LinearMixedModel:
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
    frame, family = model.frame, model.family_record
    if model.composition is not None:
        lines = model.lines_at_estimates()
    else:
        rows = frame.y, model.prior_weights, eta
        lines = family.evaluate(WORKING, model.link_record, shape, *rows)
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
