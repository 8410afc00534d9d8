"""Marginal means: R's emmeans, the grid, averages, scales, comparisons and adjustments."""

import numpy as np
import oracles
import pytest

import numbamm as mm

CAKE = "angle ~ recipe * temperature + (1 | recipe:replicate)"
DDF = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward-roger", "wald": "asymptotic"}


def agree(found, oracle, names):
    for ours, theirs in names.items():
        tolerance = 1e-2 if ours == "df" else 1e-4
        np.testing.assert_allclose(found[ours], oracle[theirs].astype(float), atol=tolerance)


@pytest.mark.parametrize("ddf", DDF)
def test_means_and_pairs_agree_with_r(cake, ddf):
    means, oracle = (
        cake.emmeans("recipe", ddf=ddf),
        oracles.inference(f"emmeans_cake_recipe_{DDF[ddf]}"),
    )
    assert means.to_frame()["recipe"].tolist() == oracle["recipe"].tolist()
    ends = ("asymp.LCL", "asymp.UCL") if ddf == "wald" else ("lower.CL", "upper.CL")
    names = {"mean": "emmean", "se": "SE", "df": "df", "lower": ends[0], "upper": ends[1]}
    agree(means.to_frame(), oracle, names)
    oracle = oracles.inference(f"emmeans_cake_recipe_pairs_tukey_{DDF[ddf]}")
    pairs = means.pairs().to_frame()
    assert pairs["contrast"].tolist() == oracle["contrast"].tolist()
    ratio = "z.ratio" if ddf == "wald" else "t.ratio"
    names = {
        "estimate": "estimate",
        "se": "SE",
        "df": "df",
        "statistic": ratio,
        "pvalue": "p.value",
    }
    agree(pairs, oracle, names)


def test_cells_agree_with_r(cake):
    found = cake.emmeans("recipe * temperature", ddf="kenward-roger").to_frame()
    oracle = oracles.inference("emmeans_cake_cells")
    assert found["recipe"].tolist() == oracle["recipe"].tolist()
    assert found["temperature"].tolist() == oracle["temperature"].tolist()
    agree(found, oracle, {"mean": "emmean", "se": "SE", "df": "df"})


def test_link_and_response_agree_with_predictions(cbpp):
    link, response = (cbpp.emmeans("period", type=type).to_frame() for type in ("link", "response"))
    grid = {"period": link["period"].tolist()}
    for found, type in ((link, "link"), (response, "response")):
        expected = cbpp.predict(grid, random=False, type=type)
        np.testing.assert_allclose(found["mean"], expected, rtol=1e-10)
    np.testing.assert_allclose(response["lower"], 1 / (1 + np.exp(-link["lower"])), rtol=1e-10)
    slope = response["mean"] * (1 - response["mean"])
    np.testing.assert_allclose(response["se"], slope * link["se"], rtol=1e-10)


def test_response_scale_of_a_decreasing_link():
    rows = oracles.dataset("sleepstudy")
    model = mm.glmm("Reaction ~ Days + (1 | Subject)", rows, "gamma", "inverse", fast=True)
    line = model.emmeans("Days", type="response").to_frame().iloc[0]
    assert line["lower"] < line["mean"] < line["upper"]
    assert line["se"] > 0
    pairs = model.emmeans("Days", at={"Days": [0, 9]}, type="response").pairs()
    assert "scale of the link, inverse" in repr(pairs)


def test_what_has_no_data_is_not_estimated():
    rows = oracles.dataset("cake").query("not (recipe == 'B' and temperature == '225')")
    model = mm.lmm(CAKE, rows, reml=True)
    for ddf in DDF:
        means = model.emmeans("recipe", ddf=ddf)
        assert means.to_frame()["mean"].isna().tolist() == [False, True, False]
        assert "are not estimable" in repr(means)
        assert means.pairs().to_frame()["pvalue"].isna().tolist() == [True, False, True]


def test_differences_have_those_of_the_offset():
    rows = oracles.dataset("sleepstudy")
    plain = mm.lmm("Reaction ~ Days + (Days | Subject)", rows, reml=True)
    model = mm.lmm("Reaction ~ Days + offset(2 * Days) + (Days | Subject)", rows, reml=True)
    one, other = (m.emmeans("Days", at={"Days": [0, 5, 9]}) for m in (plain, model))
    np.testing.assert_allclose(other.frame["mean"], one.frame["mean"], rtol=1e-6)
    names = ["estimate", "se", "statistic", "lower", "upper"]
    one, other = (means.pairs().frame[names] for means in (one, other))
    np.testing.assert_allclose(other, one, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"specs": "recip"}, mm.OptionError, "did you mean 'recipe'"),
        ({"specs": "replicate"}, mm.OptionError, "no variable of the fixed effects"),
        ({"specs": "recipe", "at": {"oven": 1}}, mm.OptionError, "'oven' is no variable"),
        ({"specs": "recipe", "at": {"recipe": ["D"]}}, mm.DataError, "'D' is no level of 'recipe'"),
        ({"specs": "recipe", "at": {"temperature": []}}, mm.OptionError, "is empty: give one"),
        ({"specs": "recipe", "at": {"temperature": {}}}, mm.DataError, "{} is no level of"),
        ({"specs": "recipe", "at": 3}, mm.OptionError, "at must be a dict .*, not 3"),
        ({"specs": "recipe", "at": {3: "A"}}, mm.OptionError, "at must be a dict with names"),
        ({"specs": []}, mm.OptionError, "specs must be a name or a list of names"),
        ({"specs": None}, mm.OptionError, "specs must be a name .*, not None"),
        ({"specs": {"recipe": "A"}}, mm.OptionError, "specs must be a name"),
        ({"specs": np.zeros((2, 2))}, mm.OptionError, "specs must be a name"),
        ({"specs": "recipe *"}, mm.OptionError, "'' is no variable"),
        ({"specs": "recipe temperature"}, mm.OptionError, "'recipe temperature' is no variable"),
        ({"specs": "recipe", "by": 3}, mm.OptionError, "by must be a name .*, not 3"),
        ({"specs": "recipe", "by": "recipe"}, mm.OptionError, "each of them once"),
        ({"specs": "recipe", "weights": "flat"}, mm.OptionError, "weights must be"),
        ({"specs": "recipe", "weights": np.zeros(2)}, mm.OptionError, "weights must be"),
        ({"specs": "recipe", "bias_adjust": "no"}, mm.OptionError, "bias_adjust must be True"),
        ({"specs": "recipe", "type": "mean"}, mm.OptionError, "type must be"),
        ({"specs": "recipe", "ddf": "kr2"}, mm.OptionError, "unknown ddf"),
    ],
)
def test_mistakes(cake, options, error, message):
    with pytest.raises(error, match=message):
        mm.emmeans(cake, **options)


def test_printed(cake):
    means = cake.emmeans("recipe")
    title, _, header, _, first, *_ = repr(means).splitlines()
    assert title == "Marginal means, Satterthwaite"
    assert header.split() == ["recipe", "Mean", "Std.", "Error", "df", "Lower", "Upper"]
    assert first.split() == ["A", "33.1222", "1.73683", "42.00", "29.6172", "36.6273"]
    assert "Tukey&#x27;s method" in means.pairs()._repr_html_()
    assert "within each temperature by Holm's method" in repr(
        cake.emmeans("recipe | temperature").pairs("holm")
    )


def test_means_without_standard_errors_say_so():
    rows = oracles.dataset("cbpp")
    model = mm.glmm("incidence ~ period + (1 | herd)", rows, "poisson", fast=True)
    model.estimates.covariance = np.full((4, 4), np.nan)
    means = model.emmeans("period")
    assert means.frame["mean"].notna().all() and "is unknown, as with" in repr(means)
    table = model.anova()
    assert "No test of period: the covariance of the coefficients is unknown" in repr(table)


def test_logical_factors_print_as_such():
    rows = oracles.dataset("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    means = mm.lmm("Reaction ~ late + (1 | Subject)", rows).emmeans("late")
    lines = repr(means).splitlines()
    assert [line.split()[0] for line in lines[4:6]] == ["False", "True"]
    assert "True - False" in repr(means.contrast("reference"))
    assert "<td>True</td>" in means._repr_html_() or ">True<" in means._repr_html_()
