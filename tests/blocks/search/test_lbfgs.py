"""L-BFGS on functions whose minima are known, in many units, and where there is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.blocks.search import lbfgs
from numbamm.blocks.search.communication import CONVERGED, FAILED, ROUNDOFF


def valley(x):
    """Rosenbrock's in any number of parameters: minimum 1 where all are 1."""
    f = 1.0 + sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return f, g


@pytest.mark.parametrize("n", [2, 6, 40])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e5])
def test_a_bent_valley_in_any_units(n, unit):
    units = unit ** np.linspace(-1, 1, n)
    values = []

    def moved(z):
        f, g = valley(z / units)
        values.append(f)
        return f, g / units

    end, how = lbfgs.minimize(moved, -0.5 * units, 1 / units, 1e-12, 0.0)
    assert how == CONVERGED
    assert_allclose(end / units, 1.0, atol=1e-5)
    assert valley(end / units)[0] == min(values)


def test_regions_where_nothing_can_be_evaluated_are_left():
    def cut(x):
        f, g = valley(x)
        return (np.nan, np.full(2, np.nan)) if x[0] > 1.3 or x[1] > 1.6 else (f, g)

    end, how = lbfgs.minimize(cut, np.array([-0.5, 0.5]), np.ones(2), 1e-12, 0.0)
    assert how == CONVERGED
    assert_allclose(end, 1.0, atol=1e-5)


def test_a_descent_that_ends_where_there_is_no_value_keeps_what_it_has_gained():
    """Along the first direction the objective falls up to an edge; its minimum is beside that."""
    counts = []

    def cut(x):
        counts.append(1)
        f = (x[0] - 9.0) ** 2 + 40 * (x[1] - x[0] / 4) ** 2
        if x[0] > 1.1:
            return np.nan, np.full(2, np.nan)
        slope = 80 * (x[1] - x[0] / 4)
        return f, np.array([2 * (x[0] - 9.0) - slope / 4, slope])

    end, how = lbfgs.minimize(cut, np.array([-1.0, 0.0]), np.ones(2), 1e-9, 0.0)
    assert how == ROUNDOFF
    assert_allclose(end, [1.1, 1.1 / 4], atol=0.2)
    assert len(counts) < 100


def test_a_start_that_cannot_be_evaluated():
    def nothing(x):
        return np.nan, np.full(1, np.nan)

    assert lbfgs.minimize(nothing, np.ones(1), np.ones(1), 1e-8, 0.0)[1] == FAILED


def test_a_gradient_that_points_uphill_ends_in_rounding_errors():
    def wrong(x):
        f, g = valley(x)
        return f, -g

    start = np.array([-0.5, 0.5])
    end, how = lbfgs.minimize(wrong, start, np.ones(2), 1e-12, 0.0)
    assert how == ROUNDOFF
    assert_allclose(end, start)


def test_the_first_step_is_no_longer_than_asked():
    asked = []

    def steep(x):
        asked.append(x.copy())
        return 1e6 * float(x @ x), 2e6 * x

    lbfgs.minimize(steep, np.array([3.0, 4.0]), np.ones(2), 1e-8, 0.0, longest=0.5)
    assert np.linalg.norm(asked[1] - asked[0]) == pytest.approx(0.5)
