"""Profiles of residual parameters: at their limits a dense likelihood falls by χ²'s quantile."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.stats import chi2

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    d = pd.DataFrame([(i, t) for i in range(18) for t in range(5)], columns=["id", "t"])
    d["h"], d["x"] = rng.integers(0, 6, 90), rng.normal(size=90)
    e = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(range(5), range(5))))
    d["y"] = (rng.normal(size=(18, 5)) @ e.T).ravel() * np.exp(0.3 * d.x)
    d["y"] += 0.7 * rng.normal(size=6)[d.h] + d.t
    return d.sample(frac=0.9, random_state=1)


@pytest.fixture(scope="module")
def fitted(data):
    return mm.lmm("y ~ t + (1 | h)", data, residual="ar1(t | id)", dispersion="~ x", reml=False)


def deviance(d, x) -> float:
    """-2 log-likelihood at log σ, ρ, the slope of log d, and the standard deviation of h."""
    sigma, rho, slope, sd = np.exp(x[0]), np.tanh(x[1]), x[2], x[3]
    same = np.equal.outer(d.id.to_numpy(), d.id.to_numpy())
    sds = sigma * np.exp(slope * d.x.to_numpy())
    lags = np.abs(np.subtract.outer(d.t.to_numpy(), d.t.to_numpy()))
    V = np.where(same, np.outer(sds, sds) * rho**lags, 0.0)
    V += sd**2 * np.equal.outer(d.h.to_numpy(), d.h.to_numpy())
    X = np.column_stack([np.ones(len(d)), d.t])
    inverse = np.linalg.inv(V)
    r = d.y - X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ d.y)
    return np.linalg.slogdet(V)[1] + r @ inverse @ r + len(d) * np.log(2 * np.pi)


@pytest.mark.parametrize(
    ("name", "place", "to"),
    [
        ("sigma", 0, np.log),
        ("rho|Residual", 1, np.arctanh),
        ("dispersion.x|Residual", 2, float),
        ("sd_Intercept|h", 3, float),
    ],
)
def test_limits(data, fitted, name, place, to):
    limits = fitted.conf_int(which="random", method="profile").loc[name]
    at = np.array([np.log(fitted.sigma), 0.7, 0.3, fitted.varcorr["h"].sd[0]])
    for limit in limits:
        free = np.delete(np.arange(4), place)

        def held(x, limit=limit, free=free):
            full = np.empty(4)
            full[free], full[place] = x, to(limit)
            return deviance(data, full)

        low = minimize(held, at[free], method="BFGS", options={"gtol": 1e-6}).fun
        assert_allclose(low - fitted.objective, chi2.ppf(0.95, 1), atol=2e-3)


def test_coefficients_and_theta(fitted):
    """A coefficient's limit, by a fit without its column, which keeps the residuals' structure."""
    p = fitted.profile(["t", "theta"])
    lower = p.conf_int().loc["t", 0]
    offset = fitted._call.data.assign(y=lambda d: d.y - lower * d.t)
    less = mm.lmm("y ~ 1 + (1 | h)", offset, residual="ar1(t | id)", dispersion="~ x")
    assert_allclose(less.objective - fitted.objective, chi2.ppf(0.95, 1), atol=2e-3)
    assert p.conf_int().notna().all(axis=None)


def test_visits_have_no_sigma(data):
    m = mm.lmm("y ~ t", data, residual="cs(t | id)", reml=True)
    names = [*m.profile(["rho|Residual"]).names]
    assert "sigma" not in names and "sd_0|Residual" in names
    limits = m.conf_int(which="random", method="wald")
    assert [*limits.index] == [*(f"sd_{t}|Residual" for t in range(5)), "rho|Residual"]
    assert (limits[0] < limits[1]).all() and limits[1].iloc[-1] < 1


def test_fitted_means_as_a_covariate(data):
    positive = data.assign(y=data.y + 10)
    m = mm.lmm("y ~ t + (1 | h)", positive, dispersion="power(fitted)")
    assert m.profile("power|Residual").conf_int().notna().all(axis=None)
    with pytest.raises(OptionError, match="no profile with dispersion"):
        m.profile("t")
