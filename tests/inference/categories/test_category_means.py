"""Averages of what is predicted of ordered categories, by hand and against derivatives."""

from copy import copy
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from ordinal_models import simulated

import numbamm as mm
from numbamm.inference.categories.category_means import KINDS, kind_of
from numbamm.inference.marginal.mean_kinds import grid_for, means_of


@cache
def data():
    return simulated().assign(f=lambda d: np.where(d["w"] > 1, "u", "v"))


@cache
def of_parts(link="logit"):
    """Every part: location, nominal and scale effects."""
    return mm.clmm("y ~ f + x + (1 | g)", data(), link, nominal="~ `odd name`", scale="~ f")


@cache
def plain(link="logit"):
    return mm.clmm("y ~ `odd name` + x + (1 | g)", data(), link)


def test_means_are_averages_of_predictions():
    model = mm.clmm("y ~ `odd name` + f + (1 | g)", data(), scale="~ f")
    frame = model.emmeans("odd name", type="prob").frame
    cells = [{"odd name": a, "f": f} for a in ("a", "b") for f in ("u", "v")]
    at = {k: [c[k] for c in cells] for k in ("odd name", "f")}
    rows = model.predict(at, random=False)
    want = rows.to_numpy().reshape(2, 2, 4).mean(axis=1).ravel()
    assert_allclose(frame["probability"], want, rtol=1e-9)
    single = model.emmeans(["odd name", "f"], type="prob").frame
    errors = model.predict(at, random=False, se=True)
    by_cell = single.set_index(["odd name", "f", "category"])["se"]
    for i, c in enumerate(cells):
        got = [by_cell[(c["odd name"], c["f"], k)] for k in model.categories]
        assert_allclose(got, errors["se"].iloc[i], rtol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_kinds_are_functions_of_the_probabilities(link):
    model = of_parts(link)
    p = model.emmeans("odd name", type="prob").frame["probability"].to_numpy().reshape(-1, 4)
    wanted = {
        "cumulative": np.cumsum(p, axis=1)[:, :-1],
        "cum.prob": np.cumsum(p, axis=1)[:, :-1],
        "exceedance": 1 - np.cumsum(p, axis=1)[:, :-1],
        "exc.prob": 1 - np.cumsum(p, axis=1)[:, :-1],
        "mean.class": p @ [1, 2, 3, 4],
        "response": p,
    }
    for kind, values in wanted.items():
        means = model.emmeans("odd name", type=kind)
        assert_allclose(means.frame[means.value], values.ravel(), rtol=1e-9, err_msg=kind)
    assert kind_of("mean.class") in KINDS
    assert "low = 1, mid = 2" in str(model.emmeans("odd name", type="mean"))


@pytest.mark.parametrize("kind", ["prob", "cumulative", "exceedance", "mean", "link"])
@pytest.mark.parametrize("made", [plain, of_parts])
def test_derivatives_are_differences_in_all_coefficients(made, kind):
    model = made()
    if made is of_parts and kind == "link":
        with pytest.raises(mm.OptionError, match='type="prob"'):
            model.slopes("x", type=kind)
        return
    grid = grid_for(model, kind, {"x": [950.0, 1100.0]})
    twin = model.twin()
    means = means_of(twin, grid, kind, False)
    rows = means.rows(grid.rows, are_data=False)
    _, slopes = means.at(rows)
    x, ends = model.coefficients, []
    moves = np.diag(1e-5 * np.sqrt(np.diag(model.coefficient_covariance)))
    for sign in (1, -1):
        values = []
        for move in moves:
            moved = copy(model.estimates)
            moved.parts = x + sign * move
            twin.set_estimates(model.theta, moved)
            values.append(means.at(rows)[0])
        ends.append(values)
    numeric = np.moveaxis(np.array(ends[0]) - ends[1], 0, -1) / (2 * np.diag(moves))
    scale = np.sqrt(np.diag(model.coefficient_covariance))
    assert_allclose(slopes * scale, numeric * scale, atol=1e-6 * np.abs(numeric * scale).max())


def test_slopes_and_comparisons_of_each_category():
    model, d = of_parts(), data()
    h = 1e-3

    def mean(**changed):
        return model.predict(d.assign(**changed), random=False).mean().to_numpy()

    slopes = model.slopes("x").frame
    assert slopes["category"].tolist() == model.categories
    wanted = (mean(x=d["x"] + h) - mean(x=d["x"] - h)) / (2 * h)
    assert_allclose(slopes["estimate"], wanted, rtol=1e-5)
    assert slopes["estimate"].sum() == pytest.approx(0, abs=1e-12)
    change = model.comparisons("odd name").frame
    assert_allclose(change["estimate"], mean(**{"odd name": "b"}) - mean(**{"odd name": "a"}))
    average = model.comparisons("odd name", type="mean").frame
    assert average["estimate"].iloc[0] == pytest.approx(change["estimate"] @ [1, 2, 3, 4])
    several = model.slopes("x", at={"f": ["u", "v"]}, type="mean")
    assert len(several.frame) == 2 and len(several.pairs().frame) == 1
    pairs = model.emmeans("odd name", type="prob").pairs().frame  # within each category
    assert len(pairs) == 4 and pairs["category"].tolist() == model.categories
    latent = plain().slopes("x", type="latent").frame.iloc[0]
    assert latent["estimate"] == pytest.approx(plain().params["x"])
    assert latent["se"] == pytest.approx(plain().bse["x"])


def test_proportional_odds_of_exceedance():
    model = mm.clmm("y ~ f + (1 | g)", data())
    odds = model.comparisons("f", type="exceedance", measure="odds ratio").frame
    assert_allclose(odds["estimate"], np.exp(model.params["f[T.v]"]))  # at every threshold
    assert_allclose(odds["se"] / odds["estimate"], model.bse["f[T.v]"])


def test_cells_without_rows_have_no_probabilities():
    d = data()
    model = mm.clmm("y ~ f * `odd name` + (1 | g)", d[(d["f"] == "u") | (d["odd name"] == "a")])
    frame = model.emmeans(["f", "odd name"], type="prob").frame
    empty = (frame["f"] == "v") & (frame["odd name"] == "b")
    assert frame["probability"].isna().equals(empty) and frame["se"].isna().equals(empty)


def test_variables_of_parts_alone():
    model = mm.clmm("y ~ x + (1 | g)", data(), nominal="~ `odd name`")
    with pytest.raises(mm.OptionError, match='type="prob"'):
        model.emmeans("x")
    means = model.emmeans("odd name", type="prob").frame
    at = {"odd name": ["a", "b"], "x": [data()["x"].mean()] * 2}
    wanted = model.predict(at, random=False, se=True)
    assert_allclose(means["probability"], wanted["prediction"].to_numpy().ravel())
    assert_allclose(means["se"], wanted["se"].to_numpy().ravel(), rtol=1e-6)


def test_what_is_refused():
    with pytest.raises(mm.OptionError, match="type must be one of"):
        plain().emmeans("x", type="zprob")
    with pytest.raises(mm.OptionError, match='re="integrated" is not for ordinal models'):
        plain().slopes("x", re="integrated")
    with pytest.raises(mm.OptionError, match="delete_levels"):
        plain().influence()


def test_responses_of_all_kinds_and_orders_of_rows():
    codes = data()["y"].cat.codes.to_numpy()
    base = plain().emmeans("odd name", type="prob").frame
    order = np.random.default_rng(1).permutation(len(codes))
    letters = pd.Categorical.from_codes(3 - codes, list("dcba")).reorder_categories(
        list("abcd"), ordered=True
    )
    for response in (codes, codes * 10.0, letters):
        d = data().assign(y=response).iloc[order]
        other = mm.clmm("y ~ `odd name` + x + (1 | g)", d).emmeans("odd name", type="prob").frame
        assert_allclose(other[["probability", "se"]], base[["probability", "se"]], rtol=1e-4)
