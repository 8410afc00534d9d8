"""Profile likelihood against lme4, against one-dimensional theory, and at boundaries."""

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import NotFittedError, OptionError
from numbamm.inference.curve import Curve
from numbamm.inference.linear_surface import LinearSurface

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
DYE = "Yield ~ 1 + (1 | Batch)"
PEN = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def sleep(fitted):
    return mm.profile(fitted(SLEEP, "sleepstudy"))


@pytest.mark.parametrize(
    ("key", "formula", "dataset", "reml"),
    [
        ("dye_ml", DYE, "Dyestuff", False),
        ("dye_reml", DYE, "Dyestuff", True),
        ("sleep_ml", SLEEP, "sleepstudy", False),
        ("pen_ml", PEN, "Penicillin", False),
        ("singular_dyestuff2", DYE, "Dyestuff2", False),
    ],
)
def test_intervals_are_lme4s(fitted, key, formula, dataset, reml):
    """To 1e-3 relative; to 1e-3 of σ where a limit is zero."""
    table = oracles.INFERENCE[f"confint_profile_{key}"]["result"]
    table = table.get("confint", table)
    model = fitted(formula, dataset, reml=reml)
    own = mm.profile(model).conf_int()
    names = [name.replace("(Intercept)", "Intercept") for name in table[".rows"]]
    assert sorted(names) == sorted(own.index)
    expected = np.column_stack([table["2.5 %"], table["97.5 %"]])
    assert_allclose(
        own.loc[names], expected, rtol=1e-3, atol=1e-3 * model.sigma * (expected == 0).any()
    )


def test_zeta_is_zero_at_the_estimate_and_ascends(fitted, sleep):
    model = fitted(SLEEP, "sleepstudy")
    for name, curve in sleep.curves.items():
        assert (np.diff(curve.values) > 0).all()
        assert (np.diff(curve.zeta) > 0).all()
        assert curve.zeta[0] < -2.57 or name.startswith("cor_")
        assert curve.zeta[-1] > 2.57 or name.startswith("cor_")
        assert abs(curve.spline(curve.estimate)) < 1e-12
    assert_allclose(sleep.curves["Days"].estimate, model.params["Days"])
    assert list(sleep.frame.columns) == ["parameter", "value", "zeta"]


def test_the_likelihood_ratio_at_a_limit(fitted, sleep):
    """σ held at its limit costs the quantile of χ² with one degree of freedom."""
    model = fitted(SLEEP, "sleepstudy")
    rows = mm.datasets.load("sleepstudy")
    for limit in sleep.conf_int(0.1).loc["sigma"]:
        held = mm.lmm(SLEEP, rows, sigma=limit)
        assert_allclose(held.objective - model.objective, 1.6448536269514722**2, atol=2e-3)


def test_the_gradient_with_log_sigma(fitted):
    surface = LinearSurface(fitted(SLEEP, "sleepstudy"))
    x = surface.best + 0.1
    _, gradient = surface.deviance(x)
    for k, slope in enumerate(gradient):
        h = np.zeros(len(x))
        h[k] = 1e-5
        difference = surface.deviance(x + h)[0] - surface.deviance(x - h)[0]
        assert_allclose(slope, difference / 2e-5, rtol=1e-5, atol=1e-4)


def test_with_a_given_sigma_and_weights():
    """The mean of independent groups with everything known but τ and μ."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(15), 4)
    y = 5 + rng.normal(size=15)[g] + rng.normal(size=60)
    model = mm.lmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, sigma=1.0)
    profile = model.profile()
    assert list(profile.curves) == ["sd_Intercept|g", "Intercept"]
    means = np.array([y[g == k].mean() for k in range(15)])

    def deviance(tau):
        v = tau**2 + 0.25
        return 15 * np.log(v) + ((means - means.mean()) ** 2).sum() / v

    best = np.sqrt(max(0, means.var() - 0.25))
    for limit in profile.conf_int().loc["sd_Intercept|g"]:
        assert_allclose(deviance(limit) - deviance(best), 3.841458820694124, atol=4e-3)


def test_conf_int_of_the_model(fitted, sleep):
    model = fitted(SLEEP, "sleepstudy")
    own = model.conf_int(method="profile")
    assert own.index.tolist() == ["Intercept", "Days"]
    assert_allclose(own, sleep.conf_int().loc[["Intercept", "Days"]], rtol=1e-4)
    with pytest.raises(OptionError, match="'wald' or 'profile'"):
        model.conf_int(method="exact")


def test_a_profile_that_is_not_monotone():
    """The first crossing on either side counts."""
    values = np.linspace(-4, 4, 33)
    zeta = values + 1.5 * np.sin(values * 2)
    curve = Curve(0.0, values, zeta, -np.inf, np.inf)
    low, high = curve.limits(1.96)
    assert_allclose([low, high], [-high, high], atol=1e-9)
    assert high < 1.1
    assert np.isnan(curve.limits(9.0)).all()
    assert Curve(0.0, values, zeta, -4.0, 4.0).limits(9.0) == (-4.0, 4.0)


def test_tables_and_errors(fitted, sleep):
    assert "Profile likelihood: Reaction" in str(sleep)
    assert "<table" in sleep._repr_html_()
    with pytest.raises(OptionError, match="does not reach"):
        sleep.conf_int(0.0001)
    with pytest.raises(OptionError, match="did you mean 'Days'"):
        fitted(SLEEP, "sleepstudy").profile("days")
    with pytest.raises(NotFittedError):
        mm.profile(mm.LinearMixedModel(DYE, mm.datasets.load("Dyestuff")))


def test_a_singular_fit():
    """A correlation of -1, that any other hardly makes worse: with a variance at 0, it is free."""
    rng = np.random.default_rng(6)
    g, x = np.repeat(np.arange(12), 6), np.tile(np.arange(6.0), 12)
    e = rng.normal(size=(12, 6))
    e -= 0.8 * e.mean(axis=1, keepdims=True)
    model = mm.lmm("y ~ x + (1 + x | g)", {"y": e.ravel(), "g": g, "x": x})
    assert model.is_singular()
    limits = model.profile().conf_int()
    assert limits.loc["cor_x.Intercept|g"].tolist() == [-1.0, 1.0]
    assert limits.loc[["sd_Intercept|g", "sd_x|g"], 0].tolist() == [0.0, 0.0]
    assert (limits.loc[["sd_Intercept|g", "sd_x|g"], 1] < 2).all()
