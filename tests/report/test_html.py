"""HTML tables."""

import numbamm as mm


def test_html_escapes_what_data_say():
    data = mm.datasets.load("sleepstudy").rename(columns={"Subject": "a<b"})
    model = mm.lmm("Reaction ~ Days + (1 | `a<b`)", data)
    assert "a&lt;b" in model._repr_html_()
    assert "a<b" not in model._repr_html_()
