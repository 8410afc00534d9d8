"""From a formula and data to a model frame: one mask of rows, and data that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.errors import DataError
from numbamm.formula import model_frame


def refuse(error, message, formula, data, **options):
    with pytest.raises(error, match=message):
        model_frame(formula, data, **options)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("poly(t, 2) ~ x + (1 | g)", r"'poly\(t, 2\)' gives 2 columns where one is needed"),
        ("y ~ x + offset(poly(t, 1)) + (1 | g)", "gives 1 columns where one is needed"),
        ("f ~ x + (1 | g)", "'f' is categorical, not numeric"),
        ("when ~ x + (1 | g)", "'when' holds dates, not numbers"),
        ("y ~ when + (1 | g)", "'when' holds dates, not numbers"),
        ("log(x) ~ t + (1 | g)", r"'log\(x\)' is not a finite number in \d+ rows"),
        ("y ~ log(x) + (1 | g)", r"'log\(x\)' is not a finite number in \d+ rows"),
        ("y ~ t + (log(x) | g)", r"'log\(x\)' is not a finite number"),
        ("y ~ offset(1 / (t - t)) + (1 | g)", "is not a finite number in 60 rows"),
        ("y ~ offset(f) + (1 | g)", "'f' is categorical"),
        ("y ~ some(f) + (1 | g)", "gives 3 values for 60 rows"),
        ("y ~ C(f, levels=['a', 'b']) + (1 | g)", "is none of the levels"),
        ("cbind(x, t) ~ 1 + (1 | g)", "has a negative count"),
        ("y ~ x + (1 | one)", "'one' has a single level"),
        ("y ~ x + (1 | lists)", "'lists' cannot be used: unhashable"),
        ("y ~ big + (1 | g)", r"column 'big' is infinite in 1 row \(.*: 7\)"),
    ],
)
def test_data(data, formula, message):
    frame = data.assign(when=pd.Timestamp("2020-01-01"), one=1, big=1.0, lists=[[1]] * 60)
    frame.loc[7, "big"] = np.inf
    refuse(DataError, message, formula, frame, context={"some": lambda values: values[:3]})


def test_an_unused_column_may_be_anything(data):
    frame = data.assign(big=np.inf, lists=[[1]] * 60)
    assert model_frame("y ~ x + (1 | g)", frame).n_missing == 0


def test_one_mask_for_everything_that_is_used(data):
    frame = data.assign(w=1.0, o=0.5, unused=np.nan)
    for row, name in enumerate(["y", "x", "t", "h", "w", "o"]):
        frame.loc[row, name] = np.nan
    off = np.zeros(60)
    weights = np.ones(60)
    weights[10] = np.nan
    mf = model_frame("y ~ x + offset(o) + (0 + t | h)", frame, weights="w", offset=off)
    assert mf.n_missing == 6
    assert_array_equal(mf.rows, np.arange(6, 60))
    assert len(mf.y) == len(mf.X) == len(mf.weights) == len(mf.offset) == 54
    assert mf.reterms[0].shape[0] == 54
    assert_array_equal(mf.y, data.y[6:])
    assert model_frame("y ~ 1 + (1 | g)", data, weights=weights).n_missing == 1


def test_zero_weights_drop_rows(data):
    weights = np.ones(60)
    weights[[3, 5]] = 0
    frame = data.copy()
    frame.loc[5, "x"] = np.nan
    mf = model_frame("y ~ x + (1 | g)", frame, weights=weights)
    assert (mf.n_missing, mf.n_zero_weight, len(mf.y)) == (1, 1, 58)
    assert_array_equal(mf.weights, np.ones(58))


def test_offsets_add_up(data):
    mf = model_frame("y ~ x + offset(2 * x) + offset(t) + (1 | g)", data, offset="y")
    assert_allclose(mf.offset, 2 * data.x + data.t + data.y)
    assert mf.xnames == ["Intercept", "x"]


def test_transforms_see_only_the_retained_rows(data):
    frame = data.copy()
    frame.loc[:9, "y"] = np.nan
    mf = model_frame("y ~ center(x) + (1 | g)", frame)
    assert abs(mf.X[:, 1].mean()) < 1e-15
