"""Terms added to the fixed effects."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, OptionError


@pytest.fixture(scope="module")
def small():
    return mm.lmm("angle ~ temp + (1 | recipe:replicate)", mm.datasets.load("cake"))


def test_they_are_likelihood_ratios(small):
    table = small.add1(["recipe", "recipe:temp", "I(temp**2)"]).frame
    larger = mm.lmm("angle ~ temp + recipe + (1 | recipe:replicate)", mm.datasets.load("cake"))
    test = mm.lrtest(small, larger).frame.iloc[1]
    for name in ("chisq", "df", "pvalue", "aic"):
        assert_allclose(table.loc["recipe", name], test[name], rtol=1e-6)
    assert_allclose(table["weight"].sum(), 1)
    weight = np.exp(-(table["aic"] - table["aic"].min()) / 2)
    assert_allclose(table["weight"], weight / weight.sum())
    assert_allclose(mm.drop1(larger).frame["weight"].sum(), 1)


def test_what_is_refused(small):
    reml = mm.lmm(small.formula, mm.datasets.load("cake"), reml=True)
    with pytest.raises(OptionError, match="REML"):
        reml.add1("recipe")
    d = mm.datasets.load("cake").assign(z=lambda d: d["temp"].where(d["temp"] > 180))
    with pytest.raises(DataError, match="'z' has missing values"):
        mm.lmm(small.formula, d).add1("z")
