"""Covariance structures side by side, and tests between those that are nested."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError

NAMES = ["us", "cs", "homcs", "toep", "homtoep", "ar1", "hetar1", "diag", "homdiag"]
#: Small model and those of which it is a special case, directly.
NESTED = {
    "homdiag": ["diag", "homcs", "ar1"],
    "homcs": ["cs", "homtoep"],
    "ar1": ["hetar1", "homtoep"],
    "cs": ["toep", "us"],
    "hetar1": ["toep", "us"],
    "homtoep": ["toep"],
    "diag": ["cs", "hetar1"],
    "toep": ["us"],
}


@cache
def machines():
    data = mm.datasets.load("Machines")
    return mm.lmm("score ~ Machine + (0 + Machine | Worker)", data, reml=True)


@cache
def table():
    return mm.compare_structures(machines(), [*NAMES, "rr(d=1)"])


def test_a_row_for_each():
    frame = table().frame
    assert set(frame.index) == {*NAMES, "rr(d=1)"} and frame.aic.is_monotonic_increasing
    for name, m in table().models.items():
        assert_allclose(frame.loc[name, "llf"], m.llf)
        assert frame.loc[name, "npar"] == m.n_parameters
    assert_allclose(table().models["us"].objective, machines().objective, atol=1e-8)
    assert "cs: score ~ Machine + cs(0 + Machine | Worker)" in str(table())
    assert not frame.singular.any()


@pytest.mark.parametrize(("small", "large"), [(s, g) for s, many in NESTED.items() for g in many])
def test_nested_structures(small, large):
    models = table().models
    line = mm.lrtest(models[small], models[large]).frame.iloc[1]
    assert line.df == models[large].n_parameters - models[small].n_parameters
    assert -1e-7 < line.chisq == pytest.approx(models[small].objective - models[large].objective)
    assert line.pvalue == line.pvalue_chisq  # correlations of zero, equal variances: no boundary


@pytest.mark.parametrize("pair", [("ar1", "cs"), ("homcs", "diag"), ("homcs", "hetar1")])
def test_structures_that_are_not_nested(pair):
    with pytest.raises(OptionError, match="is not nested"):
        mm.lrtest(*(table().models[name] for name in pair))


def test_which_term():
    rng = np.random.default_rng(6)
    d = pd.DataFrame({"g": rng.integers(0, 9, 90), "h": rng.integers(0, 8, 90)})
    d["x"], d["f"] = rng.normal(size=90), rng.choice(list("abc"), 90)
    d["y"] = rng.normal(size=90) + rng.normal(size=9)[d.g]
    m = mm.lmm("y ~ x + (1 | g) + ar1(0 + f | h)", d)
    assert list(mm.compare_structures(m, ["homcs"]).models) == ["homcs"]
    two = mm.lmm("y ~ x + diag(0 + f | g) + ar1(0 + f | h)", d)
    with pytest.raises(OptionError, match="name its grouping factor by group="):
        mm.compare_structures(two, ["homcs"])
    [other] = mm.compare_structures(two, ["homcs"], group="g").models.values()
    assert other.formula == "y ~ x + homcs(0 + f | g) + ar1(0 + f | h)"
    with pytest.raises(OptionError, match="there is no covariance structure 'arr1'.*ar1"):
        mm.compare_structures(m, ["arr1"])
    with pytest.raises(OptionError, match="cannot stand for each other"):
        mm.compare_structures(m, ["exp"])
    with pytest.raises(OptionError, match="nothing to compare"):
        mm.compare_structures(mm.lmm("y ~ x + (1 | g)", d), ["cs"])


def test_positions_and_what_cannot_be_fitted():
    rng = np.random.default_rng(9)
    d = pd.DataFrame([(i, t) for i in range(15) for t in (0, 1, 3, 4.5)], columns=["g", "t"])
    d["y"] = rng.normal(size=15)[d.g] + rng.normal(size=60)
    m = mm.lmm("y ~ t + ou(t | g)", d)
    both = mm.compare_structures(m, ["ou", "exp", "gau"])
    assert_allclose(both.frame.loc["ou", "llf"], both.frame.loc["exp", "llf"], atol=1e-7)
    factor = d.assign(f=d.t.map("t{}".format))
    some = mm.compare_structures(
        mm.lmm("y ~ t + ar1(0 + f | g)", factor), ["ar1", "homcs", "homtoep"]
    )
    assert list(some.frame.index) == ["ar1"]
    assert "homcs is left out" in str(some)
