"""Averages that involve a combination of levels without data have no numbers."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 400
    d = pd.DataFrame({k: rng.choice(list("abc"), n) for k in ("f", "o")})
    d["g"], d["x"] = rng.integers(0, 20, n), rng.normal(size=n)
    d["x2"] = 2 * d["x"]
    d = d[(d["f"] != "a") | (d["o"] != "c")].copy()
    d["y"] = d["x"] + rng.normal(size=20)[d["g"]] + rng.normal(size=len(d))
    d["event"] = (d["y"] > 0).astype(int)
    return d


@pytest.fixture(scope="module", params=["linear", "bernoulli"])
def model(data, request):
    if request.param == "linear":
        return mm.lmm("y ~ f * o + x + (1 | g)", data)
    return mm.glmm("event ~ f * o + x + (1 | g)", data, "bernoulli")


def test_comparisons(model):
    table = model.comparisons("f", "pairwise").frame.set_index("contrast")
    number = table.drop(columns="df")
    assert number.loc[["b - a", "c - a"]].isna().all(axis=None)
    assert number.loc["c - b"].notna().all()


def test_integrated_means_and_their_pairs(model):
    means = model.emmeans("f", re="integrated")
    assert means.frame["estimate"].isna().to_list() == [True, False, False]
    assert any("not estimable" in note for note in means.notes)
    pairs = means.pairs().frame
    assert pairs["pvalue"].notna().to_list() == [False, False, True]
    alone = model.emmeans("f", at={"f": ["b", "c"]}, re="integrated").pairs().frame
    assert np.isclose(pairs["pvalue"].iloc[2], alone["pvalue"].iloc[0])  # a family of one


def test_slopes_at_the_cell_are_estimable_on_the_link_alone(model):
    at = {"f": ["a"], "o": ["c"]}
    table = model.slopes("x", at=at, type="link").frame
    assert np.isclose(table["estimate"].iloc[0], model.params["x"], rtol=1e-7)
    assert np.isnan(model.slopes("x", at=at).frame["se"].iloc[0]) != model.is_linear


def test_a_variable_that_another_copies(data):
    m = mm.lmm("y ~ x + x2 + f + (1 | g)", data)
    assert np.isnan(m.slopes("x").frame["estimate"].iloc[0])
    assert m.comparisons("f").frame["estimate"].notna().all()
