"""Comparisons of marginal means: contrasts, ratios, adjustments, empty cells."""

import numpy as np
import pytest
from scipy.stats import norm, studentized_range, t

import numbamm as mm
from numbamm.inference.fixed import adjust


def test_adjustments_are_named(cbpp):
    means = cbpp.emmeans("period")
    assert "6 comparisons by Bonferroni's method." in repr(means.pairs("bonferroni"))
    assert "6 comparisons by Šidák's method." in repr(means.pairs("sidak"))


def test_odds_ratios(cbpp):
    link, response = (cbpp.emmeans("period", type=type).pairs() for type in ("link", "response"))
    assert "Odds ratios" in response.title and "Contrasts" in link.title
    one, other = link.to_frame(), response.to_frame()
    assert other["contrast"].iloc[0] == "1 / 2"
    for name in ("estimate", "lower", "upper"):
        np.testing.assert_allclose(other[name], np.exp(one[name]))
    np.testing.assert_allclose(other["se"], other["estimate"] * one["se"])
    np.testing.assert_array_equal(other["pvalue"], one["pvalue"])
    assert " odds.ratio " in repr(cbpp.emmeans("period", type="response").pairs())


@pytest.mark.parametrize(
    ("method", "names", "first"),
    [
        ("reference", ["B - A", "C - A"], [-1, 1, 0]),
        ("consecutive", ["B - A", "C - B"], [-1, 1, 0]),
        ("deviation", ["A - mean", "B - mean", "C - mean"], [2 / 3, -1 / 3, -1 / 3]),
        ({"others": [1, -0.5, -0.5]}, ["others"], [1, -0.5, -0.5]),
    ],
)
def test_contrasts(cake, method, names, first):
    means = cake.emmeans("recipe")
    found = means.contrast(method, adjust="none").to_frame()
    assert found["contrast"].tolist() == names
    assert found["estimate"].iloc[0] == pytest.approx(first @ means.to_frame()["mean"].to_numpy())
    line = found.iloc[0]
    assert line["pvalue"] == pytest.approx(2 * t.sf(abs(line["statistic"]), line["df"]))


def test_mistaken_contrasts(cake):
    means = cake.emmeans("recipe")
    with pytest.raises(mm.OptionError, match="tukey.* is for pairwise"):
        means.contrast("reference", adjust="tukey")
    with pytest.raises(mm.OptionError, match="did you mean 'holm'"):
        means.pairs("holms")
    with pytest.raises(mm.OptionError, match="needs 3 finite weights, one for each of A, B, C"):
        means.contrast({"a": [1, -1]})
    with pytest.raises(mm.OptionError, match="weights of 'a' must be numbers, not 'heavy'"):
        means.contrast({"a": "heavy"})
    with pytest.raises(mm.OptionError, match=r"unknown method array\("):
        means.contrast(np.zeros((2, 2)))
    with pytest.raises(mm.OptionError, match="unknown method 'pairs'"):
        means.contrast("pairs")
    with pytest.raises(mm.OptionError, match="a single mean in each group"):
        cake.emmeans("recipe", at={"recipe": "A"}).pairs()


def test_two_means_need_no_adjustment(fitted):
    model = fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy", reml=True)
    means = model.emmeans("Days", at={"Days": [0, 9]})
    plain = means.pairs("none").to_frame().iloc[0]
    assert means.pairs().to_frame()["pvalue"].iloc[0] == pytest.approx(plain["pvalue"], rel=1e-5)
    assert "adjusted" not in repr(means.pairs())
    critical = (plain["upper"] - plain["estimate"]) / plain["se"]
    assert critical == pytest.approx(t.ppf(0.975, plain["df"]))
    wald = model.emmeans("Days", ddf="wald", alpha=0.1).to_frame().iloc[0]
    assert (wald["upper"] - wald["mean"]) / wald["se"] == pytest.approx(norm.ppf(0.95))


@pytest.fixture(scope="module")
def one_empty_cell(nested_cake):
    rows = nested_cake.assign(half=lambda d: np.where(np.arange(len(d)) % 7 < 3, "u", "v"))
    rows = rows[~((rows["recipe"] == "C") & (rows["half"] == "v"))]
    return mm.lmm("angle ~ recipe * half + temp + (1 | recipe:replicate)", rows, reml=True)


@pytest.mark.parametrize("how", ["tukey", "bonferroni", "holm", "sidak"])
def test_adjustments_count_what_can_be_estimated(one_empty_cell, how):
    means = one_empty_cell.emmeans("recipe * half")
    adjusted = means.pairs(how)
    found, plain = adjusted.to_frame(), means.pairs("none").to_frame()
    known = plain["se"].notna()
    assert known.sum() == 10 and len(found) == 15
    some = plain[known]
    expected = adjust.pvalues(how, some["pvalue"], some["statistic"], some["df"], 5)
    np.testing.assert_allclose(found.loc[known, "pvalue"], expected)
    half = adjust.critical(how, 0.05, 10, some["df"], 5) * some["se"]
    np.testing.assert_allclose(found.loc[known, "upper"], some["estimate"] + half)
    assert found.loc[~known, ["estimate", "pvalue", "lower"]].isna().all(axis=None)
    assert "adjusted for 10 comparisons" in repr(adjusted)
    assert "are not estimable" in repr(adjusted)


def test_other_contrasts_with_an_empty_cell(one_empty_cell):
    means = one_empty_cell.emmeans("recipe * half")
    value = means.to_frame()["mean"]
    deviation = means.contrast("deviation")
    np.testing.assert_allclose(deviation.to_frame()["estimate"], value - value.mean())
    assert "adjusted for 5 comparisons by Holm" in repr(deviation)
    assert "the average of the estimable means" in repr(deviation)
    consecutive = means.contrast("consecutive", adjust="bonferroni")
    some = consecutive.to_frame().dropna()
    plain = means.contrast("consecutive", adjust="none").to_frame().dropna()
    assert len(some) == 4
    np.testing.assert_allclose(some["pvalue"], np.minimum(1, 4 * plain["pvalue"]))
    within = means.model.emmeans("half | recipe").pairs().to_frame()
    assert within["pvalue"].isna().tolist() == [False, False, True]


def test_differences_of_means_that_cannot_be_estimated(nested_cake):
    """Aliased columns take the means, not their differences: all of these count."""
    rows = nested_cake.assign(dry=lambda d: (d["temp"] > 195) * 1.0)
    model = mm.lmm("angle ~ 0 + recipe + plain + dry + (1 | recipe:replicate)", rows, reml=True)
    means = model.emmeans("recipe", at={"dry": 2})
    assert means.to_frame()["mean"].isna().all()
    pairs, plain = (means.pairs(how).to_frame() for how in ("tukey", "none"))
    expected = studentized_range.sf(np.sqrt(2) * plain["statistic"].abs(), 3, plain["df"])
    np.testing.assert_allclose(pairs["pvalue"], expected, rtol=1e-6)
