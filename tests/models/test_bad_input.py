"""What users get wrong: a clear error of ours each time, before heavy work, and nothing lost."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.spaces.linear_space import LinearSpace

N = 24
GROUP = np.repeat(list("abcdef"), 4)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.normal(size=N) + np.repeat(rng.normal(size=6), 4)
    return {
        "y": y,
        "x": rng.normal(size=N),
        "g": GROUP,
        "one": np.repeat("a", N),
        "row": np.arange(N) + 0.5,
        "constant": np.full(N, 3.0),
        "word": np.repeat(["u", "v", "w"], 8),
        "inf": np.where(np.arange(N) == 5, np.inf, 1.0),
        "none": np.full(N, np.nan),
        "w": rng.uniform(1, 2, N),
        "negative": np.where(np.arange(N) == 3, -1.0, 1.0),
    }


MISTAKES = {
    "unknown column": ("y ~ xx + (1 | g)", {}, r"'xx'.*did you mean 'x'"),
    "unknown group": ("y ~ x + (1 | gg)", {}, r"'gg'.*did you mean 'g'"),
    "no random-effects term": ("y ~ x", {}, r"no random-effects term.*\(1 \|"),
    "same variable on both sides": ("y ~ 1 + (1 + g | g)", {}, "both sides"),
    "continuous group": ("y ~ 1 + (1 | row)", {}, "'row' is continuous"),
    "one level": ("y ~ 1 + (1 | one)", {}, "'one'.*one level|'one'.*single level"),
    "constant response": ("constant ~ 1 + (1 | g)", {}, "'constant' is constant"),
    "all rows dropped": ("y ~ none + (1 | g)", {}, "no row is left of 24: 24 miss"),
    "infinite value": ("y ~ inf + (1 | g)", {}, r"infinite|inf.*5"),
    "negative weights": ("y ~ 1 + (1 | g)", {"weights": "negative"}, "negative"),
    "mis-sized weights": ("y ~ 1 + (1 | g)", {"weights": np.ones(7)}, "7.*24|24.*7"),
    "mis-sized offset": ("y ~ 1 + (1 | g)", {"offset": np.ones(7)}, "7.*24|24.*7"),
    "unbalanced parenthesis": ("y ~ 1 + (1 | g", {}, r"(?s)\n\s*\^"),
    "too many random effects": ("y ~ 1 + (1 + x + w + y | g)", {}, "24 random effects.*24 obs"),
    "non-numeric response": ("word ~ 1 + (1 | g)", {}, "'word'.*num"),
    "unknown optimiser": ("y ~ 1 + (1 | g)", {"optimizer": "nlopt:LN_BOBIQA"}, "LN_BOBYQA"),
    "power by ^ in a call": ("y ~ I(x^2) + (1 | g)", {}, r"\*\*"),
    "exactly explained response": ("x ~ x + (1 | g)", {}, "explain the response exactly"),
    "sigma": ("y ~ 1 + (1 | g)", {"sigma": -1.0}, "sigma must be a positive"),
    "sigma as a word": ("y ~ 1 + (1 | g)", {"sigma": "3"}, "sigma must be a positive"),
    "sigma as a truth": ("y ~ 1 + (1 | g)", {"sigma": True}, "sigma must be a positive"),
    "unknown contrast": ("y ~ word + (1 | g)", {"contrasts": {"word": "summ"}}, "summ"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_is_explained(what, data):
    formula, options, message = MISTAKES[what]
    with pytest.raises(mm.NumbammError, match=message):
        mm.lmm(formula, data, **options)


def test_empty_frame():
    with pytest.raises(mm.DataError, match="no rows|empty"):
        mm.lmm("y ~ 1 + (1 | g)", {"y": [], "g": []})


@pytest.mark.parametrize("data", [None, 3, "sleepstudy", np.zeros((3, 2))])
def test_not_a_frame(data):
    with pytest.raises(mm.DataError, match="frame|dict"):
        mm.lmm("y ~ 1 + (1 | g)", data)


def test_model_stays_usable_after_an_unknown_optimiser(data):
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    with pytest.raises(mm.OptionError, match="nlopt:LN_BOBYQA"):
        model.fit(optimizer="nlopt:NOTHING")
    assert not model.is_fitted
    assert model.fit().is_fitted
    before = model.objective, model.theta
    with pytest.raises(mm.OptionError):
        model.refit(reml=True, optimizer="nlopt:NOTHING")
    assert (model.objective, model.theta) == before
    assert not model.optsum.reml


@pytest.mark.parametrize("initial", [[1.0, 1.0], [], [1.0, 0.0, 1.0, 1.0]])
def test_start_of_a_wrong_length_is_blamed_itself(data, initial):
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    model.optsum.initial = initial
    with pytest.raises(mm.OptionError, match=r"^initial must be .* \(g.Intercept\), not"):
        model.fit()


def test_too_many_effects_are_named_by_the_columns_that_count():
    """Uncorrelated columns are terms of their own: the intercept and x are not among the four."""
    rows = np.arange(12)
    data = {"y": rows % 5.0, "g": rows // 4, "f": [f"f{i % 4}" for i in rows], "x": rows % 7.0}
    with pytest.raises(mm.DataError, match=r"12 random effects \(3 levels × 4\)") as refusal:
        mm.lmm("y ~ 1 + (f + x || g)", data)
    assert len(str(refusal.value).split(" | ")[0].split(", ")) == 4


def test_model_stays_usable_after_a_bad_tolerance(data):
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    model.optsum.ftol_rel = -1.0
    with pytest.raises(mm.OptionError, match="ftol_rel"):
        model.fit()
    model.optsum.ftol_rel = 1e-12
    assert model.fit().is_fitted


def test_model_stays_usable_after_an_optimiser_breaks(data):
    class Broken:
        library = "falls 1.0"
        algorithms = {"NOW": mm.optimize.Algorithm()}

        def minimize(self, problem, algorithm):
            problem.objective(problem.x0 + 1)
            raise ZeroDivisionError("oh")

    mm.optimize.register("falls", Broken())
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    with pytest.raises(mm.FitError, match="falls:NOW"):
        model.fit(optimizer="falls:NOW")
    assert not model.is_fitted
    assert model.fit().optsum.used == "newton"


def test_failed_factorisation_counts_as_the_initial_objective(data, monkeypatch):
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    true = LinearSpace.objective

    def fails_at_the_second_evaluation(space, theta):
        return np.nan if theta[0] == 1.75 else true(space, theta)

    monkeypatch.setattr(LinearSpace, "objective", fails_at_the_second_evaluation)
    model.fit(optimizer="nlopt:LN_BOBYQA")
    log = model.optsum.fitlog
    assert log["objective"].isna().any()
    assert model.objective == pytest.approx(mm.lmm("y ~ 1 + (1 | g)", data).objective, abs=1e-6)


def test_wrong_length_of_theta(data):
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", data)
    with pytest.raises(mm.OptionError, match=r"1 number \(g.Intercept\), not"):
        model.objective_at([1.0, 2.0])
