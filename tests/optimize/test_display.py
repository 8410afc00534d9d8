"""How an `OptSummary` is shown."""

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
        assert f">{label}</th><td style='text-align:left'>{value.strip()}</td>" in html
