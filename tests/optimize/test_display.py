"""How an `OptSummary` is shown."""

import numpy as np
from optimize.objectives import dyestuff

from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.display import seconds

BEFORE = """\
Parameters:               [theta1]
Initial parameter vector: [1.0]
Optimizer:                nlopt:LN_BOBYQA (NLopt {version})
Lower bounds:             [0.0]
ftol_rel:                 1e-12
ftol_abs:                 1e-08
xtol_rel:                 0.0
xtol_abs:                 1e-10
initial_step:             [0.75]
maxfeval:                 100000
maxtime:                  -1.0
max_restarts:             None
xtol_zero_abs:            0.001
ftol_zero_abs:            1e-05"""
AFTER = """
Function evaluations:     18
Elapsed time:             {elapsed}
Final parameter vector:   [0.752581]
Final objective value:    327.3270598811
Return code:              FTOL_REACHED"""


def test_prints_as_a_block():
    import nlopt

    before = BEFORE.format(version=nlopt.__version__)
    optsum = OptSummary([1.0], [0.0], optimizer="nlopt:LN_BOBYQA")
    assert repr(optsum) == before
    minimize(dyestuff, optsum)
    names, start, rest = before.split("\n", 2)
    after = AFTER.format(elapsed=seconds(optsum.elapsed))
    fitted = f"{names}\n{start}\nInitial objective value:  327.7670216246\n{rest}{after}"
    assert repr(optsum) == fitted


def test_shows_only_what_the_algorithm_reads():
    optsum = OptSummary([1.0], [0.0], optimizer="scipy:SLSQP")
    assert "ftol_abs" in repr(optsum)
    assert "xtol_rel" not in repr(optsum)


def test_prints_with_an_optimiser_that_does_not_exist():
    assert "nlopt:LN_BOBYKA (not available)" in repr(
        OptSummary([1.0], [0.0], optimizer="nlopt:LN_BOBYKA")
    )


def test_html_has_the_same_rows():
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0], upperbd=[4.0]))
    html = optsum._repr_html_()
    for line in repr(optsum).splitlines():
        label, value = line.split(":", 1)
        assert f">{label}</td>" in html and f">{value.strip()}</td>" in html


def test_leaves_as_a_table():
    optsum = OptSummary([1.0, 0.0], [0.0, -np.inf], names=["a|b", "50 %"], maxtime=3.5)
    for fitted in (False, True):
        lines = optsum.to_markdown().splitlines()[4:]
        cells = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]
        printed = [line.split(":", 1) for line in repr(optsum).splitlines()]
        assert [label for label, _ in cells] == [label for label, _ in printed]
        assert cells[0][1] == r"\[a\|b, 50 %\]"
        assert r"[a\textbar{}b, 50 \%]" in optsum.to_latex()
        frame = optsum.to_frame()["value"]
        assert list(frame["initial"]) == [1.0, 0.0] and frame["maxtime"] == 3.5
        assert (frame["fmin"] is None) is not fitted
        assert frame["feval"] == optsum.feval and len(optsum.log) == optsum.feval
        minimize(lambda x: float((x - 0.5) @ (x - 0.5)), optsum)
