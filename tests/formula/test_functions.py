"""The functions of formulas: levels, row by row, and statistics kept from the fit."""

import numpy as np
import pandas as pd
import pytest

from numbamm.errors import DataError
from numbamm.formula import model_frame
from numbamm.formula.arithmetic import Unfit
from numbamm.formula.functions import FUNCTIONS, KNOWN, NUMPY, C, is_row_by_row, refuse_arguments


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("exp10(x)", lambda x: 10**x),
        ("ifelse(x > 0, x, -1)", lambda x: np.where(x > 0, x, -1)),
        ("np.clip(x, -0.5, 0.5)", lambda x: np.clip(x, -0.5, 0.5)),
        ("np.round(x, 1)", lambda x: np.round(x, 1)),
        ("np.interp(x, [-1, 0, 1], [3, 1, 3])", lambda x: np.interp(x, [-1, 0, 1], [3, 1, 3])),
        ("np.digitize(x, [-1, 0, 1])", lambda x: np.digitize(x, [-1, 0, 1])),
        ("np.searchsorted([-1, 0, 1], x)", lambda x: np.searchsorted([-1, 0, 1], x)),
        ("np.select([x > 1, x > 0], [2, 1])", lambda x: np.select([x > 1, x > 0], [2, 1])),
        ("I(x - np.median(x))", lambda x: x - np.median(x)),
        ("I(x / np.std(x, ddof=1))", lambda x: x / np.std(x, ddof=1)),
        ("I(x > np.quantile(x, 0.3))", lambda x: x > np.quantile(x, 0.3)),
    ],
)
def test_values(data, expression, value):
    mf = model_frame(f"y ~ {expression} + (1 | g)", data)
    x = data["x"].to_numpy()
    np.testing.assert_allclose(mf.X[:, -1], value(x))
    np.testing.assert_allclose(mf.new_rows(data[3:5]).X[:, -1], value(x)[3:5])


def test_whole_numbers_are_labels_without_a_point():
    assert C(pd.Series([3.0, 1.0])).__wrapped__.tolist() == [3, 1]
    assert C(pd.Series([0.5, 1.0])).__wrapped__.dtype == float


@pytest.mark.parametrize("levels", ["abc", ["a", "a", "b", "c"], 3, [["a"], "b"]])
def test_levels_must_be_a_list_of_different_values(levels):
    with pytest.raises(DataError, match=r"C\(\): levels must be a list of different values"):
        C(pd.Series(list("abc")), levels=levels)


def test_a_value_that_is_no_level_is_named():
    with pytest.raises(DataError, match="'c' is none of the levels"):
        C(pd.Series(list("abc")), levels=["a", "b"])


def test_numpys_constants_and_functions_are_told_from_others():
    assert is_row_by_row(np.log, "anything") and is_row_by_row(FUNCTIONS["center"], "center")
    assert not is_row_by_row(np.cumsum, "np.cumsum") and not is_row_by_row(len, "center")
    assert not {"np.load", "np.save", "np.cumsum", "lag", "Q"} & set(KNOWN)


@pytest.mark.parametrize(
    ("name", "args", "options", "message"),
    [
        ("pi", (), {}, "a constant, not a function"),
        ("log", (1, 2), {}, "takes one argument"),
        ("add", (1,), {}, "takes 2 arguments"),
        ("exp", (1,), {"out": 2}, "takes one argument"),
        ("clip", (1,), {}, r"lowest|highest"),
    ],
)
def test_arguments_are_checked(name, args, options, message):
    with pytest.raises(Unfit, match=message):
        refuse_arguments(NUMPY[name], args, options)
    refuse_arguments(NUMPY["clip"], (1, 2, 3), {})
