"""`SearchSpace` and `Function`: signs and gradients that an objective brings along."""

import numpy as np
import pytest
from optimize.objectives import quadratic, quadratic_gradient

from numbamm.errors import OptionError
from numbamm.optimize import (
    Function,
    OptSummary,
    minimize,
)

INF = np.inf


def test_rectify_is_applied_to_the_best_point():
    optsum = OptSummary([-1.0], [-INF], optimizer="scipy:BFGS")
    minimize(Function(lambda x: quadratic(np.abs(x)), rectify=np.abs), optsum)
    assert optsum.final == pytest.approx([2.0], abs=1e-4)


def test_gradient_where_there_is_none():
    with pytest.raises(OptionError, match="'nlopt:LD_LBFGS' needs the gradient"):
        minimize(quadratic, OptSummary([1.0], [0.0], optimizer="nlopt:LD_LBFGS"))


def test_gradient_reaches_the_plugin_without_fixed_parameters(plugin):
    received = []

    def search(problem):
        received.append(problem.objective_gradient(np.array([1.0, 3.0])))
        received.append(problem.objective_gradient(np.array([9.0, 3.0])))
        return "DONE"

    def gradient(x):
        f, g = quadratic_gradient(x)
        return (np.nan if x[0] > 5 else f), g

    name = plugin(search, gradient="required")
    optsum = OptSummary([1.0, 1.0, 0.0], [0.0, 1.0, 0.0], upperbd=[INF, 1.0, INF], optimizer=name)
    minimize(Function(quadratic, gradient=gradient), optsum)
    (f, g), (failed_f, failed_g) = received
    assert (f, g.tolist()) == (4.0, [-2.0, 2.0])
    assert (failed_f, failed_g.tolist()) == (optsum.finitial, [0.0, 0.0])
    assert optsum.feval == 2 and np.isnan(optsum.log[1][1])
