"""Plain-text tables in terminals."""

import numbamm as mm
from numbamm.report import text


def test_wide_characters_keep_columns_straight():
    data = mm.datasets.load("sleepstudy").rename(columns={"Days": "日数"})
    lines = str(mm.lmm("Reaction ~ 日数 + (日数 | Subject)", data)).splitlines()
    rows = [line for line in lines if line.startswith(("(Intercept)", "日数"))]
    assert [text.width(row) for row in rows] == [text.width(rows[0])] * 2
