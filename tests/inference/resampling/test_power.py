"""Power by simulation: against what can be calculated, and designs of all kinds."""

import copy
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr

import numbamm as mm
import numbamm.inference.resampling.drawn_tests
import numbamm.inference.resampling.power
import numbamm.inference.resampling.replicates
from numbamm.inference.prediction.simulate import Truth
from numbamm.inference.resampling.designs import grouping_columns, of_model, with_levels
from numbamm.inference.resampling.drawn_tests import LikelihoodRatioTests, standard_errors
from numbamm.inference.resampling.power import _on_design
from numbamm.inference.resampling.replicates import key_of, stream

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def design():
    """Every subject sees every item, in one of two conditions."""
    subject, item = (a.ravel() for a in np.meshgrid(np.arange(20), np.arange(12), indexing="ij"))
    condition = np.where((subject + item) % 2, "b", "a")
    return pd.DataFrame({"subject": subject, "item": item, "condition": condition})


CROSSED = "y ~ 1 + condition + (1 | subject) + (1 | item)"


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


@pytest.mark.parametrize("options", [{"reml": True}, {"sigma": 30}, None])
def test_likelihood_ratios_are_those_of_drop1(options):
    if options is None:
        rows = mm.datasets.load("cbpp").assign(p=lambda d: d["period"].astype(float))
        model = mm.glmm("cbind(incidence, size - incidence) ~ p + (1 | herd)", rows, "binomial")
        coef, given, how, ml = "p", {}, {"fast": False}, {}
    else:
        model = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), **options)
        coef, given, how, ml = "Days", {"beta": [250, 5], "sigma": 40}, {}, {"reml": False}
    at = Truth.given(model, *(given.get(k) for k in ("beta", "theta", "cov", "sigma", "shape")))
    own, built = copy.deepcopy(model), _on_design(model, None, at, None)[0]
    if model.optsum.sigma is not None:
        own.optsum.sigma = built.optsum.sigma = 40.0
    pvalues = []
    for i in range(4):
        own.refit(model.simulate(stream(key_of(1), i), **given), **ml)
        pvalues.append(own.drop1().frame.loc[coef, "pvalue"])
    lines = LikelihoodRatioTests(built, at, [coef], 1, how)(range(4))
    assert_allclose([p.item() for p, _ in lines], pvalues, rtol=1e-4, atol=1e-12)
    result = model.power(coef, test="lrt", n=4, seed=1, **given)
    assert result.frame["fits"].item() == 4
    assert result.frame["power"].item() == np.mean(np.array(pvalues) < 0.05)
    assert "Likelihood-ratio tests at the 5 % level" in repr(result)
    assert model.is_fitted and model.optsum.reml == model.estimates.reml  # as it was


def test_likelihood_ratios_hold_their_level(design):
    """Without an effect 5 % reject: five binomial standard errors; the intercept alone, too."""
    options = {"design": design, "theta": [1, 1], "sigma": 2, "n": 200, "seed": 2, "test": "lrt"}
    for formula, beta in ((CROSSED, [0, 0]), (CROSSED.replace("condition + ", ""), [0])):
        found = mm.power(formula, beta=beta, **options).frame["power"].item()
        assert abs(found - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 200)


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


def test_executors_make_the_same(fitted):
    model = fitted(SLEEP, "sleepstudy")
    options = {"n": 200, "seed": 3, "ddf": "satterthwaite"}
    one = model.power(**options).frame
    with ThreadPoolExecutor(2) as pool:  # as to another process, by pickle
        two = model.power(**options, workers=Posting(pool)).frame
    pd.testing.assert_frame_equal(one, two)


class Posting:
    """An executor whose tasks go by pickle, as they do to another process."""

    def __init__(self, pool):
        self.pool = pool

    def submit(self, task, *args):
        return self.pool.submit(pickle.loads(pickle.dumps(task)), *args)


def test_standard_errors_follow_from_theta(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    found = standard_errors(model, [model.theta], [model.sigma])
    assert_allclose(found[0], model.bse)


def test_a_fitted_model_on_a_larger_design(fitted):
    model, data = fitted(SLEEP, "sleepstudy"), mm.datasets.load("sleepstudy")
    larger = with_levels(data[["Days", "Subject"]], "Subject", 40)
    assert larger["Subject"].nunique() == 40 and len(larger["Days"]) == 400
    options = {"beta": [250.0, 4.0], "n": 300, "seed": 1}
    some = model.power("Days", **options).frame["power"].item()
    more = model.power("Days", design=larger, **options)
    assert more.frame["power"].item() > some + 0.1
    assert "400 rows; 40 Subject." in more.notes


def test_parameters_stay_with_their_terms(design):
    """Terms stand by size: here the larger factor becomes the smaller one."""
    model = mm.LinearMixedModel(CROSSED, design.assign(y=np.random.default_rng(1).normal(size=240)))
    assert [t.group for t in model.reterms] == ["subject", "item"]
    other = {
        "subject": np.arange(300) % 5,
        "item": np.arange(300) % 60,
        "condition": ["a", "b"] * 150,
    }
    given = Truth.given(model, [0.0, 1.0], [3.0, 7.0], None, 1.0, None)
    built, at = _on_design(model, other, given, None)
    assert dict(zip(built.theta_names, at.theta, strict=True)) == {
        "subject.Intercept": 3.0,
        "item.Intercept": 7.0,
    }
    assert built.theta_names[0] == "item.Intercept"


def test_codings_and_transforms_are_those_of_the_fit():
    data = mm.datasets.load("sleepstudy")
    formula = "Reaction ~ poly(Days, 2) + scale(Days**3) + (1 | Subject)"
    model = mm.LinearMixedModel(formula, data)
    some = data[data["Subject"].isin(["308", "309", "372"])]
    built, order = of_model(model, some, None)
    assert order == [0]
    assert_allclose(built.frame.X, model.frame.X[some.index])
    assert list(built.reterms[0].levels) == ["308", "309", "372"]


def test_names_as_models_take_them(design):
    options = {"design": design, "beta": [0, 1], "theta": [0.5], "fast": True, "n": 2, "seed": 1}
    formula = "y ~ 1 + condition + (1 | subject)"
    one = mm.power(formula, family="gamma", link="log", sigma=0.5, **options)
    two = mm.power(formula, family="Gamma", link="Log", sigma=0.5, **options)
    pd.testing.assert_frame_equal(one.frame, two.frame)
    del options["fast"]
    one = mm.power(formula, sigma=0.5, **options)
    two = mm.power(formula, family="Gaussian", link="Identity", sigma=0.5, **options)
    pd.testing.assert_frame_equal(one.frame, two.frame)


def test_a_predictor_called_response(design):
    options = {"beta": [0, 1], "theta": [0.5], "sigma": 1, "n": 20, "seed": 1}
    one = mm.power("log(y) ~ item + (1 | subject)", design=design, **options)
    renamed = design.rename(columns={"item": "response"})
    two = mm.power("log(y) ~ response + (1 | subject)", design=renamed, **options)
    assert_allclose(one.frame, two.frame)
    assert two.frame.index.tolist() == ["response"]


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
    formula, draw = "y ~ day + (1 | subject)", numbamm.inference.resampling.drawn_tests.respond
    with pytest.raises(mm.FitError, match="none of 4 responses could be fitted"):
        mm.power(formula, beta=[50, 0], theta=[0.1], **options)
    calls = []

    def all_but_the_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise mm.DataError("no poisson response has such a mean")
        return draw(*args)

    monkeypatch.setattr(numbamm.inference.resampling.drawn_tests, "respond", all_but_the_first)
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
    completed = numbamm.inference.resampling.replicates.completed

    def some(function, all_batches, workers):
        yield from itertools.islice(completed(function, all_batches, workers), batches)
        raise KeyboardInterrupt

    monkeypatch.setattr(numbamm.inference.resampling.replicates, "completed", some)


def test_copies_have_nested_factors_of_their_own(monkeypatch):
    """Classes are numbered throughout; pupils' ages are crossed with schools."""
    school, group = np.repeat(np.arange(4), 12), np.repeat(np.arange(12), 4)
    rows = {"school": school, "group": group.astype(float), "age": np.tile([8, 9], 24)}
    rows["group"][0] = np.nan
    formula = "y ~ 1 + (1 | school) + (1 | group) + (1 | age)"
    assert grouping_columns(formula) == {"school", "group", "age"}
    larger = pd.DataFrame(with_levels(rows, "school", 10, grouping_columns(formula)))
    assert larger.nunique().to_dict() == {"school": 10, "group": 30, "age": 2}
    assert larger.groupby("group")["school"].nunique().eq(1).all()
    assert larger["group"].isna().sum() == 3
    one = pd.DataFrame({"subject": 1, "item": [1, 2, 3]})  # items may well be crossed
    assert pd.DataFrame(with_levels(one, "subject", 5, {"item"}))["item"].nunique() == 3
    options = {"beta": [0], "theta": [1, 1, 1], "sigma": 1, "n": 2, "seed": 1}
    seen, original = [], numbamm.inference.resampling.power.of_formula
    monkeypatch.setattr(
        numbamm.inference.resampling.power,
        "of_formula",
        lambda *args, **how: seen.append(original(*args, **how)) or seen[-1],
    )
    mm.power_curve(formula, rows, "school", [8], **options)
    assert {t.group: t.nlevels for t in seen[0].reterms} == {"school": 8, "group": 24, "age": 2}


def test_columns_that_only_group():
    assert grouping_columns("y ~ a * log(x) + (1 + z | b/c) + (1 | x) + (1 | z:d)") == set("bcd")


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
    monkeypatch.setattr(
        numbamm.inference.resampling.power, "power", lambda *_, **__: first_or_stop(results)
    )
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
        ({"ddf": "f", "n": 0}, "n must be at least 1"),
        ({"seed": "a"}, "seed must be a whole number"),
        ({"seed": "a", "ddf": "satterthwaite"}, "seed must be a whole number"),
        ({"theta": [1.0]}, r"theta must be 2 finite numbers"),
        ({"theta": None, "cov": np.eye(2)}, "cov is a dict with covariance matrices for subj"),
        ({"link": "lgo"}, "unknown link 'lgo'; did you mean 'log'"),
        ({"workers": 0}, "workers must be at least 1, or -1 for all processors, not 0"),
        ({"workers": 0, "ddf": "satterthwaite"}, "workers must be at least 1, or -1 for all"),
        ({"fast": True}, "fast is for generalized models"),
        ({"family": "poisson", "sigma": None, "reml": True}, "reml is for linear models"),
        ({"family": ""}, "unknown family ''"),
        ({"family": "normal"}, "unknown family 'normal'"),
        ({"test": "f"}, "test must be one of wald, lrt, not 'f'"),
        ({"test": "lrt", "ddf": "satterthwaite"}, 'ddf="satterthwaite" is for test="wald"'),
        ({"test": "lrt", "reml": True}, "REML fits with different fixed effects cannot be comp"),
        ({"alpha": 5}, "alpha must be between 0 and 1"),
    ],
)
def test_options_that_cannot_be_used(design, options, message):
    parameters = {"beta": [0, 1], "theta": [1, 1], "sigma": 1, "n": 2, "design": design} | options
    with pytest.raises(mm.OptionError, match=message):
        mm.power(CROSSED, **parameters)


def test_designs_that_cannot_be_used(fitted, monkeypatch):
    model = fitted(SLEEP, "sleepstudy")
    days = {"Days": [1.0, 2.0], "Subject": ["a", "b"]}
    with pytest.raises(mm.DataError, match="'Subject' has a single level in the design"):
        model.power(design=days | {"Subject": ["a", "a"]})
    with pytest.raises(mm.DataError, match="cannot tell the coefficients of Days"):
        model.power(design={"Days": np.ones(6), "Subject": ["a", "b"] * 3})
    with pytest.raises(mm.DataError, match="4 random effects .* for 4 observations"):
        model.power(design={"Days": [0, 9, 0, 9], "Subject": ["a", "a", "b", "b"]})
    with pytest.raises(mm.DataError, match="no column 'Days'"):
        model.power(design={"Subject": ["a", "b"]})
    with pytest.raises(mm.OptionError, match="no column 'subject' in the design; did you mean"):
        mm.power_curve(model, days, "subject", [2])
    with pytest.raises(mm.OptionError, match="levels must be at least 1"):
        mm.power_curve(model, days, "Subject", [0])
    with pytest.raises(mm.OptionError, match=r"levels must be whole numbers, .* not 12"):
        mm.power_curve(model, days, "Subject", 12)
    monkeypatch.setattr(numbamm.inference.resampling.power, "power", None)  # nothing is worked on
    with pytest.raises(mm.OptionError, match="levels must be a whole number, not '8'"):
        mm.power_curve(model, days, "Subject", [2, "8"])
    monkeypatch.undo()
    with pytest.raises(mm.OptionError, match="names no number"):
        mm.power_curve(model, days, "Subject", [])
    for option in ({"family": "poisson"}, {"link": "log"}, {"reml": False}):
        with pytest.raises(mm.OptionError, match=f"{next(iter(option))} is for a formula"):
            model.power(**option)
    with pytest.raises(mm.OptionError, match="fast is for generalized models"):
        model.power(fast=False)
    with pytest.raises(mm.OptionError, match="power is of a model or of a formula, not of int"):
        mm.power(3)
    with pytest.raises(mm.OptionError, match="power is of a model or of a formula, not of int"):
        mm.power_curve(3, days, "Subject", [2])
    for along in (3, ["Subject"]):
        with pytest.raises(mm.OptionError, match="along must be the name of a column"):
            mm.power_curve(model, days, along, [2])
    with pytest.raises(mm.NotFittedError):
        mm.power(mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy")))
