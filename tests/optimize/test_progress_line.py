"""The line that shows how far a long search is."""

from optimize.objectives import dyestuff

from numbamm.optimize import (
    OptSummary,
    minimize,
)


def test_progress_is_shown_after_a_while_and_wiped_out(capsys, monkeypatch):
    from numbamm.optimize import progress_line

    monkeypatch.setattr(progress_line, "FIRST_AFTER", 0.0)
    minimize(dyestuff, OptSummary([1.0], [0.0]), progress=True)
    err = capsys.readouterr().err
    assert err.startswith("\rf_1: 327.76702")
    assert err.endswith("\r") and err.split("\r")[-2].strip() == ""
    for silent in (False, None):  # None: not on a terminal here
        minimize(dyestuff, OptSummary([1.0], [0.0]), progress=silent)
    minimize(dyestuff, OptSummary([1.0], [0.0]), progress=True, verbose=True)
    assert capsys.readouterr().err == ""


def test_quick_fits_show_no_progress(capsys):
    minimize(dyestuff, OptSummary([1.0], [0.0]), progress=True)
    assert capsys.readouterr().err == ""
