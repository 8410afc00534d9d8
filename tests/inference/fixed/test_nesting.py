"""Nested factors of `emmeans`, as in the R package emmeans."""

import numpy as np
import pytest
from scipy.stats import studentized_range

import numbamm as mm

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
def nested(nested_cake):
    rows, models = nested_cake, {}

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
def test_two_factors_nested_in_one(nested_cake, gap):
    """Averages run over the cells that exist, though both factors have all levels in each heat."""
    rows = nested_cake.assign(half=lambda d: np.array(list("uvw"))[np.arange(len(d)) % 7 // 3])
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
