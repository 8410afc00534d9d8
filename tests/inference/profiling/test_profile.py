"""Profile likelihood against lme4, against one-dimensional theory, and at boundaries."""

import numpy as np
import oracles
import pytest
from inference.resampling.executors import Dying
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import numbamm as mm
from numbamm.errors import NotFittedError, NumbammWarning, OptionError, WorkerError
from numbamm.optimize.guard import Guard

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
DYE = "Yield ~ 1 + (1 | Batch)"
PEN = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def sleep(fitted):
    return mm.profile(fitted(SLEEP, "sleepstudy"))


@pytest.fixture(scope="module")
def thetas(fitted):
    return mm.profile(fitted(SLEEP, "sleepstudy"), "theta")


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


def test_a_column_called_as_a_parameter(sleep):
    rows = mm.datasets.load("sleepstudy").rename(columns={"Days": "shape"})
    model = mm.lmm("Reaction ~ 1 + shape + (1 + shape | Subject)", rows)
    limits = model.profile("shape").conf_int().loc["shape"]
    assert_allclose(limits, sleep.conf_int().loc["Days"], rtol=1e-5)
    rows = rows.rename(columns={"shape": "sigma"})
    model = mm.lmm("Reaction ~ 1 + sigma + (1 | Subject)", rows)
    with pytest.raises(
        OptionError, match="'sigma' is the name of a parameter and of a coefficient: rename"
    ):
        model.conf_int(method="profile")


def test_conf_int_of_the_model(fitted, sleep):
    model = fitted(SLEEP, "sleepstudy")
    own = model.conf_int(method="profile")
    assert own.index.tolist() == ["Intercept", "Days"]
    assert_allclose(own, sleep.conf_int().loc[["Intercept", "Days"]], rtol=1e-4)
    with pytest.raises(OptionError, match="one of wald, .*profile, bootstrap, not 'exact'"):
        model.conf_int(method="exact")


def test_theta(fitted, thetas):
    """θ held by its bounds, for a search without derivatives."""
    model, profile = fitted(SLEEP, "sleepstudy"), thetas
    assert list(profile.curves) == [f"theta_{name}" for name in model.theta_names]
    one = model.profile("theta_Subject.Days").curves["theta_Subject.Days"]
    assert_allclose(one.values, profile.curves["theta_Subject.Days"].values)
    for k, curve in enumerate(profile.curves.values()):
        assert_allclose(curve.estimate, model.theta[k], rtol=1e-3, atol=1e-5)
        for limit in curve.limits(1.96):
            twin = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
            twin.optsum.initial[k] = twin.optsum.lowerbd[k] = twin.optsum.upperbd[k] = limit
            twin.fit(optimizer="nlopt:LN_BOBYQA")
            assert_allclose(twin.objective - model.objective, 1.96**2, rtol=1e-3)


def test_a_rank_deficient_model(sleep):
    """A column that was dropped does not stand in for the one whose coefficient is held."""
    rows = mm.datasets.load("sleepstudy")
    rows["Hours"] = 24 * rows["Days"]
    model = mm.lmm("Reaction ~ 1 + Days + Hours + (1 + Days | Subject)", rows)
    limits = model.profile().conf_int()
    assert list(limits.index) == list(sleep.conf_int().index)
    assert_allclose(limits, sleep.conf_int(), rtol=1e-5)
    whole = model.conf_int(method="profile")
    assert whole.index.tolist() == ["Intercept", "Days", "Hours"]
    assert whole.loc["Hours"].isna().all() and whole.loc["Days"].notna().all()
    with pytest.raises(OptionError, match="'Hours' has no estimate: its column depends on others"):
        model.profile("Hours")


@pytest.mark.parametrize(("x", "unit"), [("Year", 1.0), ("ns", 1e9), ("age", 1e-6)])
def test_columns_that_are_rescaled_inside(sleep, thetas, x, unit):
    """Slopes over columns far from 0, or of odd size, have the profiles of ordinary ones."""
    rows = mm.datasets.load("sleepstudy")
    rows[x] = unit * rows["Days"] + (2000 if x == "Year" else 0)
    model = mm.lmm(f"Reaction ~ 1 + {x} + (1 + {x} | Subject)", rows)
    assert model.scalings[0] is not None
    limits, ordinary = model.profile().conf_int(), sleep.conf_int()
    assert_allclose(limits.loc["sigma"], ordinary.loc["sigma"], rtol=1e-4)
    for own, theirs in ((f"sd_{x}|Subject", "sd_Days|Subject"), (x, "Days")):
        assert_allclose(unit * limits.loc[own], ordinary.loc[theirs], rtol=1e-4)
    if x == "Year":
        _compare_with_a_search(model)
    else:
        names = ["sd_Intercept|Subject", "Intercept"]
        assert_allclose(limits.loc[names], ordinary.loc[names], rtol=1e-4)
        cor = limits.loc[f"cor_{x}.Intercept|Subject"]
        assert_allclose(cor, ordinary.loc["cor_Days.Intercept|Subject"], rtol=1e-3)
        theta = model.profile("theta").conf_int().to_numpy() * [[1.0], [unit], [unit]]
        assert_allclose(theta, thetas.conf_int(), rtol=1e-4)


def _compare_with_a_search(model):
    """The least deviance where ρ is at its limits, by a search in what is left of λ."""
    curves = model.profile().curves
    cor = curves["cor_Year.Intercept|Subject"]
    best = model.theta
    for rho in cor.limits(1.96):

        def deviance(log_s, rho=rho):
            a, b = np.exp(log_s)
            return model.objective_at([a, rho * b, b * np.sqrt(1 - rho**2)])

        start = np.log([best[0], np.hypot(best[1], best[2])])
        least = minimize(deviance, start, method="Nelder-Mead", options={"xatol": 1e-7}).fun
        assert_allclose(least - model.objective, 1.96**2, rtol=2e-3)


def test_an_interrupt_of_a_refit_is_one_of_the_profile(fitted, monkeypatch):
    """A fit that is interrupted keeps its best point, which is none of the profile's."""
    count, calls = Guard.count, iter(range(10_000))

    def interrupted(self, search):
        if next(calls) == 60:
            raise KeyboardInterrupt
        return count(self, search)

    monkeypatch.setattr(Guard, "count", interrupted)
    with pytest.warns(NumbammWarning, match="interrupted; it lacks Intercept, Days"):
        part = fitted(SLEEP, "sleepstudy").profile(["sigma", "Intercept", "Days"])
    assert list(part.curves) == ["sigma"]


def test_tables_and_errors(fitted, sleep):
    assert "Profile likelihood: Reaction" in str(sleep)
    assert "<table" in sleep._repr_html_()
    with pytest.raises(OptionError, match="needs a wider profile"):
        sleep.conf_int(0.0001)
    with pytest.raises(OptionError, match="did you mean 'Days'"):
        fitted(SLEEP, "sleepstudy").profile("days")
    for nothing in ([], 5):
        with pytest.raises(OptionError, match="parameters must be a name"):
            fitted(SLEEP, "sleepstudy").profile(nothing)
    with pytest.raises(OptionError, match="alpha must be between"):
        fitted(SLEEP, "sleepstudy").profile(alpha=5)
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


@pytest.mark.parametrize("family", ["linear", "binomial"])
def test_profiles_do_not_depend_on_the_workers(fitted, family):
    """Nor on the parameters that were profiled before."""
    model = fitted(DYE, "Dyestuff", reml=True)
    if family == "binomial":
        formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial")
    whole = model.profile()
    assert model.profile(workers=2).frame.equals(whole.frame)
    last = list(whole.curves)[-1]
    alone = whole.frame[whole.frame["parameter"] == last].reset_index(drop=True)
    assert model.profile(last).frame.equals(alone)


def test_a_process_that_ends_leaves_the_curves_that_are_done(fitted, sleep):
    model = fitted(SLEEP, "sleepstudy")
    with Dying(1) as workers, pytest.raises(WorkerError) as caught:
        model.profile(["sigma", "Days"], workers=workers)
    done = caught.value.partial
    assert list(done.curves) == ["sigma"]
    assert done.curves["sigma"].values.tolist() == sleep.curves["sigma"].values.tolist()
    with Dying(0) as workers, pytest.raises(WorkerError) as caught:
        model.profile("sigma", workers=workers)
    assert caught.value.partial is None
