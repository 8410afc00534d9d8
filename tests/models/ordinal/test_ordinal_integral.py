"""Quadrature of ordinal models with all parts is the integral, by a sum that shares no code."""

import numpy as np
import pytest
from ordinal_models import simulated
from scipy.special import ndtr

import numbamm as mm

CDF = {
    "logit": lambda t: 1 / (1 + np.exp(-t)),
    "probit": ndtr,
    "cloglog": lambda t: 1 - np.exp(-np.exp(t)),
    "loglog": lambda t: np.exp(-np.exp(-t)),
    "cauchit": lambda t: 0.5 + np.arctan(t) / np.pi,
}
THRESHOLDS, NOMINAL = np.array([14.6, 16.1, 17.0]), np.array([0.5, -0.3, 0.4])
SLOPE, LOG_SCALE, SD = 0.016, 0.35, 1.3


def minus_two_log_likelihood(data, link) -> float:
    """By the trapezoidal rule over each level's random intercept, up to nine of its SD."""
    u, h = np.linspace(-9, 9, 2001, retstep=True)
    total = 0.0
    for _, rows in data.groupby("g"):
        log_product = np.zeros_like(u)
        for y, x, z, w in zip(
            rows["y"].cat.codes, rows["x"], rows["odd name"] == "b", rows["w"], strict=True
        ):
            ends = np.r_[-np.inf, THRESHOLDS + z * NOMINAL, np.inf]
            eta = SLOPE * x + 0.1 * w + SD * u
            below, above = ((ends[k] - eta) / np.exp(LOG_SCALE * z) for k in (y, y + 1))
            with np.errstate(all="ignore"):
                log_product += w * np.log(CDF[link](above) - CDF[link](below))
        density = np.exp(log_product - u**2 / 2) / np.sqrt(2 * np.pi)
        total += np.log(h * density.sum())
    return -2 * total


@pytest.mark.parametrize("link", CDF)
def test_quadrature_with_nominal_and_scale_effects_is_the_integral(link):
    data = simulated()
    parts = {"nominal": "~ `odd name`", "scale": "~ `odd name`"}
    model = mm.CumulativeLinkMixedModel(
        "y ~ x + offset(0.1 * w) + (1 | g)", data, link, weights="w", **parts
    )
    given = np.r_[THRESHOLDS, NOMINAL, SLOPE, LOG_SCALE, SD]
    assert len(model.optsum.names) == len(given)
    space = model.space_of(model.parameters(False), 121)
    found = space.objective(space.to_scaled(given))
    assert found == pytest.approx(minus_two_log_likelihood(data, link), abs=1e-6)
    few = model.space_of(model.parameters(False), 2)  # the sum tells quadratures apart
    assert abs(few.objective(few.to_scaled(given)) - found) > 1e-4
