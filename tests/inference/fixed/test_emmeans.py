"""Marginal means: R's emmeans, the grid, averages, scales, comparisons and adjustments."""

import numpy as np
import oracles
import pandas as pd
import pytest
from scipy.stats import norm, studentized_range, t

import numbamm as mm
from numbamm.inference.fixed import adjust

CAKE = "angle ~ recipe * temperature + (1 | recipe:replicate)"
DDF = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward-roger", "wald": "asymptotic"}


@pytest.fixture
def cake(fitted):
    return fitted(CAKE, "cake", reml=True)


@pytest.fixture(scope="module")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmm(formula, oracles.dataset("cbpp"), "binomial")


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


def test_adjustments_are_named(cbpp):
    means = cbpp.emmeans("period")
    assert "6 comparisons by Bonferroni's method." in repr(means.pairs("bonferroni"))
    assert "6 comparisons by Šidák's method." in repr(means.pairs("sidak"))


def test_odds_ratios(cbpp):
    link, response = (cbpp.emmeans("period", type=type).pairs() for type in ("link", "response"))
    assert "Ratios" in response.title and "Contrasts" in link.title
    one, other = link.to_frame(), response.to_frame()
    assert other["contrast"].iloc[0] == "1 / 2"
    for name in ("estimate", "lower", "upper"):
        np.testing.assert_allclose(other[name], np.exp(one[name]))
    np.testing.assert_allclose(other["se"], other["estimate"] * one["se"])
    np.testing.assert_array_equal(other["pvalue"], one["pvalue"])
    assert "The ratios are odds ratios." in repr(cbpp.emmeans("period", type="response").pairs())


def unbalanced():
    rows = oracles.dataset("cake")
    return rows[np.arange(1, len(rows) + 1) * 5 % 11 > 2].assign(
        dry=lambda d: np.arange(len(d)) * 3 % 17 + d["recipe"].cat.codes + 180,
        width=lambda d: np.arange(len(d)) * 7 % 13 + 1,
    )


@pytest.fixture(scope="module")
def additive():
    formula = "angle ~ recipe * dry + temperature + log(width) + (1 | recipe:replicate)"
    return mm.lmm(formula, unbalanced(), reml=True)


def test_covariates_stand_at_their_means(additive):
    """Averages of predictions over the grid, made by hand."""
    rows = unbalanced()
    cells = pd.MultiIndex.from_product(
        [rows["recipe"].cat.categories, rows["temperature"].cat.categories],
        names=["recipe", "temperature"],
    ).to_frame(index=False)
    cells = cells.assign(dry=rows["dry"].mean(), width=rows["width"].mean())
    cells["predicted"] = additive.predict(cells, random=False)
    expected = cells.groupby("recipe")["predicted"].mean()
    found = additive.emmeans("recipe")
    np.testing.assert_allclose(found.to_frame()["mean"], expected, rtol=1e-10)
    assert "Averaged over the levels of temperature." in repr(found)
    assert f"dry = {rows['dry'].mean():g}" in repr(found)
    counts = rows["temperature"].value_counts(normalize=True)
    weighted = cells["predicted"] * cells["temperature"].map(counts).astype(float)
    expected = weighted.groupby(cells["recipe"]).sum()
    found = additive.emmeans("recipe", weights="proportional")
    np.testing.assert_allclose(found.to_frame()["mean"], expected, rtol=1e-10)


def test_at_and_by(additive):
    found = additive.emmeans("recipe", by="dry", at={"dry": [180, 200], "temperature": ["175"]})
    frame = found.to_frame()
    assert frame[["recipe", "dry"]].to_numpy().tolist() == [
        [recipe, dry] for dry in (180, 200) for recipe in "ABC"
    ]
    pairs = found.pairs().to_frame()
    assert pairs.columns[:2].tolist() == ["dry", "contrast"]
    one = additive.emmeans("recipe", at={"dry": 200, "temperature": "175"}).pairs().to_frame()
    np.testing.assert_allclose(pairs["pvalue"].iloc[3:], one["pvalue"])
    slope = {"recipe[T.B]:dry": 20}
    change = additive.contrast(slope).to_frame()["estimate"].iloc[0]
    difference = -(pairs["estimate"].iloc[3] - pairs["estimate"].iloc[0])
    assert difference == pytest.approx(change)
    assert additive.emmeans("recipe | dry", at={"dry": [180, 200]}).by == ["dry"]


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


def test_what_has_no_data_is_not_estimated():
    rows = oracles.dataset("cake").query("not (recipe == 'B' and temperature == '225')")
    model = mm.lmm(CAKE, rows, reml=True)
    for ddf in DDF:
        means = model.emmeans("recipe", ddf=ddf)
        assert means.to_frame()["mean"].isna().tolist() == [False, True, False]
        assert "cannot be estimated" in repr(means)
        assert means.pairs().to_frame()["pvalue"].isna().tolist() == [True, False, True]


def test_offset_stands_at_its_mean():
    rows = oracles.dataset("cbpp").assign(logsize=lambda d: np.log(d["size"]))
    options = {"family": "poisson", "fast": True}
    by_name = mm.glmm("incidence ~ period + (1 | herd)", rows, offset="logsize", **options)
    by_array = mm.glmm("incidence ~ period + (1 | herd)", rows, offset=rows["logsize"], **options)
    rate = by_name.emmeans("period").to_frame()["mean"]
    expected = by_name.beta[0] + np.r_[0, by_name.beta[1:]] + rows["logsize"].mean()
    np.testing.assert_allclose(rate, expected)
    np.testing.assert_allclose(by_array.emmeans("period").to_frame()["mean"], expected)


def test_differences_have_those_of_the_offset():
    rows = oracles.dataset("sleepstudy")
    plain = mm.lmm("Reaction ~ Days + (Days | Subject)", rows, reml=True)
    model = mm.lmm("Reaction ~ Days + offset(2 * Days) + (Days | Subject)", rows, reml=True)
    one, other = (m.emmeans("Days", at={"Days": [0, 5, 9]}) for m in (plain, model))
    np.testing.assert_allclose(other.frame["mean"], one.frame["mean"], rtol=1e-6)
    names = ["estimate", "se", "statistic", "lower", "upper"]
    one, other = (means.pairs().frame[names] for means in (one, other))
    np.testing.assert_allclose(other, one, rtol=1e-5)


def test_logical_and_numeric_factors():
    rows = oracles.dataset("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    model = mm.lmm("Reaction ~ late + C(Days // 5) + Days + (1 | Subject)", rows)
    assert model.emmeans("late").to_frame()["late"].tolist() == [False, True]
    other = mm.lmm("Reaction ~ C(Days) + (1 | Subject)", rows)
    found = other.emmeans("Days").to_frame()
    np.testing.assert_allclose(found["mean"], rows.groupby("Days")["Reaction"].mean())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"specs": "recip"}, mm.OptionError, "did you mean 'recipe'"),
        ({"specs": "replicate"}, mm.OptionError, "no variable of the fixed effects"),
        ({"specs": "recipe", "at": {"oven": 1}}, mm.OptionError, "'oven' is no variable"),
        ({"specs": "recipe", "at": {"recipe": ["D"]}}, mm.DataError, "'D' is no level of 'recipe'"),
        ({"specs": "recipe", "at": {"temperature": []}}, mm.OptionError, "no values"),
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
        ({"specs": "recipe", "weights": "cells"}, mm.OptionError, "weights must be"),
        ({"specs": "recipe", "weights": np.zeros(2)}, mm.OptionError, "weights must be"),
        ({"specs": "recipe", "bias_adjust": "no"}, mm.OptionError, "bias_adjust must be True"),
        ({"specs": "recipe", "type": "mean"}, mm.OptionError, "type must be"),
        ({"specs": "recipe", "ddf": "kr2"}, mm.OptionError, "unknown ddf"),
    ],
)
def test_mistakes(cake, options, error, message):
    with pytest.raises(error, match=message):
        mm.emmeans(cake, **options)


def test_levels_of_an_expression():
    """The mean of a covariate need be no value that its expression has an effect for."""
    rows = oracles.dataset("sleepstudy")
    model = mm.lmm("Reaction ~ C(Days % 3) + (1 | Subject)", rows)
    with pytest.raises(mm.DataError, match="levels that were not in the fit.* give values of Days"):
        model.emmeans("Days")
    found = model.emmeans("Days", at={"Days": [0, 4, 7]}).to_frame()["mean"]
    expected = rows.groupby(rows["Days"] % 3)["Reaction"].mean()
    np.testing.assert_allclose(found, expected.loc[[0, 1, 1]], rtol=1e-6)


def test_mistaken_contrasts(cake):
    means = cake.emmeans("recipe")
    with pytest.raises(mm.OptionError, match="tukey.* is for pairwise"):
        means.contrast("reference", adjust="tukey")
    with pytest.raises(mm.OptionError, match="did you mean 'holm'"):
        means.pairs("holms")
    with pytest.raises(mm.OptionError, match="needs 3 weights, for A, B, C"):
        means.contrast({"a": [1, -1]})
    with pytest.raises(mm.OptionError, match="weights of 'a' must be numbers, not 'heavy'"):
        means.contrast({"a": "heavy"})
    with pytest.raises(mm.OptionError, match=r"unknown contrasts array\("):
        means.contrast(np.zeros((2, 2)))
    with pytest.raises(mm.OptionError, match="unknown contrasts 'pairs'"):
        means.contrast("pairs")
    with pytest.raises(mm.OptionError, match="one mean only"):
        cake.emmeans("recipe", at={"recipe": "A"}).pairs()


def test_adjusted_pvalues():
    """R's p.adjust and ptukey of the same numbers."""
    statistic, df = np.array([3.2, 2.1, 0.4, 2.6]), np.array([20.0, 20.0, np.inf, 20.0])
    plain = 2 * t.sf(statistic, df)
    adjusted = {m: adjust.pvalues(m, plain, statistic, df, 4) for m in adjust.METHODS}
    np.testing.assert_allclose(adjusted["none"], plain)
    np.testing.assert_allclose(adjusted["bonferroni"], np.minimum(1, 4 * plain))
    np.testing.assert_allclose(adjusted["sidak"], 1 - (1 - plain) ** 4)
    expected = [4 * plain[0], 2 * plain[1], plain[2], 3 * plain[3]]
    np.testing.assert_allclose(adjusted["holm"], expected)
    expected = studentized_range.sf(np.sqrt(2) * statistic, 4, df)
    np.testing.assert_allclose(adjusted["tukey"], expected)
    assert (adjusted["holm"] <= adjusted["bonferroni"]).all()


def test_holm_never_decreases():
    plain = np.array([0.01, 0.011, 0.5])
    found = adjust.pvalues("holm", plain, plain, plain, 3)
    np.testing.assert_allclose(found, [0.03, 0.03, 0.5])


@pytest.mark.parametrize("method", ["tukey", "bonferroni", "sidak"])
def test_intervals_and_tests_agree(cake, method):
    """An interval's ends are the differences whose adjusted p is alpha."""
    frame = cake.emmeans("recipe").pairs(method).to_frame()
    half = (frame["upper"] - frame["estimate"]) / frame["se"]
    plain = 2 * t.sf(half, frame["df"])
    np.testing.assert_allclose(adjust.pvalues(method, plain, half, frame["df"], 3), 0.05, rtol=1e-6)


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


def nested_cake():
    """198 rows: temperature is nested in three classes of heat, under other labels, too."""
    rows = oracles.dataset("cake")
    rows = rows[np.arange(1, len(rows) + 1) * 5 % 11 > 2].copy()
    rows["plain"], rows["recipe"] = rows["temperature"].astype(str), rows["recipe"].astype(str)
    heat = np.select([rows["temp"] > 195, rows["temp"] > 175], ["hot", "mid"], "cold")
    third = np.array(list("uvw"))[np.arange(1, len(rows) + 1) % 3]
    several = ~rows["plain"].isin(["185", "225"])
    again = np.where(rows["plain"].isin(["175", "185"]), "205", "215")
    return rows.assign(
        heat=heat,
        unit=rows["plain"] + np.where(several, third, "x"),
        again=np.where(heat == "hot", rows["plain"], again),
    )


# By R's emmeans 1.8.4 with Kenward and Roger's method: means and degrees of freedom.
NESTED = [
    ("heat / plain + recipe", "heat", {}, [28.477924, 34.350764, 30.803263], [92.01, 51.32, 60.71]),
    (
        "heat / plain + recipe",
        "recipe",
        {},
        [32.331399, 30.691568, 30.608984],
        [42.39, 42.86, 42.47],
    ),
    (
        "heat / plain + recipe",
        "heat",
        {"weights": "proportional"},
        [28.477924, 34.349930, 30.828109],
        [92.01, 51.30, 60.66],
    ),
    (
        "heat / plain + recipe",
        "recipe",
        {"weights": "proportional"},
        [33.310206, 31.670375, 31.587791],
        [41.74, 42.20, 41.73],
    ),
    (
        "heat / plain + recipe",
        "plain",
        {},
        [28.477924, 31.301853, 35.992248, 35.758192, 30.679495, 30.927032],
        [92.01, 92.16, 92.03, 92.01, 92.03, 92.16],
    ),
    ("heat / plain / unit", "heat", {}, [29.140599, 34.959057, 30.559880], [150.46, 67.26, 80.03]),
    (
        "heat / plain / unit",
        "plain",
        {},
        [29.140599, 32.013406, 37.072925, 35.790840, 30.762775, 30.356986],
        [150.46, 150.70, 148.00, 96.66, 96.95, 148.99],
    ),
    ("heat / again", "heat", {}, [28.477816, 34.350947, 30.806530], [97.61, 54.07, 64.20]),
    (
        "heat / again",
        "again",
        {},
        [28.477816, 31.296810, 35.997756, 35.758275, 30.680842, 30.932219],
        [97.61, 97.74, 97.61, 97.61, 97.61, 97.74],
    ),
]


@pytest.fixture(scope="module")
def nested():
    rows, models = nested_cake(), {}

    def fit(effects):
        if effects not in models:
            formula = f"angle ~ {effects} + (1 | recipe:replicate)"
            models[effects] = mm.lmm(formula, rows, reml=True)
        return models[effects]

    return fit


@pytest.mark.parametrize(("effects", "specs", "options", "means", "df"), NESTED)
def test_nested_factors_agree_with_r(nested, effects, specs, options, means, df):
    found = nested(effects).emmeans(specs, ddf="kr", **options)
    np.testing.assert_allclose(found.to_frame()["mean"], means, rtol=1e-6)
    np.testing.assert_allclose(found.to_frame()["df"], df, atol=2e-2)
    assert "is nested in heat: averages are over combinations that exist." in repr(found)
    if len(means) == 6:  # the outer factor joins its inner one
        assert found.to_frame()["heat"].tolist() == ["cold", *["hot"] * 3, *["mid"] * 2]


def test_nested_means_are_compared_with_each_other(nested):
    pairs = nested("heat / plain + recipe").emmeans("plain", ddf="kr").pairs().to_frame()
    assert len(pairs) == 15 and pairs["contrast"].iloc[0] == "175 cold - 205 hot"
    np.testing.assert_allclose(pairs["statistic"].iloc[:2], [-2.4865745, -6.7794597], rtol=1e-5)
    expected = studentized_range.sf(np.sqrt(2) * 2.4865745, 6, 152.56419)
    assert pairs["pvalue"].iloc[0] == pytest.approx(expected, rel=1e-4)
    within = nested("heat / plain + recipe").emmeans("plain", by="heat").pairs("holm")
    assert within.to_frame()["heat"].tolist() == ["hot"] * 3 + ["mid"]
    assert "adjusted for 0 to 3 comparisons within each heat" in repr(within)


@pytest.mark.parametrize("effects", ["heat / plain", "heat + heat:plain", "heat + plain"])
def test_nested_means_are_those_of_the_inner_factor_alone(nested, effects):
    flat = nested("plain").emmeans("plain").to_frame()["mean"].to_numpy()
    found = nested(effects).emmeans("heat").to_frame()["mean"]
    expected = [flat[0], flat[3:].mean(), flat[1:3].mean()]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    some = nested(effects).emmeans("heat", at={"plain": ["185", "225"]})
    np.testing.assert_allclose(some.to_frame()["mean"], [np.nan, flat[5], flat[1]], rtol=1e-6)
    pairs = some.pairs().to_frame()["estimate"]
    np.testing.assert_allclose(pairs, [np.nan, np.nan, flat[5] - flat[1]], rtol=1e-6)


@pytest.mark.parametrize("gap", [("A", "u", "hot"), ("C", "v", "cold"), ("B", "w", "mid")])
def test_two_factors_nested_in_one(gap):
    """Averages run over the cells that exist, though both factors have all levels in each heat."""
    rows = nested_cake().assign(half=lambda d: np.array(list("uvw"))[np.arange(len(d)) % 7 // 3])
    factors = ["recipe", "half", "heat"]
    rows = rows[(rows[factors] != list(gap)).any(axis=1)]
    rows["cell"] = rows[factors].agg("/".join, axis=1)
    cells = mm.lmm("angle ~ cell + (1 | replicate)", rows).emmeans("cell").to_frame()
    cells[factors] = cells["cell"].str.split("/", expand=True)
    model = mm.lmm("angle ~ heat / (recipe * half) + (1 | replicate)", rows)
    found = model.emmeans("heat").to_frame()
    inner = cells.groupby(["heat", "recipe"])["mean"].mean().groupby("heat").mean()
    other = cells.groupby(["heat", "half"])["mean"].mean().groupby("heat").mean()
    assert found["mean"].notna().all()
    for mean, expected in zip(found["mean"], zip(inner, other, strict=True), strict=True):
        assert min(abs(mean - np.array(expected))) < 1e-6 * abs(mean)
    within = model.emmeans("recipe").to_frame().set_index(["heat", "recipe"])["mean"].dropna()
    of_recipes = cells.groupby(["heat", "recipe"])["mean"]
    expected = of_recipes.mean()[of_recipes.size() == 3]
    np.testing.assert_allclose(within, expected[within.index], rtol=1e-6)
    assert len(within) == len(expected) < 9


def test_crossed_factors_are_not_nested(nested):
    """Complete cells of a factor without a main effect are averaged over as ever."""
    found = nested("recipe + recipe:plain").emmeans("plain")
    expected = nested("recipe * plain").emmeans("plain")
    assert "nested" not in repr(found)
    np.testing.assert_allclose(found.to_frame()["mean"], expected.to_frame()["mean"], rtol=1e-8)


@pytest.fixture(scope="module")
def one_empty_cell():
    rows = nested_cake().assign(half=lambda d: np.where(np.arange(len(d)) % 7 < 3, "u", "v"))
    rows = rows[~((rows["recipe"] == "C") & (rows["half"] == "v"))]
    return mm.lmm("angle ~ recipe * half + temp + (1 | recipe:replicate)", rows, reml=True)


@pytest.mark.parametrize("how", ["tukey", "bonferroni", "holm", "sidak"])
def test_adjustments_count_what_can_be_estimated(one_empty_cell, how):
    means = one_empty_cell.emmeans("recipe * half")
    found, plain = (means.pairs(adjust).to_frame() for adjust in (how, "none"))
    known = plain["se"].notna()
    assert known.sum() == 10 and len(found) == 15
    some = plain[known]
    expected = adjust.pvalues(how, some["pvalue"], some["statistic"], some["df"], 5)
    np.testing.assert_allclose(found.loc[known, "pvalue"], expected)
    half = adjust.critical(how, 0.05, 10, some["df"], 5) * some["se"]
    np.testing.assert_allclose(found.loc[known, "upper"], some["estimate"] + half)
    assert found.loc[~known, ["estimate", "pvalue", "lower"]].isna().all(axis=None)
    assert "adjusted for 10 comparisons" in repr(means.pairs(how))
    assert "cannot be estimated" in repr(means.pairs(how))


def test_other_contrasts_with_an_empty_cell(one_empty_cell):
    means = one_empty_cell.emmeans("recipe * half")
    value = means.to_frame()["mean"]
    deviation = means.contrast("deviation")
    np.testing.assert_allclose(deviation.to_frame()["estimate"], value - value.mean())
    assert "adjusted for 5 comparisons by Holm" in repr(deviation)
    assert "that of the means that can be estimated" in repr(deviation)
    consecutive = means.contrast("consecutive", adjust="bonferroni")
    some = consecutive.to_frame().dropna()
    plain = means.contrast("consecutive", adjust="none").to_frame().dropna()
    assert len(some) == 4
    np.testing.assert_allclose(some["pvalue"], np.minimum(1, 4 * plain["pvalue"]))
    within = means.model.emmeans("half | recipe").pairs().to_frame()
    assert within["pvalue"].isna().tolist() == [False, False, True]


def test_differences_of_means_that_cannot_be_estimated():
    """Aliased columns take the means, not their differences: all of these count."""
    rows = nested_cake().assign(dry=lambda d: (d["temp"] > 195) * 1.0)
    model = mm.lmm("angle ~ 0 + recipe + plain + dry + (1 | recipe:replicate)", rows, reml=True)
    means = model.emmeans("recipe", at={"dry": 2})
    assert means.to_frame()["mean"].isna().all()
    pairs, plain = (means.pairs(how).to_frame() for how in ("tukey", "none"))
    expected = studentized_range.sf(np.sqrt(2) * plain["statistic"].abs(), 3, plain["df"])
    np.testing.assert_allclose(pairs["pvalue"], expected, rtol=1e-6)


def test_means_without_standard_errors_say_so():
    rows = oracles.dataset("cbpp")
    model = mm.glmm("incidence ~ period + (1 | herd)", rows, "poisson", fast=True)
    model.estimates.covariance = np.full((4, 4), np.nan)
    means = model.emmeans("period")
    assert means.frame["mean"].notna().all() and "has no numbers" in repr(means)
    table = model.anova()
    assert "No test of period: the covariance of the coefficients has no numbers" in repr(table)


def test_odd_names():
    rows = oracles.dataset("cake").assign(**{"the recipe": lambda d: d["recipe"]})
    rows = rows.rename(columns={"temperature": "temp-°C"}).assign(wet=lambda d: d["temp"] > 190)
    formula = "angle ~ `the recipe` * `temp-°C` + wet + (1 | `the recipe`:replicate)"
    model = mm.lmm(formula, rows, reml=True)
    expected = model.emmeans(["the recipe"]).to_frame()
    for specs in ("`the recipe`", "the recipe", ["`the recipe`"], "~ `the recipe`"):
        pd.testing.assert_frame_equal(model.emmeans(specs).to_frame(), expected)
    both = model.emmeans("`the recipe` * `temp-°C`").to_frame()
    assert both.columns[:2].tolist() == ["the recipe", "temp-°C"]
    within = model.emmeans("`the recipe` | `temp-°C`", at={"`temp-°C`": "175"})
    assert within.by == ["temp-°C"]
    pd.testing.assert_frame_equal(
        model.emmeans("the recipe", by="`temp-°C`", at={"temp-°C": "175"}).to_frame(),
        within.to_frame(),
    )
    with pytest.raises(mm.OptionError, match="did you mean 'the recipe'"):
        model.emmeans("`the recip`")


def test_logical_factors_print_as_such():
    rows = oracles.dataset("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    means = mm.lmm("Reaction ~ late + (1 | Subject)", rows).emmeans("late")
    lines = repr(means).splitlines()
    assert [line.split()[0] for line in lines[4:6]] == ["False", "True"]
    assert "True - False" in repr(means.contrast("reference"))
    assert "<td>True</td>" in means._repr_html_() or ">True<" in means._repr_html_()
