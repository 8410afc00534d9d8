"""Tables of the package great_tables."""

import re
import sys

import pytest
from report.every_result import RESULTS, Cells

import numbamm as mm


@pytest.mark.parametrize("name", RESULTS)
def test_great_tables(results, name):
    great_tables = pytest.importorskip("great_tables")
    parser = Cells()
    html = re.sub(r"(?s)<style>.*?</style>", "", results[name].to_great_tables().as_raw_html())
    parser.feed(html)
    last = results[name]._report().tables[-1]
    assert [row for row in parser.rows if row in last.rows] == [[*map(str, r)] for r in last.rows]
    great_tables.GT(results[name].to_frame().reset_index())  # takes the numbers, too


def test_a_package_that_is_missing_is_named(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(mm.OptionError, match="pip install great_tables"):
        results["r2"].to_great_tables()
