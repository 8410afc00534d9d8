"""Power by simulation: against what can be calculated, and designs of all kinds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import numbamm as mm
from numbamm.inference.resampling import power, power_tests, replicates

CROSSED = "y ~ 1 + condition + (1 | subject) + (1 | item)"

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_power_that_can_be_calculated(design):
    """Within balanced subjects and items β̂ is N(β, 4σ²/n); five binomial standard errors."""
    parameters = {"beta": [100, 0.3], "theta": [0.8, 0.5], "sigma": 1.0}
    result = mm.power(CROSSED, design=design, **parameters, n=2000, seed=1)
    size = 0.3 / np.sqrt(4 / 240)
    expected = ndtr(size - 1.959964) + ndtr(-size - 1.959964)
    [line] = result.to_frame().itertuples()
    assert line.Index == "condition[T.b]"
    assert line.value == 0.3
    assert line.fits == 2000 and line.failed == 0
    assert abs(line.power - expected) < 5 * np.sqrt(expected * (1 - expected) / 2000) + 0.01
    assert line.lower < line.power < line.upper
    assert "240 rows; 20 subject, 12 item." in result.notes


def test_tests_hold_their_level(design):
    """Without an effect 5 % reject: five binomial standard errors."""
    parameters = {"beta": {"Intercept": 0, "condition[T.b]": 0}, "theta": [1, 1], "sigma": 2}
    for ddf in ("wald", "satterthwaite"):
        found = mm.power(CROSSED, design=design, **parameters, n=300, seed=2, ddf=ddf).frame
        assert abs(found["power"].iloc[0] - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 300)


def test_the_seed_alone_makes_the_result(fitted):
    model = fitted(SLEEP, "sleepstudy")
    beta = [250.0, 4.0]
    for how, n in (({}, 100), ({"ddf": "satterthwaite"}, 6), ({"test": "lrt"}, 6)):
        one = model.power(beta=beta, n=n, seed=3, **how)
        two = model.power(beta=beta, n=n, seed=3, **how, workers=2)
        pd.testing.assert_frame_equal(one.frame, two.frame)
    assert model.is_fitted and model.params["Days"] > 10  # as it was


@pytest.mark.parametrize("ddf", ["wald", "satterthwaite"])
def test_a_known_sigma_is_known_at_its_true_value(ddf):
    """Whatever it was held at in the model, the fits hold it where the responses are drawn."""
    data = mm.datasets.load("sleepstudy")
    truth = {"beta": [250.0, 3.0], "theta": [1.0, 0.0, 0.2], "sigma": 60.0}
    held, right, fitted = (mm.LinearMixedModel(SLEEP, data, sigma=s) for s in (20.0, 60.0, 20.0))
    fitted.fit().optsum.sigma = None  # which is of the next fit
    options = truth | {"ddf": ddf, "n": 30, "seed": 1}
    expected = right.power("Days", **options).frame
    for model in (held, fitted):
        pd.testing.assert_frame_equal(model.power("Days", **options).frame, expected)
        found = model.power("Days", design=data, **options).frame
        pd.testing.assert_frame_equal(found, expected)


def test_a_known_shape_is_known_at_its_true_value(design):
    rows = design.assign(y=np.random.default_rng(1).poisson(3, 240))
    kind = "y ~ 1 + condition + (1 | subject)", rows, "negativebinomial"
    options = {"beta": [1, 0.3], "theta": [0.5], "shape": 0.5, "fast": True, "n": 10, "seed": 1}
    held, right = (mm.GeneralizedLinearMixedModel(*kind, shape=shape) for shape in (50.0, 0.5))
    pd.testing.assert_frame_equal(held.power(**options).frame, right.power(**options).frame)


def test_criteria_are_those_of_the_fit():
    model = mm.lmm("y ~ 1 + (1 | g)", {"y": [1.0, 3.0, 5.0, 4.0, 7.0, 9.0], "g": list("aabbcc")})
    options = {"ddf": "satterthwaite", "n": 20, "seed": 1, "beta": [3.0]}
    expected = model.power(**options).frame
    model.optsum.reml = True
    pd.testing.assert_frame_equal(model.power(**options).frame, expected)


@pytest.mark.parametrize(
    ("family", "response", "options"),
    [
        ("bernoulli", "y", {}),
        ("binomial", "cbind(yes, no)", {"weights": np.full(240, 5.0)}),
        ("poisson", "count", {}),
        ("negativebinomial", "count", {"shape": 2.0}),
        ("gamma", "log_time", {"sigma": 0.5, "link": "log"}),
    ],
)
def test_families(design, family, response, options):
    formula = f"{response} ~ 1 + condition + (1 | subject)"
    result = mm.power(
        formula,
        design=design,
        beta=[1.0, 2.0],
        theta=[0.5],
        family=family,
        fast=True,
        **options,
        n=10,
        seed=1,
    )
    [line] = result.frame.itertuples()
    assert line.fits + line.failed == 10
    assert line.power > 0.8


def test_responses_that_cannot_be_drawn(monkeypatch):
    """Counts of e^50 are more than numpy draws."""
    rows = {"day": [0, 1, 2, 3] * 6, "subject": np.arange(24) // 4}
    options = {"design": rows, "family": "poisson", "fast": True, "n": 4, "seed": 1}
    formula, draw = "y ~ day + (1 | subject)", power_tests.respond
    with pytest.raises(mm.FitError, match="none of 4 drawn responses could be fitted"):
        mm.power(formula, beta=[50, 0], theta=[0.1], **options)
    calls = []

    def all_but_the_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise mm.DataError("no poisson response has such a mean")
        return draw(*args)

    monkeypatch.setattr(power_tests, "respond", all_but_the_first)
    [line] = mm.power(formula, beta=[1, 0], theta=[0.5], **options).frame.itertuples()
    assert (line.fits, line.failed) == (3, 1)


def test_curve(design):
    parameters = {"beta": [0, 0.4], "theta": [0.8, 0.5], "sigma": 1.0, "n": 200, "seed": 1}
    curve = mm.power_curve(CROSSED, design, "subject", [4, 10, 30], "condition[T.b]", **parameters)
    frame = curve.frame
    assert frame["subject"].tolist() == [4, 10, 30]
    assert frame["power"].is_monotonic_increasing
    same = mm.power(CROSSED, design=design[design["subject"] < 10], **parameters).frame
    assert frame["power"].iloc[1] == same["power"].item()
    assert "subject" in repr(curve)


def interrupt_after(batches, monkeypatch):
    """An interrupt when so many batches are done, by one thread of `completed`."""
    completed = replicates.completed

    def some(function, all_batches, workers):
        yield from itertools.islice(completed(function, all_batches, workers), batches)
        raise KeyboardInterrupt

    monkeypatch.setattr(replicates, "completed", some)


def first_or_stop(results):
    for result in results:
        return result
    raise KeyboardInterrupt


@pytest.mark.parametrize(("ddf", "done"), [("wald", 6), ("satterthwaite", 3)])
def test_interrupt(fitted, monkeypatch, ddf, done):
    model, data = fitted(SLEEP, "sleepstudy"), mm.datasets.load("sleepstudy")
    interrupt_after(3, monkeypatch)
    options = {"ddf": ddf, "n": 40, "seed": 1}
    said = f"Power was interrupted after {done} of 40 responses."
    with pytest.warns(mm.NumbammWarning) as warned:
        result = model.power("Days", **options)
    assert [str(w.message) for w in warned] == [said]
    assert result.frame["fits"].item() == done and result.notes[-1] == said
    with pytest.warns(mm.NumbammWarning, match=said):
        curve = mm.power_curve(model, data, "Subject", [6, 8, 9], "Days", **options)
    assert curve.frame["Subject"].tolist() == [6]
    assert f"Subject = 6: {said}" in repr(curve)
    interrupt_after(0, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        model.power("Days", **options)
    monkeypatch.undo()
    results = iter([model.power("Days", **options | {"n": 2})])
    monkeypatch.setattr(power, "power", lambda *_, **__: first_or_stop(results))
    with pytest.warns(mm.NumbammWarning, match="interrupted before Subject = 8"):
        curve = mm.power_curve(model, data, "Subject", [6, 8, 9], "Days")
    assert curve.frame["Subject"].tolist() == [6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"beta": None},
            r"needs beta \(Intercept, condition\[T.b\]\), theta \(subject.Inter.*sigma",
        ),
        ({"design": None}, "needs a design"),
        ({"coef": "conditon[T.b]"}, r"is no coefficient; did you mean 'condition\[T.b\]'"),
        ({"coef": []}, "coef must be a name or a list of names"),
        ({"coef": 3}, "coef must be a name or a list of names, not 3"),
        ({"n": 0}, "n must be at least 1"),
        ({"ddf": "f"}, "unknown ddf 'f'"),
        ({"ddf": "f", "n": 0}, "unknown ddf 'f'"),
        ({"seed": "a"}, "seed must be a whole number"),
        ({"seed": "a", "ddf": "satterthwaite"}, "seed must be a whole number"),
        ({"theta": [1.0]}, r"theta must be 2 finite numbers"),
        (
            {"theta": None, "cov": np.eye(2)},
            "cov must be a dict with a covariance matrix for each",
        ),
        ({"link": "lgo"}, "unknown link 'lgo'; did you mean 'log'"),
        ({"workers": 0}, "workers must be at least 1, or -1 for all processors, not 0"),
        ({"workers": 0, "ddf": "satterthwaite"}, "workers must be at least 1, or -1 for all"),
        ({"fast": True}, "fast is for generalized models"),
        ({"family": "poisson", "sigma": None, "reml": True}, "reml=True is for linear models"),
        ({"family": ""}, "unknown family ''"),
        ({"family": "normals"}, "unknown family 'normals'"),
        ({"test": "f"}, "test must be one of wald, lrt, not 'f'"),
        ({"test": "lrt", "ddf": "satterthwaite"}, 'ddf="satterthwaite" goes with test="wald"'),
        ({"test": "lrt", "reml": True}, "REML fits with different fixed effects cannot be comp"),
        ({"alpha": 5}, "alpha must be between 0 and 1"),
    ],
)
def test_options_that_cannot_be_used(design, options, message):
    parameters = {"beta": [0, 1], "theta": [1, 1], "sigma": 1, "n": 2, "design": design} | options
    with pytest.raises(mm.OptionError, match=message):
        mm.power(CROSSED, **parameters)
