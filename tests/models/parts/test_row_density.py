"""The log-densities of rows, against scipy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import gamma, nbinom

import numbamm as mm
from numbamm.models.parts.row_density import log_density


def rows(n=60):
    rng = np.random.default_rng(2)
    y = rng.poisson(2.0, n) * (rng.uniform(size=n) > 0.4)
    x, w = rng.normal(size=n), rng.integers(1, 4, n).astype(float)
    return {"y": y.astype(float), "x": x, "w": w, "g": np.arange(n) % 6}


@pytest.mark.parametrize(
    ("family", "parts"),
    [("nbinom2", {"zi": "~ x"}), ("gamma", {"hurdle": "~ x", "link": "log"})],
)
def test_densities_with_zeros(family, parts):
    data = rows()
    m = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, family, weights="w", **parts)
    y, w, rng = data["y"], data["w"], np.random.default_rng(3)
    eta, nu = rng.normal(size=len(y)), rng.normal(size=(2, len(y)))
    mu, size, p = np.exp(eta), np.exp(nu[0]), expit(nu[1])
    if family == "nbinom2":  # weights are numbers of equal rows
        f = nbinom.pmf(y, size, size / (size + mu))
        wanted = w * np.log(np.where(y == 0, p, 0) + (1 - p) * f)
    else:  # weights divide the dispersion
        f = gamma.logpdf(np.maximum(y, 1), w / size, scale=mu * size / w)
        wanted = np.where(y == 0, np.log(p), np.log1p(-p) + f)
    assert_allclose(log_density(m, y, w, eta, nu), wanted, rtol=1e-10)
