"""`conf_int`: which parameters, by which method."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.optimize.differences import hessian

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
NAMES = ["sigma", "sd_Intercept|Subject", "sd_Days|Subject", "cor_Days.Intercept|Subject"]


def dense_errors(reml):
    """Estimates and standard errors on the unbounded scales, by dense linear algebra."""
    data = mm.datasets.load("sleepstudy")
    subject = data["Subject"].astype("category").cat.codes.to_numpy()
    X = np.column_stack([np.ones(len(data)), data["Days"]])
    Z = np.hstack([np.eye(18)[subject] * column[:, None] for column in X.T])

    def criterion(p):
        sigma, s0, s1, r = *np.exp(p[:3]), np.tanh(p[3])
        G = np.array([[s0**2, r * s0 * s1], [r * s0 * s1, s1**2]])
        V = Z @ np.kron(G, np.eye(18)) @ Z.T + sigma**2 * np.eye(len(data))
        XV = X.T @ np.linalg.inv(V)
        beta = np.linalg.solve(XV @ X, XV @ data["Reaction"])
        r = data["Reaction"] - X @ beta
        value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
        return value + (np.linalg.slogdet(XV @ X)[1] if reml else 0.0)

    model = mm.lmm(SLEEP, data, reml=reml)
    term = model.varcorr["Subject"]
    best = np.array([*np.log([model.sigma, *term.sd]), np.arctanh(term.corr[0, 1])])
    curvature = hessian(criterion, best, np.full(4, 0.01))
    return model, best, np.sqrt(np.diag(np.linalg.inv(curvature / 2)))


@pytest.mark.parametrize("reml", [False, True])
def test_curvature_against_dense_algebra(reml):
    model, best, se = dense_errors(reml)
    for alpha in (0.05, 0.2):
        half = norm.ppf(1 - alpha / 2) * se
        limits = model.conf_int(alpha, which="random", method="wald")
        assert [*limits.index] == NAMES
        ends = [np.append(np.exp(e[:3]), np.tanh(e[3])) for e in (best - half, best + half)]
        assert_allclose(limits, np.transpose(ends), rtol=2e-3)
        df = 1 / (2 * se**2)
        own = model.conf_int(alpha, which="random", method="satterthwaite")
        for end, p in ((0, 1 - alpha / 2), (1, alpha / 2)):
            expected = np.exp(best) * np.sqrt(df / chi2.ppf(p, df))
            assert_allclose(own[end][:3], expected[:3], rtol=2e-3)
        assert_allclose(own.iloc[3], limits.iloc[3])


def test_parts_make_the_whole(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    options = {"bootstrap": {"n": 40, "seed": 3}}
    for method in ("wald", "satterthwaite", "kenward-roger", "kr", "profile", "bootstrap"):
        more = options.get(method, {})
        parts = {
            w: model.conf_int(which=w, method=method, **more) for w in ("fixed", "random", "all")
        }
        assert [*parts["all"].index] == ["Intercept", "Days", *NAMES]
        assert_allclose(parts["all"].iloc[:2], parts["fixed"], rtol=1e-6)
        assert_allclose(parts["all"].iloc[2:], parts["random"], rtol=1e-6)
        assert (parts["all"][0] < parts["all"][1]).all()
    estimates = [model.sigma, *model.varcorr["Subject"].sd]
    limits = model.conf_int(which="random")
    assert (limits[0][:3] < estimates).all() and (limits[1][:3] > estimates).all()


def test_methods_are_those_of_their_functions(fitted):
    model = fitted(SLEEP, "sleepstudy")
    profile = model.profile().conf_int()
    assert_allclose(
        model.conf_int(which="all", method="profile").loc[profile.index], profile, rtol=1e-3
    )
    replicates = model.bootstrap(40, seed=3).conf_int()
    limits = model.conf_int(which="all", method="bootstrap", n=40, seed=3)
    assert_allclose(limits.loc[NAMES], replicates.loc[NAMES])
    assert_allclose(limits.loc["Days"], replicates.loc["beta_Days"])
    for ddf in ("wald", "satterthwaite"):
        table = model.coef_table(ddf=ddf, alpha=0.1).frame[["lower", "upper"]]
        for options in ({"ddf": ddf}, {"method": ddf}, {"ddf": ddf, "method": "wald"}):
            assert_allclose(model.conf_int(0.1, **options), table)


@pytest.mark.parametrize("fast", [False, True])
def test_generalized_models(fast):
    cbpp = mm.datasets.load("cbpp")
    model = mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, "binomial", fast=fast
    )
    limits = model.conf_int(which="all")
    assert [*limits.index] == [*model.params.index, "sd_Intercept|herd"]
    # near the profile's interval, which is the standard
    profile = model.profile("sd_Intercept|herd").conf_int().loc["sd_Intercept|herd"]
    assert_allclose(limits.loc["sd_Intercept|herd"], profile, rtol=0.25)
    own = model.conf_int(which="all", method="profile")
    assert_allclose(own.loc["sd_Intercept|herd"], profile, rtol=1e-5)
    assert np.isnan(own.loc["period[T.2]"]).all() == fast


def test_families_with_a_dispersion_or_a_shape():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(25), 8)
    mu = np.exp(1 + 0.4 * rng.standard_normal(25)[g])
    y = rng.negative_binomial(2, 2 / (2 + mu))
    counts = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "negativebinomial")
    limits = counts.conf_int(which="random")
    assert [*limits.index] == ["shape", "sd_Intercept|g"]
    assert limits[0]["shape"] < counts.shape < limits[1]["shape"]
    sizes = mm.glmm("y ~ 1 + (1 | g)", {"y": rng.gamma(3, mu / 3), "g": g}, "gamma", "log")
    limits = sizes.conf_int(which="random")
    assert [*limits.index] == ["sigma", "sd_Intercept|g"]
    profile = sizes.profile().conf_int().loc[limits.index]
    assert_allclose(limits, profile, rtol=0.2)


def test_no_interval_where_a_variance_is_zero(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limits = model.conf_int(which="all")
        assert np.isnan(limits.loc["sd_Intercept|Batch"]).all()
        assert np.isfinite(limits.loc[["Intercept", "sigma"]]).all(axis=None)
        own = model.conf_int(which="random", method="profile")
    assert own.loc["sd_Intercept|Batch", 0] == 0 and own.loc["sd_Intercept|Batch", 1] > 0


def test_given_sigma_and_dropped_columns():
    data = mm.datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (0 + Days | Subject)", data, sigma=30.0)
    for method in ("wald", "profile"):
        limits = model.conf_int(which="all", method=method)
        assert [*limits.index] == ["Intercept", "Days", "twice", "sd_Days|Subject"]
        assert np.isnan(limits.loc["twice"]).all()
        assert np.isfinite(limits.drop(index="twice")).all(axis=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"which": "theta"}, "which must be one of fixed, random, parts, all, not 'theta'"),
        (
            {"method": "exact"},
            "method must be one of wald, satterthwaite, .*bootstrap, not 'exact'",
        ),
        ({"method": "profile", "ddf": "wald"}, 'is for method="wald", not method="profile"'),
        ({"method": "satterthwaite", "ddf": "kr"}, "contradict each other"),
        ({"alpha": 2}, "alpha must be between 0 and 1"),
    ],
)
def test_mistakes(fitted, options, message):
    with pytest.raises(mm.OptionError, match=message):
        fitted(SLEEP, "sleepstudy", reml=True).conf_int(**options)


def test_before_a_fit():
    with pytest.raises(mm.NotFittedError):
        mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy")).conf_int(which="all")


@pytest.mark.parametrize("method", [np.zeros((2, 2)), 3, ["wald"]])
def test_a_method_is_a_text(fitted, method):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    with pytest.raises(OptionError, match="^method must be one of wald"):
        model.conf_int(method=method)
