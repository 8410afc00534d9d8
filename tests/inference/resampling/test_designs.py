"""Models for the rows of a design: coding, names, levels and copies of levels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.prediction.simulate import TrueParameters
from numbamm.inference.resampling import power
from numbamm.inference.resampling.designs import grouping_columns, of_model, with_levels
from numbamm.inference.resampling.power import _model_on_design

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
CROSSED = "y ~ 1 + condition + (1 | subject) + (1 | item)"


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
    given = TrueParameters.given(model, [0.0, 1.0], [3.0, 7.0], None, 1.0, None)
    built, at = _model_on_design(model, other, given, None)
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
    seen, original = [], power.of_formula
    monkeypatch.setattr(
        power,
        "of_formula",
        lambda *args, **how: seen.append(original(*args, **how)) or seen[-1],
    )
    mm.power_curve(formula, rows, "school", [8], **options)
    assert {t.group: t.nlevels for t in seen[0].reterms} == {"school": 8, "group": 24, "age": 2}


def test_columns_that_only_group():
    assert grouping_columns("y ~ a * log(x) + (1 + z | b/c) + (1 | x) + (1 | z:d)") == set("bcd")


def test_designs_that_cannot_be_used(fitted, monkeypatch):
    model = fitted(SLEEP, "sleepstudy")
    days = {"Days": [1.0, 2.0], "Subject": ["a", "b"]}
    with pytest.raises(mm.DataError, match="'Subject' has a single level in the design"):
        model.power(design=days | {"Subject": ["a", "a"]})
    with pytest.raises(mm.DataError, match="the columns of Days depend on other columns"):
        model.power(design={"Days": np.ones(6), "Subject": ["a", "b"] * 3})
    with pytest.raises(mm.DataError, match="4 random effects .* for 4 observations"):
        model.power(design={"Days": [0, 9, 0, 9], "Subject": ["a", "a", "b", "b"]})
    with pytest.raises(mm.DataError, match="no column 'Days'"):
        model.power(design={"Subject": ["a", "b"]})
    with pytest.raises(mm.OptionError, match="the design has no column 'subject'; did you mean"):
        mm.power_curve(model, days, "subject", [2])
    with pytest.raises(mm.OptionError, match="levels must be at least 1"):
        mm.power_curve(model, days, "Subject", [0])
    with pytest.raises(mm.OptionError, match=r"levels must be whole numbers, .* not 12"):
        mm.power_curve(model, days, "Subject", 12)
    monkeypatch.setattr(power, "power", None)  # nothing is worked on
    with pytest.raises(mm.OptionError, match="levels must be a whole number, not '8'"):
        mm.power_curve(model, days, "Subject", [2, "8"])
    monkeypatch.undo()
    with pytest.raises(mm.OptionError, match="levels is empty"):
        mm.power_curve(model, days, "Subject", [])
    for option in ({"family": "poisson"}, {"link": "log"}, {"reml": False}):
        with pytest.raises(mm.OptionError, match=f"{next(iter(option))} goes with a formula"):
            model.power(**option)
    with pytest.raises(mm.OptionError, match="fast is for generalized models"):
        model.power(fast=False)
    with pytest.raises(mm.OptionError, match="model must be a model or a formula, not int"):
        mm.power(3)
    with pytest.raises(mm.OptionError, match="model must be a model or a formula, not int"):
        mm.power_curve(3, days, "Subject", [2])
    for along in (3, ["Subject"]):
        with pytest.raises(mm.OptionError, match="along must be the name of a column"):
            mm.power_curve(model, days, along, [2])
    with pytest.raises(mm.NotFittedError):
        mm.power(mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy")))
