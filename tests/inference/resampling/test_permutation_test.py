"""Tests by random signs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest

import numbamm as mm
from numbamm.errors import OptionError


def data(seed, effect=0.0, groups=14):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"g": np.repeat(np.arange(groups), rng.integers(2, 7, groups))})
    d["x"], d["f"] = rng.normal(size=len(d)), np.array(["a", "b", "c"])[rng.integers(0, 3, len(d))]
    d["y"] = effect * d["x"] + rng.normal(size=groups)[d["g"]] + rng.standard_t(5, len(d))
    return d


def test_effects_are_found():
    m = mm.lmm("y ~ x + f + (1 | g)", data(1, effect=1.0), reml=True)
    found = m.permutation_test("x", 99, seed=1).frame.loc["x"]
    small = mm.lmm("y ~ f + (1 | g)", data(1, effect=1.0))
    assert_allclose(found["chisq"], small.objective - m.refit(reml=False).objective, rtol=1e-6)
    assert found["pvalue"] <= 0.05 and found["signs"] == 99


def test_reproducible_and_of_other_order():
    d = data(2, effect=0.3)
    m = mm.lmm("y ~ x + (1 | g)", d)
    one, two = (m.permutation_test("x", 49, seed=3, workers=w).frame for w in (1, 2))
    assert_allclose(one, two)
    turned = mm.lmm("y ~ x + (1 | g)", d.sample(frac=1, random_state=1))
    assert_allclose(turned.permutation_test("x", 9).frame["chisq"], one["chisq"], rtol=1e-5)


def test_terms_of_several_columns():
    m = mm.lmm("y ~ x + f + (1 | g)", data(3))
    assert 0.02 <= m.permutation_test("f", 49).frame.loc["f", "pvalue"] <= 1


@pytest.mark.slow
def test_size():
    """At 10 %, over 150 data sets without an effect; by chance outside once in a thousand times."""
    p = [
        mm.lmm("y ~ x + (1 | g)", data(s)).permutation_test("x", 39, seed=s).frame["pvalue"].iloc[0]
        for s in range(150)
    ]
    assert binomtest(int(np.sum(np.array(p) <= 0.1)), 150, 0.1).pvalue > 1e-3


def test_what_is_refused():
    m = mm.lmm("y ~ x + f + (1 | g)", data(4))
    with pytest.raises(OptionError, match="'z' is no term of the fixed effects; there are x, f"):
        m.permutation_test("z")
    g = mm.glmm("r2 ~ btype + (1 | item)", mm.datasets.load("VerbAgg"), "bernoulli", fast=True)
    with pytest.raises(OptionError, match="is for linear models"):
        g.permutation_test("btype")


def test_a_term_whose_columns_others_span_is_refused():
    sleep = mm.datasets.load("sleepstudy").assign(Weeks=lambda d: d["Days"] / 7)
    m = mm.lmm("Reaction ~ Days + Weeks + (1 | Subject)", sleep)
    with pytest.raises(OptionError, match=r"without Weeks the fixed effects span the same"):
        m.permutation_test("Weeks", 9)
