"""Residuals of a fitted model by their types, for the rows that are used."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError


def _response(model) -> np.ndarray:
    """y - μ."""
    return model.frame.y - model.estimates.fitted


def _weighted(model) -> np.ndarray:
    """√w (y - μ)."""
    return _response(model) * np.sqrt(_prior(model))


def _over_deviation(model) -> np.ndarray:
    """√w (y - μ) / d, d relative to σ."""
    side, weighted = model.residual_side, _weighted(model)
    return weighted if side is None else weighted / side.deviations()


def _normalized(model) -> np.ndarray:
    """Uncorrelated and of variance one, if the model is right."""
    scaled, side = _over_deviation(model) / model.sigma, model.residual_side
    return scaled if side is None else side.uncorrelated(scaled)


def pearson(model) -> np.ndarray:
    """√(w / V(μ)) (y - μ), which is (y - μ) over the standard deviation, times √φ."""
    if model.composition is not None:
        variance = model.fitted_distribution.variance()
        return _response(model) / np.sqrt(np.where(variance > 0, variance, np.inf))
    V = model.family_record.variance_at(model.estimates.fitted, model.estimates.shape)
    with np.errstate(over="ignore"):  # where a mean is at the end of its range V is 0, as is y - μ
        ratio = np.divide(_prior(model), V, out=np.zeros_like(V), where=V > 0)
    return _response(model) * np.sqrt(ratio)


def _deviance(model) -> np.ndarray:
    """The root of the row's deviance, w d(y, μ), with the sign of y - μ."""
    at = model.estimates
    if model.family_record.by_density or model.composition is not None:
        raise OptionError(
            f"the family {model.family_record} has no deviance: of a log-density it is not known "
            'what a perfect fit has; type="pearson" needs its variance, type="response" nothing'
        )
    d = model.family_record.deviances(model.link_record, at.shape, model.frame.y, at.eta)
    return np.sign(_response(model)) * np.sqrt(_prior(model) * np.maximum(d, 0.0))


def _working(model) -> np.ndarray:
    """(y - μ) dη/dμ."""
    if model.composition is not None and not model.composition.mean_is_mu:
        raise OptionError(
            "working residuals are not known where the mean of a response is not the inverse link "
            'of the linear predictor: take type="pearson" or type="response"'
        )
    return _response(model) / model.link_record.slope(model.estimates.eta)


def _prior(model):
    """Prior weights."""
    return 1.0 if model.frame.weights is None else model.frame.weights


#: For models with identity link and residual variance, and for all others.
RESIDUALS = {
    "response": _response,
    "pearson": _over_deviation,
    "normalized": _normalized,
    "deviance": _over_deviation,
    "working": _response,
}
GENERALIZED_RESIDUALS = {
    "response": _response,
    "pearson": pearson,
    "deviance": _deviance,
    "working": _working,
}
