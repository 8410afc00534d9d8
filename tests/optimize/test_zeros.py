"""Near-zero standard deviations, tried at zero."""

import numpy as np
import pytest
from optimize.objectives import visit

from numbamm.optimize import OptSummary, minimize, try_zeros

INF = np.inf


def test_small_diagonals_are_tried_at_zero(plugin):
    """Three small parameters: one is zero at no cost, one is not, one has no bound at zero."""

    def objective(x):
        return 1.0 + 1e-3 * x[0] + 100 * (x[1] - 5e-4) ** 2 * 1e4 + abs(x[2])

    x = [5e-4, 5e-4, 5e-4]
    optsum = OptSummary([1.0, 1.0, 1.0], [0.0, 0.0, -INF], optimizer=plugin(visit(x)))
    minimize(objective, optsum)
    assert optsum.final.tolist() == [0.0, 5e-4, 5e-4]
    assert optsum.fmin == objective(optsum.final)
    assert optsum.feval == 1


def test_zeros_together_rise_no_more_than_one_alone():
    optsum = OptSummary([1.0, 1.0], [0.0, 0.0], ftol_zero_abs=1e-5)
    start = np.array([1e-4, 1e-4])
    x, f = try_zeros(lambda x: 1.0 + 6e-6 * np.sum(x == 0), start, 1.0, optsum)
    assert x.tolist() == [0.0, 1e-4]
    assert f == pytest.approx(1 + 6e-6)


def test_zeros_that_cost_nothing_together_take_one_evaluation():
    optsum, values = OptSummary(np.ones(4), [0.0, 0.0, -INF, 0.0]), []

    def objective(x):
        values.append(1.0 + 1e-3 * (x**2).sum())
        return values[-1]

    x, f = try_zeros(objective, np.array([1e-4, -2e-4, 3e-4, 0.5]), 1.25, optsum)
    assert x.tolist() == [0.0, 0.0, 3e-4, 0.5]
    assert values == [f]


@pytest.mark.parametrize("bad", [np.nan, -INF])
def test_zero_that_cannot_be_evaluated_is_not_taken(bad):
    optsum = OptSummary([1.0], [0.0])
    x, f = try_zeros(lambda x: bad, np.array([1e-4]), 1.0, optsum)
    assert (x.tolist(), f) == ([1e-4], 1.0)
