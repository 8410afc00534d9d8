"""Responses of ordered categories."""

import numpy as np
import pandas as pd
import pytest

from numbamm import formula as formulas
from numbamm.errors import DataError, NumbammWarning

GROUPS = [1, 1, 2, 2, 3, 3]


def evaluated(y, left="y"):
    return formulas.model_frame(
        f"{left} ~ 1 + (1 | g)", {"y": y, "g": GROUPS}, ordered_response=True
    )


@pytest.mark.parametrize(
    ("y", "left", "codes", "categories"),
    [
        ([3, 1, 7, 7, 1, 3], "y", [1, 0, 2, 2, 0, 1], [1, 3, 7]),
        ([0.5, 2.0, 0.5, 2.0, 2.0, 3.5], "y", [0, 1, 0, 1, 1, 2], [0.5, 2, 3.5]),
        ([True, False] * 3, "y", [1, 0] * 3, [False, True]),
        ([3, 1, 7, 7, 1, 3], "I(-y)", [1, 2, 0, 0, 2, 1], [-7, -3, -1]),
        (
            pd.Categorical(list("babcca"), list("cba"), ordered=True),
            "y",
            [1, 2, 1, 0, 0, 2],
            list("cba"),
        ),
    ],
)
def test_categories_are_numbered_in_their_order(y, left, codes, categories):
    frame = evaluated(y, left)
    assert frame.y.tolist() == codes
    assert frame.categories == categories


def test_categories_without_rows_are_left_out_with_a_notice():
    y = pd.Categorical(list("babdda"), list("cbxad"), ordered=True)
    with pytest.warns(NumbammWarning, match="no row has y = c, x"):
        frame = evaluated(y)
    assert frame.categories == list("bad")
    assert frame.y.tolist() == [0, 1, 0, 2, 2, 1]


def test_an_order_that_is_not_declared_is_told():
    with pytest.warns(NumbammWarning, match="low < mid < top"):
        evaluated(pd.Categorical(["low", "mid", "top"] * 2))


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (["low", "mid", "high"] * 2, r"is text, whose order.*'high', 'low', 'mid'.*ordered=True"),
        (pd.Categorical(["a"] * 6, ordered=True), "one category in the rows used, 'a'"),
        ([2] * 6, "one category in the rows used, 2"),
        (pd.date_range("2020-01-01", periods=6), "dates"),
    ],
)
def test_other_responses_are_refused(y, problem):
    with pytest.raises(DataError, match=problem):
        evaluated(y)


def test_text_and_declared_orders_of_other_libraries():
    polars = pytest.importorskip("polars")
    names = ["low", "mid", "top"]
    text = polars.DataFrame({"y": names * 2, "g": GROUPS})
    with pytest.raises(DataError, match="is text"):
        formulas.model_frame("y ~ 1 + (1 | g)", text, ordered_response=True)
    declared = text.with_columns(polars.col("y").cast(polars.Enum(names[::-1])))
    frame = formulas.model_frame("y ~ 1 + (1 | g)", declared, ordered_response=True)
    assert frame.categories == names[::-1]


def test_counts_of_two_kinds_and_continuous_responses_are_refused():
    with pytest.raises(DataError, match="binomial"):
        evaluated([1, 2, 3, 4, 5, 6], "cbind(y, y)")
    n = 150
    data = {"y": np.arange(n) / 7, "g": np.arange(n) % 5}
    with pytest.raises(DataError, match="150 different values"):
        formulas.model_frame("y ~ 1 + (1 | g)", data, ordered_response=True)
