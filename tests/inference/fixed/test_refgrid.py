"""The reference grid: values of covariates, factors and the offset, and what `at` changes."""

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm


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


def test_offset_stands_at_its_mean():
    rows = oracles.dataset("cbpp").assign(logsize=lambda d: np.log(d["size"]))
    options = {"family": "poisson", "fast": True}
    by_name = mm.glmm("incidence ~ period + (1 | herd)", rows, offset="logsize", **options)
    by_array = mm.glmm("incidence ~ period + (1 | herd)", rows, offset=rows["logsize"], **options)
    rate = by_name.emmeans("period").to_frame()["mean"]
    expected = by_name.beta[0] + np.r_[0, by_name.beta[1:]] + rows["logsize"].mean()
    np.testing.assert_allclose(rate, expected)
    np.testing.assert_allclose(by_array.emmeans("period").to_frame()["mean"], expected)


def test_logical_and_numeric_factors():
    rows = oracles.dataset("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    model = mm.lmm("Reaction ~ late + C(Days // 5) + Days + (1 | Subject)", rows)
    assert model.emmeans("late").to_frame()["late"].tolist() == [False, True]
    other = mm.lmm("Reaction ~ C(Days) + (1 | Subject)", rows)
    found = other.emmeans("Days").to_frame()
    np.testing.assert_allclose(found["mean"], rows.groupby("Days")["Reaction"].mean())


def test_levels_of_an_expression():
    """The mean of a covariate need be no value that its expression has an effect for."""
    rows = oracles.dataset("sleepstudy")
    model = mm.lmm("Reaction ~ C(Days % 3) + (1 | Subject)", rows)
    with pytest.raises(mm.DataError, match="levels that were not in the fit.* give values of Days"):
        model.emmeans("Days")
    found = model.emmeans("Days", at={"Days": [0, 4, 7]}).to_frame()["mean"]
    expected = rows.groupby(rows["Days"] % 3)["Reaction"].mean()
    np.testing.assert_allclose(found, expected.loc[[0, 1, 1]], rtol=1e-6)


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
