"""NLopt as a plug-in."""

import sys

import pytest
from optimize.objectives import dyestuff

from numbamm.errors import NumbammWarning
from numbamm.optimize import OptSummary, minimize

#: Algorithms that need two parameters.
REFUSE_ONE_PARAMETER = ["nlopt:LN_NEWUOA", "nlopt:LN_NEWUOA_BOUND", "nlopt:LN_PRAXIS"]


@pytest.mark.parametrize("name", REFUSE_ONE_PARAMETER)
def test_one_parameter_falls_back_to_bobyqa_with_a_note(name):
    optsum = OptSummary([1.0], [0.0], optimizer=name)
    with pytest.warns(NumbammWarning, match="at least two parameters; used LN_BOBYQA"):
        minimize(dyestuff, optsum)
    assert optsum.returnvalue == "FTOL_REACHED (LN_BOBYQA)"
    assert optsum.fmin == pytest.approx(327.3270598811, abs=1e-7)


def test_nlopt_is_freed_after_a_search():
    """NLopt and its objective refer to each other where the garbage collector cannot look."""
    alive = []

    def objective(x):
        return dyestuff(x)

    for _ in range(3):
        minimize(objective, OptSummary([1.0], [0.0]))
        alive.append(sys.getrefcount(objective))
    assert alive == [alive[0]] * 3
