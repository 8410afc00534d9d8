"""Which models can be compared: nested ones of the same data, with likelihoods of one kind."""

import numpy as np
import oracles
import pytest

import numbamm as mm

FIXED = "Reaction ~ 1 + Days + "
INTERCEPT = FIXED + "(1 | Subject)"
FULL = FIXED + "(Days | Subject)"


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ((INTERCEPT, False), (FULL, True), "one model was fitted by REML"),
        (
            ("Reaction ~ 1 + (1 | Subject)", True),
            (INTERCEPT, True),
            "REML fits with different fixed effects",
        ),
        ((INTERCEPT, False), (FIXED + "(0 + Days | Subject)", False), "same number of parameters"),
        (
            ("Reaction ~ 1 + I(Days**2) + (1 | Subject)", False),
            (FULL, False),
            r"do not span 'I\(Days \*\* 2\)'",
        ),
        (
            (FIXED + "(0 + I(Days**2) | Subject)", False),
            (FULL, False),
            r"do not include \(I\(Days \*\* 2\) \| Subject\) as a special case",
        ),
        (
            (FIXED + "(1 + Days | Subject)", False),
            (FIXED + "zerocorr(1 + Days + I(Days**2) | Subject)", False),
            "same number|special case",
        ),
    ],
)
def test_refused(fitted, one, other, message):
    models = [fitted(formula, "sleepstudy", reml=reml) for formula, reml in (one, other)]
    with pytest.raises(mm.OptionError, match=message):
        mm.lrtest(*models)


def test_other_data_are_refused(fitted):
    rows = oracles.dataset("sleepstudy")
    full = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.DataError, match="different rows: 170 .* 180"):
        mm.lrtest(mm.lmm(INTERCEPT, rows[:170]), full)
    with pytest.raises(mm.DataError, match="different responses"):
        mm.lrtest(mm.lmm("log(Reaction) ~ Days + (1 | Subject)", rows), full)
    with pytest.raises(mm.DataError, match="different weights"):
        mm.lrtest(mm.lmm(INTERCEPT, rows, weights=np.arange(1, 181)), full)


def test_generalized_models_of_one_kind():
    rows, formula = oracles.dataset("cbpp"), "incidence / size ~ {} + (1 | herd)"
    options = {"data": rows, "family": "binomial", "weights": "size"}
    small = mm.glmm(formula.format("1"), **options, fast=True)
    large = mm.glmm(formula.format("period"), **options, nagq=3)
    with pytest.raises(mm.OptionError, match="approximated differently"):
        mm.lrtest(small, large)
    linear = mm.lmm(formula.format("period"), rows, weights="size")
    for compare in (mm.lrtest, mm.information_criteria):
        with pytest.raises(
            mm.OptionError, match="one is a probability of counts, the other a density"
        ):
            compare(small, linear)


@pytest.mark.parametrize("left", ["0 + Machine", "Machine"])
def test_equal_variances_are_nested_in_any_covariance(fitted, left):
    """Intercepts by worker and by worker and machine: an interior point, and no boundary."""
    small = fitted("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", "Machines")
    large = fitted(f"score ~ Machine + ({left} | Worker)", "Machines")
    result = mm.lrtest(small, large)
    line = result.frame.loc["m1"]
    assert line["df"] == 4
    assert line["chisq"] == pytest.approx(small.objective - large.objective)
    assert line["pvalue"] == line["pvalue_chisq"]
    assert "zero" not in repr(result)


def test_effects_of_smaller_groups_that_do_not_fit():
    """Groups inside the larger ones that are not told by the columns left of the bar."""
    rows = oracles.dataset("Machines")
    rows = rows.assign(half=np.arange(len(rows)) % 2, x=np.arange(len(rows)) * 5 % 7)
    rows["half"] = rows["half"].astype(str)
    large = mm.lmm("score ~ Machine + (0 + Machine | Worker)", rows)
    for term in ("(1 | Worker:half)", "(0 + x | Worker:Machine)"):
        small = mm.lmm(f"score ~ Machine + (1 | Worker) + {term}", rows)
        with pytest.raises(mm.OptionError, match="special case"):
            mm.lrtest(small, large)


def test_check_can_be_left_to_the_caller(fitted):
    small = fitted(FIXED + "(0 + I(Days**2) | Subject)", "sleepstudy")
    large = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.OptionError, match="check=False"):
        mm.lrtest(small, large)
    line = mm.lrtest(small, large, check=False).frame.loc["m1"]
    assert line["chisq"] == pytest.approx(small.objective - large.objective)


def test_same_model_in_other_columns_is_nested(fitted):
    """Nested means by what columns span, not by their names."""
    small = fitted(FIXED + "(0 + I(Days - 4.5) | Subject)", "sleepstudy")
    assert mm.lrtest(small, fitted(FULL, "sleepstudy")).frame.loc["m1", "df"] == 2


def test_shapes_that_are_held(counts):
    with pytest.raises(mm.OptionError, match="not nested .* the latter has a given shape, 2"):
        mm.lrtest(counts.poisson, counts.held, check=False)
    result = mm.lrtest(counts.held, counts.nb)
    line = result.frame.loc["m1"]
    assert line["pvalue"] == line["pvalue_chisq"]  # 2 is inside of the range
    assert "(1 | site), shape held at 2\n" in repr(result)
    with pytest.raises(mm.OptionError, match="not nested .* the latter has a given shape"):
        mm.lrtest(
            mm.glmm("count ~ 1 + (1 | site)", oracles.dataset("Salamanders"), "negativebinomial"),
            mm.glmm(
                "count ~ mined + spp + (1 | site)",
                oracles.dataset("Salamanders"),
                "negativebinomial",
                shape=2.0,
            ),
        )


def test_families_that_are_not_nested(counts):
    with pytest.raises(mm.OptionError, match="family or link: negative binomial, log and Poisson"):
        mm.lrtest(counts.nb, counts.lognormal)
    rows = oracles.dataset("sleepstudy")
    gamma = mm.glmm(INTERCEPT, rows, "gamma", "log")
    for check in (True, False):
        with pytest.raises(mm.OptionError, match="information_criteria can compare them"):
            mm.lrtest(gamma, mm.lmm(FULL, rows), check=check)
