"""HTML tables: valid wherever they are put."""

import html
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.every_result import RESULTS, STARRED, Cells, cells

import numbamm as mm
from numbamm.report.content import Report, Table
from numbamm.report.html import report_html

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)

#: Results that a notebook shows as pandas does, long ones in part.
PANDAS = {"influence", "ranef", "coef", "condvar", "pirls", "tidy", "glance", "conf_int"}
PANDAS |= {"ranef_of_one", "coef_of_one", "condvar_of_one", "corr_params", "cov_params"}


@pytest.mark.parametrize("name", RESULTS)
def test_html_has_every_cell(results, name):
    parser = Cells()
    parser.feed(results[name].to_html())
    assert not parser.open
    assert parser.rows == cells(results[name]._report(), lambda heading, n: [heading])
    if name not in PANDAS:
        assert results[name]._repr_html_() == results[name].to_html()


@pytest.mark.skipif(shutil.which("tidy") is None, reason="needs tidy")
def test_html_is_valid(results):
    body = "".join(result.to_html() for result in results.values())
    body += report_html(Report("t", tables=[STARRED]))
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title></head>'
        f"<body>{body}</body></html>"
    )
    done = subprocess.run(
        ["tidy", "-q", "-e", "-utf8"], input=page, capture_output=True, text=True, encoding="utf8"
    )
    assert done.returncode == 0, done.stderr


@given(TEXTS)
def test_html_shows_any_names(text):
    found = re.findall(
        r"<td[^>]*>(.*?)</td>", report_html(Report("", tables=[Table([""], [[text]])]))
    )
    assert [html.unescape(cell) for cell in found] == [text]


def test_html_escapes_what_data_say():
    data = mm.datasets.load("sleepstudy").rename(columns={"Subject": "a<b"})
    model = mm.lmm("Reaction ~ Days + (1 | `a<b`)", data)
    assert "a&lt;b" in model._repr_html_()
    assert "a<b" not in model._repr_html_()


def test_marks_stand_outside_their_columns():
    assert ">***</span>" in report_html(Report("t", tables=[STARRED]))
