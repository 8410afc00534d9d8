"""Which residuals are special cases of which, and tables over them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import numbamm as mm
from numbamm.errors import OptionError

KINDS = ["homcs", "ar1", "cs", "hetar1", "toep", "adh", "homus", "us"]
#: Each structure and what it is a special case of.
CASES = {
    "homcs": {"cs", "toep", "homus", "us"},
    "ar1": {"hetar1", "toep", "adh", "homus", "us"},
    "cs": {"toep", "us"},
    "hetar1": {"toep", "adh", "us"},
    "toep": {"us"},
    "adh": {"us"},
    "homus": {"us"},
    "us": set(),
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    d = pd.DataFrame([(i, t) for i in range(40) for t in range(4)], columns=["id", "t"])
    e = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(range(4), range(4))))
    sd = np.array([1.0, 1.2, 1.5, 1.1])
    d["y"] = ((rng.normal(size=(40, 4)) @ e.T) * sd).ravel() + rng.normal(size=40)[d.id]
    d["h"], d["x"] = rng.integers(0, 9, 160), rng.uniform(0.5, 2, 160)
    d["y"] += rng.normal(size=9)[d.h]
    return d.sample(frac=0.95, random_state=1)


@pytest.fixture(scope="module")
def table(data):
    m = mm.lmm("y ~ t + (1 | h)", data, residual="us(t | id)", reml=True)
    return mm.compare_structures(m, [*KINDS, "none", "exp(t | id, nugget=True)"])


def test_a_table_over_structures_of_residuals(data, table):
    assert set(table.models) == {*KINDS, "none", "exp(t | id, nugget=True)"}
    assert table.frame["aic"].is_monotonic_increasing
    assert table.frame["npar"]["us"] == 13 and table.frame["npar"]["none"] == 4
    alone = mm.lmm("y ~ t + (1 | h)", data, residual="ar1(t | id)", reml=True)
    assert_allclose(table.models["ar1"].objective, alone.objective, atol=1e-7)
    assert "ar1: y ~ t + (1 | h), residuals ar1(t | id)" in str(table)


@pytest.mark.parametrize("small", KINDS)
@pytest.mark.parametrize("large", KINDS)
def test_special_cases(table, small, large):
    one, other = table.models[small], table.models[large]
    if one.n_parameters >= other.n_parameters:
        return
    if large in CASES[small]:
        found = mm.lrtest(one, other).to_frame()
        assert_allclose(found["chisq"].iloc[1], one.objective - other.objective)
        assert (found["pvalue"] == found["pvalue_chisq"]).iloc[1]
        assert found["chisq"].iloc[1] > -1e-6
    else:
        with pytest.raises(OptionError, match="residuals are no special case.*check=False"):
            mm.lrtest(one, other)


def test_independent_residuals_and_random_intercepts(data, table):
    for kind in KINDS:
        mm.lrtest(table.models["none"], table.models[kind])
    intercept = mm.lmm("y ~ t + (1 | h) + (1 | id)", data, reml=True)
    assert_allclose(intercept.objective, table.models["homcs"].objective, atol=1e-6)
    for kind in ("cs", "toep", "us"):
        mm.lrtest(intercept, table.models[kind])
    with pytest.raises(OptionError, match="do not include"):
        mm.lrtest(intercept, table.models["hetar1"])


def test_parameters_at_bounds(data, table):
    small = table.models["none"]
    large = mm.lmm("y ~ t + (1 | h)", data, residual="exp(t | id)", reml=True)
    test = mm.lrtest(small, large)
    chisq = test.frame["chisq"].iloc[1]
    assert_allclose(test.frame["pvalue"].iloc[1], 0.5 * chi2.sf(chisq, 1))
    assert "since the range of the residuals is zero in the smaller model" in str(test)
    beside = mm.lrtest(large, table.models["exp(t | id, nugget=True)"])
    assert "½χ²(0) + ½χ²(1), since the nugget is at a bound" in str(beside)
    both = mm.lrtest(small, table.models["exp(t | id, nugget=True)"])
    assert "p is from χ²(2) and too large" in str(both)


def test_standard_deviations_that_are_nested(data):
    def fit(dispersion):
        return mm.lmm("y ~ t + (1 | h)", data, dispersion=dispersion)

    none, x, both = mm.lmm("y ~ t + (1 | h)", data), fit("~ x"), fit("~ x + C(t)")
    mm.lrtest(none, x, both)
    mm.lrtest(none, fit("exp(x)"))  # the same as ~ x
    mm.lrtest(fit("exp(x)"), both)
    mm.lrtest(none, fit("power(x)"))
    with pytest.raises(OptionError, match="no special case"):
        mm.lrtest(fit("power(x)"), both)
    with pytest.raises(OptionError, match="no special case"):
        mm.lrtest(none, fit(["fixed(x)", "exp(t)"]))


def test_what_cannot_be_written(data, table):
    m = table.models["ar1"]
    with pytest.raises(OptionError, match="no residual structure 'ar3'; did you mean 'ar2'"):
        mm.compare_structures(m, ["ar3"])
    exchangeable = mm.lmm("y ~ t + (1 | h)", data, residual="homcs(1 | id)")
    with pytest.raises(OptionError, match=r"'us' needs visits or times.*us\(time \| id\)"):
        mm.compare_structures(exchangeable, ["us"])
    assert len(mm.compare_structures(exchangeable, ["homcs", "ar1(t | id)"]).models) == 2
