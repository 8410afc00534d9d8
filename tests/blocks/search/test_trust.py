"""The trust region on functions whose minima are known, from saddle points, too."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.blocks.search import trust
from numbamm.blocks.search.communication import CONVERGED, DIFFERENTIATE, EVALUATE, FAILED, FBEST


@numba.njit
def begin(state, ftol):
    trust.begin(state, ftol, 0.0)


@numba.njit
def advance(state, f):
    return trust.advance(state, f)


@numba.njit
def ball(state, radius):
    return trust.minimize_in_ball(state, radius)


def search(f, derivatives, x, scale=None, ftol=1e-12, most=500):
    """The end of a search for a minimum of a Python function, how it ended, and all values."""
    state, values = trust.allocate(len(x)), []
    state.x[:], state.scale[:] = x, 1.0 if scale is None else scale
    begin(state, ftol)
    action = EVALUATE
    for _ in range(most):
        if action == EVALUATE:
            values.append(f(state.x))
            action = advance(state, values[-1])
        elif action == DIFFERENTIATE:
            g, H = derivatives(state.best)
            state.g[:], state.H[:] = g / state.scale, H / np.outer(state.scale, state.scale)
            action = advance(state, 0.0)
        else:
            break
    return state, action, values


def rosenbrock(x):
    return 1.0 + 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def derivatives(x):
    a = x[1] - x[0] ** 2
    g = np.array([-400 * x[0] * a - 2 * (1 - x[0]), 200 * a])
    return g, np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200.0]])


@pytest.mark.parametrize("unit", [1e-5, 1.0, 1e6])
def test_a_bent_valley_in_any_units(unit):
    units = np.array([unit, 1 / unit])

    def moved(z):
        g, H = derivatives(z / units)
        return g / units, H / np.outer(units, units)

    start = np.array([-1.2, 1.0]) * units
    state, how, values = search(lambda z: rosenbrock(z / units), moved, start, 1 / units)
    assert how == CONVERGED
    assert_allclose(state.x / units, 1.0, rtol=1e-6)
    assert state.numbers[FBEST] == min(values) == pytest.approx(1.0)


def test_a_saddle_point_is_left_along_the_negative_curvature():
    def f(x):
        return (x[0] ** 2 - 1) ** 2 + x[1] ** 2

    def both(x):
        H = np.diag([12 * x[0] ** 2 - 4, 2.0])
        return np.array([4 * x[0] * (x[0] ** 2 - 1), 2 * x[1]]), H

    state, how, _ = search(f, both, np.zeros(2))
    assert how == CONVERGED
    assert_allclose(np.abs(state.x), [1.0, 0.0], atol=1e-6)


def test_regions_where_nothing_can_be_evaluated():
    state, how, _ = search(
        lambda x: np.nan if x[0] > 1.2 else rosenbrock(x), derivatives, np.array([-1.2, 1.0])
    )
    assert how == CONVERGED
    assert_allclose(state.x, 1.0, rtol=1e-6)
    assert search(lambda x: np.nan, derivatives, np.ones(2))[1] == FAILED


def test_a_curvature_that_is_always_too_large_is_corrected():
    """By the gradients, so that steps are not too short by the same factor for ever."""
    A = np.diag([1.0, 30.0])

    def f(x):
        return x @ A @ x

    def wrong(x):
        return 2 * A @ x, 20 * A

    def plain(x):
        return 2 * A @ x, 2 * A

    start = np.array([3.0, -1.0])
    assert len(search(f, plain, start)[2]) < 8
    state, how, values = search(f, wrong, start)
    assert how == CONVERGED and values[-1] < 1e-9 and len(values) < 200
    assert_allclose(state.x, 0.0, atol=1e-4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("radius", [0.1, 1.0, 50.0])
def test_the_step_is_the_minimum_in_the_ball(seed, radius):
    """No point of the ball is lower, whatever the signs of the eigenvalues."""
    rng = np.random.default_rng(seed)
    n = 4
    root = rng.normal(size=(n, n))
    H, g = root + root.T + (seed % 3) * np.eye(n), rng.normal(size=n)
    if seed == 5:
        g[:] = 0.0
    state = trust.allocate(n)
    state.values[:], vectors = np.linalg.eigh(H)
    state.H[:], state.g[:] = vectors.T, g
    predicted, length = ball(state, radius)
    step = state.step.copy()

    def model(s):
        return g @ s + s @ H @ s / 2

    assert length == pytest.approx(np.linalg.norm(step)) and length <= radius * 1.002
    assert predicted == pytest.approx(-model(step), rel=1e-9, abs=1e-12)
    others = rng.normal(size=(2000, n))
    others *= length / np.linalg.norm(others, axis=1)[:, None] * rng.uniform(size=(2000, 1))
    assert min(map(model, others)) >= model(step) - 1e-9
