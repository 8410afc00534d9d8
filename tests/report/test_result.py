"""`Result`: unrounded numbers that print as a table, and columns that are not shown."""

import pandas as pd

from numbamm.report.result import Result


def example():
    frame = pd.DataFrame({"estimate": [1 / 3, 2.0], "key": [7, 8]}, index=["a<b", "c"])
    return Result("A title", frame, notes=["A note."], hidden=("key",))


def test_numbers_are_whole_and_a_copy():
    result = example()
    frame = result.to_frame()
    assert frame["estimate"].iloc[0] == 1 / 3 and list(frame) == ["estimate", "key"]
    frame["estimate"] = 0.0
    assert result.frame["estimate"].iloc[0] == 1 / 3


def test_tables_have_title_shown_columns_and_notes():
    result = example()
    assert list(result.shown()) == ["estimate"]
    for table in (repr(result), result._repr_html_()):
        assert "A title" in table and "A note." in table and "0.333" in table
        assert "key" not in table
    assert "a&lt;b" in result._repr_html_()
