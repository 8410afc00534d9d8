"""`delete_levels`: the same estimates as from data without the level."""

import numpy as np
import oracles
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.mark.parametrize("options", [{"reml": True}, {"reml": False}, {"weights": "w"}])
def test_levels_are_left_out_as_if_they_had_not_been_there(options):
    rows = oracles.dataset("sleepstudy").assign(w=np.linspace(0.5, 2, 180))
    model = mm.lmm(SLEEP, rows, **options)
    theta = model.theta.copy()
    found = model.delete_levels("Subject")
    np.testing.assert_array_equal(model.theta, theta)
    for level in ("308", "337"):
        alone = mm.lmm(SLEEP, rows[rows["Subject"].astype(str) != level], **options)
        line = found.frame.loc[level]
        assert line["rows"] == 10
        assert line["objective"] == pytest.approx(alone.objective, abs=1e-5)
        assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-4)
        np.testing.assert_allclose(found.theta.loc[level], alone.theta, atol=1e-3)
        scale = 1e-3 * alone.bse
        assert (abs(found.params.loc[level] - alone.params) <= scale).all()
        change = model.params - alone.params
        np.testing.assert_allclose(found.dfbetas.loc[level], change / alone.bse, atol=1e-3)
        cooks = change @ np.linalg.solve(model.cov_params(), change) / 2
        assert line["cooks"] == pytest.approx(cooks, rel=1e-3)
        ratio = np.linalg.det(alone.cov_params()) / np.linalg.det(model.cov_params())
        assert line["covratio"] == pytest.approx(ratio, rel=1e-3)


def test_theta_held(fitted):
    """β of the remaining rows at the same θ."""
    formula, rows = "diameter ~ 1 + (1 | plate) + (1 | sample)", oracles.dataset("Penicillin")
    model = fitted(formula, "Penicillin")
    found = model.delete_levels(refit=False)
    assert found.frame.index.name == "sample" and "θ is that of all rows" in repr(found)
    alone = mm.LinearMixedModel(formula, rows[rows["sample"] != "B"])
    alone._estimates = alone._estimate(model.theta, alone.objective_at(model.theta))
    line = found.frame.loc["B"]
    assert line["objective"] == pytest.approx(alone.objective, abs=1e-8)
    assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-10)
    assert found.params.loc["B", "Intercept"] == pytest.approx(alone.beta[0], rel=1e-10)
    np.testing.assert_array_equal(found.theta.loc["B"], model.theta)


def test_levels_that_hold_up_a_coefficient(fitted):
    """Without its only level a mean cannot be estimated."""
    rows = oracles.dataset("sleepstudy").assign(
        only=lambda d: (d["Subject"].astype(str) == "335").astype(float)
    )
    model = mm.lmm("Reaction ~ Days + only + (1 | Subject)", rows)
    found = model.delete_levels(refit=False).frame
    assert found["cooks"].isna().sum() == 1 and np.isnan(found.loc["335", "objective"])


def test_columns_far_from_zero():
    """Slopes over calendar years are held in other columns inside."""
    rows = oracles.dataset("sleepstudy").assign(year=lambda d: d["Days"] + 2000)
    formula = "Reaction ~ year + (year | Subject)"
    model = mm.lmm(formula, rows)
    found = model.delete_levels("Subject")
    alone = mm.lmm(formula, rows[rows["Subject"].astype(str) != "309"])
    assert found.frame.loc["309", "objective"] == pytest.approx(alone.objective, abs=1e-5)
    assert found.params.loc["309", "year"] == pytest.approx(alone.params["year"], rel=1e-6)


@pytest.mark.parametrize("family", ["binomial", "bernoulli", "negativebinomial", "gamma"])
def test_levels_left_out_of_generalized_models(generalized, family):
    model, level = generalized(family), "335" if family == "gamma" else "4"
    theta, objective = model.theta.copy(), model.objective
    found, alone = model.delete_levels(), generalized(family, level)
    np.testing.assert_array_equal(model.theta, theta)
    assert model.objective_at(model.optsum.final) == pytest.approx(objective, abs=1e-8)
    line = found.frame.loc[level]
    assert line["rows"] == model.nobs - alone.nobs
    assert line["objective"] == pytest.approx(alone.objective, abs=1e-5)
    assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-4)
    assert ("σ" in repr(found)) == (family == "gamma")
    np.testing.assert_allclose(found.theta.loc[level], alone.theta, atol=1e-3)
    assert (abs(found.params.loc[level] - alone.params) <= 1e-3 * alone.bse).all()
    change = model.params - alone.params
    np.testing.assert_allclose(found.dfbetas.loc[level], change / alone.bse, rtol=1e-2, atol=2e-3)
    cooks = change @ np.linalg.solve(model.cov_params(), change) / len(change)
    assert line["cooks"] == pytest.approx(cooks, rel=1e-2)
    ratio = np.linalg.det(alone.cov_params()) / np.linalg.det(model.cov_params())
    assert line["covratio"] == pytest.approx(ratio, rel=1e-2)
    if family == "negativebinomial":
        assert line["shape"] == pytest.approx(alone.shape, rel=1e-3)


@pytest.mark.parametrize("family", ["binomial", "gamma"])
def test_theta_held_of_generalized_models(generalized, family):
    """β and φ at the penalised mode of the remaining rows."""
    model, level = generalized(family), "335" if family == "gamma" else "4"
    found, alone = model.delete_levels(refit=False), generalized(family, level)
    held = alone.objective_at(model.theta)
    assert found.frame.loc[level, "objective"] == pytest.approx(held, abs=1e-8)
    np.testing.assert_array_equal(found.theta.loc[level], model.theta)
    refit = model.delete_levels()
    assert np.corrcoef(found.frame["cooks"], refit.frame["cooks"])[0, 1] > 0.95


def test_a_level_without_which_there_is_no_fit():
    """Without the only herd with cases the responses are separated."""
    rows = oracles.dataset("cbpp").assign(
        incidence=lambda d: d["incidence"].where(d["herd"] == "1", 0),
        healthy=lambda d: d["size"] - d["incidence"],
    )
    model = mm.glmm("cbind(incidence, healthy) ~ 1 + (1 | herd)", rows, "binomial")
    found = model.delete_levels("herd")
    assert "The fit without herd 1 failed." in repr(found)
    assert found.frame.isna().any(axis=1).tolist() == [True] + 14 * [False]


def test_an_unknown_factor(fitted):
    with pytest.raises(mm.OptionError, match="no grouping factor; did you mean 'Subject'"):
        fitted(SLEEP, "sleepstudy").delete_levels("subject")


def test_an_interrupt_keeps_the_levels_that_are_done(fitted, monkeypatch):
    """The search takes an interrupt for an end; its half of a fit is no result."""
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    whole, fit, calls = model.delete_levels("Subject"), type(model)._fit, iter(range(20))

    def interrupted(self, *args, **options):
        fit(self, *args, **options)
        if next(calls) == 3:
            self.optsum.returnvalue = "INTERRUPTED"
        return self

    monkeypatch.setattr(type(model), "_fit", interrupted)
    part = model.delete_levels("Subject")
    assert part.to_frame().equals(whole.to_frame().iloc[:3])
    assert "Interrupted after 3 of 18 levels." in part.notes
    calls = iter([3])
    with pytest.raises(KeyboardInterrupt):
        model.drop1()


def test_levels_left_out_with_a_link_without_units():
    """Rows that are left out have no information, by which nothing is multiplied then."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(8), 6), rng.uniform(1, 2, size=48)
    y = rng.gamma(5, (1 / (0.5 + 0.3 * x)) / 5) * np.exp(0.2 * rng.normal(size=8))[g]
    model = mm.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, "gamma", "inverse")
    assert np.isfinite(model.delete_levels().frame["cooks"]).all()
