"""Which designs tell the residual variance from the random effects', and what they estimate."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import numbamm as mm

N = 48


def rows(seed=3):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"y": 1.8 * rng.normal(size=N) + rng.normal(size=N), "x": rng.normal(size=N)})
    d["row"] = [f"s{i}" for i in rng.permutation(N)]
    d["pair"] = [f"p{i}" for i in np.arange(N) // 2]
    d["first"] = 1.0 * (np.arange(N) % 2 == 0)
    d["second"] = 1.0 - d["first"]
    d["side"] = np.where(d["first"] == 1, "left", "right")
    d["w"] = rng.uniform(0.2, 5, N)
    d["over x"] = 1 / d["x"] ** 2
    return d


REFUSED = {
    "a random effect a row": "y ~ 1 + (1 | row)",
    "two by two": "y ~ 1 + (0 + side | pair)",
    "two by two, with an intercept": "y ~ x + (side | pair)",
    "by two terms": "y ~ 1 + zerocorr(0 + first + second | pair)",
    "by two terms beside another": "y ~ 1 + zerocorr(0 + first + second | pair) + (1 | pair:side)",
}


@pytest.mark.parametrize("constant", [None, 1.0, 25.0, 3e-7, 0.1])
@pytest.mark.parametrize("formula", REFUSED.values(), ids=REFUSED)
def test_constant_weights_tell_nothing(formula, constant):
    weights = None if constant is None else np.full(N, constant)
    with pytest.raises(mm.DataError, match="the residual variance cannot be separated"):
        mm.lmm(formula, rows(), weights=weights)
    mm.lmm(formula, rows(), weights=weights, sigma=1.0)


def test_other_families_and_columns_of_weights():
    data = rows().assign(three=3.0)
    data["y"] = np.exp(data["y"] / 3)
    with pytest.raises(mm.DataError, match="48 random effects"):
        mm.glmm("y ~ 1 + (1 | row)", data, "gaussian", "log", weights="three")
    with pytest.raises(mm.DataError, match="48 random effects"):
        mm.lmm("y ~ 1 + (1 | row)", data, weights="three", reml=True)


def test_weights_that_vary_with_the_random_effects_tell_nothing():
    """σ²/w and τ²x² are the same where w is 1/x², by one term or by two together."""
    for formula in (
        "y ~ 1 + (0 + x | row)",
        "y ~ 1 + zerocorr(0 + I(x*first) + I(x*second) | pair)",
    ):
        with pytest.raises(mm.DataError, match="together can have the covariance matrix of"):
            mm.lmm(formula, rows(), weights="over x")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there may be several maxima
            mm.lmm(formula, rows(), weights="w")


@pytest.mark.parametrize("weights", [None, "w"])
def test_more_random_effects_than_rows(weights):
    """Some covariance of rank two fits a group exactly, whatever the weights."""
    with pytest.raises(mm.DataError, match="72 random effects"):
        mm.lmm("y ~ x + (x + w | pair)", rows(), weights=weights)


def reference(d, known, reml=False):
    """Estimates of τ², and σ² unless it is known, with variances σ²/w; by scipy."""
    y, X, w = d["y"].to_numpy(), np.column_stack([np.ones(N), d["x"]]), d["w"].to_numpy()

    def criterion(log_variances):
        tau2, sigma2 = np.exp(log_variances) if not known else (np.exp(log_variances[0]), 1.0)
        V = tau2 + sigma2 / w
        XVX = X.T @ (X / V[:, None])
        r = y - X @ np.linalg.solve(XVX, X.T @ (y / V))
        value = -2 * multivariate_normal.logpdf(r, cov=np.diag(V))
        if reml:
            value += np.linalg.slogdet(XVX)[1] - 2 * np.log(2 * np.pi)
        return value

    found = minimize(
        criterion, np.zeros(1 if known else 2), method="Nelder-Mead", options={"fatol": 1e-10}
    )
    return np.exp(found.x), found.fun


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("known", [True, False])
def test_meta_analysis(known, reml):
    """A random effect a row: known variances 1/w, or known but for a factor, as w varies."""
    d = rows(8)
    rng = np.random.default_rng(1)
    d["y"] = 0.7 * d["x"] + 1.5 * rng.normal(size=N) + rng.normal(size=N) / np.sqrt(d["w"])
    model = mm.lmm("y ~ x + (1 | row)", d, weights="w", sigma=1.0 if known else None, reml=reml)
    (tau2, *sigma2), criterion = reference(d, known, reml)
    assert model.objective == pytest.approx(criterion, abs=1e-6)
    assert model.theta[0] ** 2 * model.sigma**2 == pytest.approx(tau2, rel=1e-3)
    assert model.sigma**2 == pytest.approx(sigma2[0] if sigma2 else 1.0, rel=1e-3)
    V = tau2 + (sigma2[0] if sigma2 else 1.0) / d["w"]
    X = np.column_stack([np.ones(N), d["x"]])
    bse = np.sqrt(np.diag(np.linalg.inv(X.T @ (X / V.to_numpy()[:, None]))))
    np.testing.assert_allclose(model.bse, bse, rtol=1e-3)


def test_known_sigma_has_all_that_comes_after_a_fit():
    d = rows(8)
    model = mm.lmm("y ~ x + (1 | row)", d, weights="w", sigma=1.0, reml=True)
    for ddf in ("satterthwaite", "kenward-roger"):
        df = model.coef_table(ddf=ddf).to_frame()["df"]
        assert (df > 5).all() and (df < N).all()
    assert len(model.simulate(1)) == N
    assert model.refit(model.frame.y + 1).sigma == 1.0
    assert np.isfinite(model.ranef()["row"].to_numpy()).all()
    assert np.isfinite(model.refit(reml=False).profile().conf_int().to_numpy()).any()


@given(
    seed=st.integers(0, 10**6),
    groups=st.integers(3, 8),
    p=st.integers(1, 2),
    scale=st.floats(1e-3, 1e3),
)
@settings(max_examples=40, deadline=None)
def test_told_apart_whatever_the_units(seed, groups, p, scale):
    """Weights times a constant, and shuffled rows, are the same design."""
    rng = np.random.default_rng(seed)
    n = groups * int(rng.integers(1, 4))
    d = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    d["g"] = [f"g{i}" for i in np.r_[np.arange(groups), rng.integers(0, groups, n - groups)]]
    formula = "y ~ 1 + (1 | g)" if p == 1 else "y ~ 1 + zerocorr(x | g)"
    outcomes = set()
    for data, w in (
        (d, np.ones(n)),
        (d, np.full(n, scale)),
        (d.sample(frac=1, random_state=1), None),
    ):
        try:
            mm.LinearMixedModel(formula, data, weights=w)
            outcomes.add("accepted")
        except mm.DataError as error:
            outcomes.add(str(error))
    assert len(outcomes) == 1
    assert (n == groups) == (outcomes != {"accepted"})
