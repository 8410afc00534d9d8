"""Word documents."""

import sys

import pytest
from report.every_result import cells

import numbamm as mm


def test_word(results, tmp_path):
    docx = pytest.importorskip("docx")
    for name in ("generalized", "lrtest", "modeltable", "varcorr"):
        result = results[name]
        result.to_word(tmp_path / f"{name}.docx")
        document = docx.Document(str(tmp_path / f"{name}.docx"))
        shown = [[c.text for c in row.cells] for t in document.tables for row in t.rows]
        expected = cells(result._report(), lambda heading, n: [heading] * n)
        assert [[c.replace("−", "-") for c in row] for row in shown] == expected
    with pytest.raises(mm.OptionError, match="cannot be written"):
        results["r2"].to_word(tmp_path / "missing" / "r2.docx")


def test_a_package_that_is_missing_is_named(results, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(mm.OptionError, match=r"numbamm\[word\]"):
        results["r2"].to_word(tmp_path / "r2.docx")
