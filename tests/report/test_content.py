"""What a table holds: headings and cells by the names of columns."""

import numpy as np
import pandas as pd
import pytest
from report.every_result import STARRED

import numbamm as mm
from numbamm.report.content import Hanging, _only_infinite, of_frame


@pytest.mark.parametrize("name", ["mean", "df", "se", "lower"])
def test_variables_with_the_names_of_numbers(name):
    """Marginal means of a factor named like a column of their table."""
    data = mm.datasets.load("sleepstudy")
    data[name] = ["late" if day > 4 else "early" for day in data["Days"]]
    means = mm.lmm(f"Reaction ~ {name} + (1 | Subject)", data).emmeans(name)
    first, second = (line.split() for line in str(means).splitlines()[4:6])
    assert [first[0], second[0]] == ["early", "late"]
    assert [first[1], second[1]] == ["271.630", "325.386"]


def test_columns_by_their_names():
    frame = pd.DataFrame(
        {
            "contrast": ["a - b", "b - c"],
            "estimate": [1.0, 0.25],
            "se": [0.5, np.nan],
            "df": [np.inf, 17.0],
            "statistic": [2.0, np.nan],
            "pvalue": [0.04, 5e-10],
            "x": [0.5, 3.0],
        }
    )
    table = of_frame(frame, {"estimate": "odds.ratio"})
    assert table.header == [
        *("contrast", "odds.ratio", "Std. Error", "df", "t", "Pr(>|t|)", "x"),
    ]
    assert table.left == 1
    assert table.rows == [
        ["a - b", "1.00000", "0.500000", "∞", "2.00", "0.0400", "0.5"],
        ["b - c", "0.25000", "–", "17", "–", "<1e-09", "3.0"],
    ]


def test_a_number_with_a_mark():
    cell = Hanging("1.25", "**")
    assert cell == "1.25**" and (cell.body, cell.mark) == ("1.25", "**")
    assert STARRED.has_marks and STARRED.heads[1][1] == "odds ratio"
    assert STARRED.widths() == [3, 12, 7]


def test_degrees_of_freedom_that_are_infinite_or_of_no_line_have_no_column():
    frame = pd.DataFrame({"estimate": [1.0, 2.0], "df": [np.inf, np.inf]})
    assert _only_infinite(frame).tolist() == [False, True]
    assert _only_infinite(frame.iloc[:0]).tolist() == [False, True]
    assert not _only_infinite(frame.assign(df=[np.inf, 3.0])).any()
    assert not _only_infinite(frame.assign(df=np.nan)).any()
