"""Weights of comparisons, and the tables that they make, against emmeans."""

from functools import cache

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.fixed.mean_weights import polynomials

ENTRY = postfit_oracles.entries()["interaction_cake"]


@cache
def means():
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
    return mm.lmm(formula, mm.datasets.load("cake"), reml=True).emmeans("recipe * temperature")


def compare(table, rows):
    theirs = pd.DataFrame(rows)
    assert_allclose(table["estimate"], theirs["estimate"], atol=1e-6)
    assert_allclose(table["se"], theirs["SE"], rtol=1e-4)
    assert_allclose(table["df"], theirs["df"], rtol=1e-4)
    assert_allclose(table["pvalue"], theirs["p.value"], atol=1e-6)


@pytest.mark.parametrize(
    ("key", "methods"),
    [
        ("pairwise_consec", ["pairwise", "consecutive"]),
        ("pairwise_poly", ["pairwise", "polynomial"]),
        ("trt_vs_ctrl_eff", ["reference", "deviation"]),
    ],
)
def test_interactions(key, methods):
    compare(means().contrast(interaction=methods).frame, ENTRY[key])
    by_name = dict(zip(["recipe", "temperature"], methods, strict=True))
    compare(means().contrast(interaction=by_name).frame, ENTRY[key])


def test_joint_test_of_an_interaction():
    line = means().contrast(interaction=["pairwise", "consecutive"], joint=True).frame.iloc[0]
    wanted = ENTRY["joint_test_pairwise_consec"][0]
    assert (line["numdf"], round(line["F"], 3)) == (wanted["df1"], wanted["F.ratio"])
    assert_allclose(line["pvalue"], wanted["p.value"], atol=1e-6)
    other = means().contrast(interaction="deviation", joint=True).frame.iloc[0]
    assert_allclose(other["F"], line["F"])  # the same hypothesis, of dependent rows


def test_joint_tests_within_groups():
    m = means().model
    by = m.emmeans("temperature | recipe").contrast("consecutive", joint=True).frame
    assert by["recipe"].to_list() == ["A", "B", "C"] and (by["numdf"] == 5).all()
    rows = {f"{k}": [0] * k + [-1, 1] + [0] * (4 - k) for k in range(5)}
    one = m.emmeans("temperature", at={"recipe": ["B"]}).contrast(rows, joint=True).frame
    assert_allclose(one["F"], by["F"][1])


def test_simple_comparisons():
    table = means().model.emmeans("recipe | temperature").pairs().frame
    compare(table, ENTRY["simple_pairs_recipe_by_temperature_tukey"])


def test_polynomials():
    wanted = postfit_oracles.entries()["mvt_cake"]["temperature_poly"]
    table = means().model.emmeans("temperature").contrast("polynomial", adjust="none").frame
    compare(table, wanted)
    assert table["contrast"].to_list() == [row["contrast"] for row in wanted]


@pytest.mark.parametrize("m", [2, 3, 9])
def test_polynomials_are_orthogonal_whole_numbers(m):
    names, weights = polynomials(m)
    assert len(names) == min(m - 1, 6) and (weights == weights.round()).all()
    products = weights @ weights.T
    assert_allclose(products, np.diag(np.diag(products)))
    assert_allclose(weights.sum(axis=1), 0)
    assert (weights[:, -1] > 0).all() and np.gcd.reduce(weights.astype(int), axis=1).max() == 1


@pytest.mark.parametrize("adjust", ["tukey", "mvt"])
def test_adjustments_of_pairs(adjust):
    g = mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
    )
    entry = postfit_oracles.entries()["mvt_cbpp"]
    wanted = entry["tukey"] if adjust == "tukey" else entry["mvt"]["p_mvt"]
    assert_allclose(g.emmeans("period").pairs(adjust).frame["pvalue"], wanted, atol=5e-6)
    rows = g.emmeans("period").contrast("consecutive", adjust="mvt")
    assert_allclose(rows.frame["pvalue"], entry["consec_mvt"]["p_mvt"], atol=5e-6)
    assert "multivariate t distribution" in str(rows)
    plain = g.emmeans("period").contrast("consecutive", adjust="none").frame
    theirs = pd.DataFrame(entry["consec"])
    assert_allclose(plain["lower"], theirs["asymp.LCL"], atol=1e-5)


def test_what_is_refused():
    with pytest.raises(OptionError, match="'recip' is no variable of the means; did you mean"):
        means().contrast(interaction={"recip": "pairwise"})
    with pytest.raises(OptionError, match="one for each of recipe, temperature"):
        means().contrast(interaction=["pairwise"])
    with pytest.raises(OptionError, match="unknown method"):
        means().contrast(interaction="pairs of all")
    with pytest.raises(OptionError, match='adjust="mvt"'):
        means().contrast(interaction="pairwise", adjust="tukey")
    d = mm.datasets.load("cake")
    d = d[(d["recipe"] != "A") | (d["temperature"].astype(str) != "175")]
    m = mm.lmm("angle ~ recipe + temperature + (1 | replicate)", d)
    one = m.emmeans("recipe * temperature", at={"recipe": ["A"]})
    with pytest.raises(OptionError, match="nothing to compare"):
        one.contrast(interaction="pairwise")
