"""Plain-text tables in terminals."""

from report.every_result import STARRED

import numbamm as mm
from numbamm.report import text
from numbamm.report.content import Report


def test_wide_characters_keep_columns_straight():
    data = mm.datasets.load("sleepstudy").rename(columns={"Days": "日数"})
    lines = str(mm.lmm("Reaction ~ 日数 + (日数 | Subject)", data)).splitlines()
    rows = [line for line in lines if line.startswith(("(Intercept)", "日数"))]
    assert [text.width(row) for row in rows] == [text.width(rows[0])] * 2


def test_marks_stand_outside_their_columns():
    report = Report("t", tables=[STARRED], notes=["* p < 0.05"])
    assert text.report_text(report).splitlines() == [
        "t",
        "─────────────────────────",
        "              A         B",
        "     odds ratio     Coef.",
        "─────────────────────────",
        "Fixed effects",
        "  x        1.25***   0.10",
        "Rest & more",
        "          (0.31)        –",
        "─────────────────────────",
        " * p < 0.05",
    ]
