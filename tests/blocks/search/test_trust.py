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


def chain(x):
    """Rosenbrock's valley of many parameters, shifted."""
    return 1.0 + np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def chain_derivatives(x):
    a, n = x[1:] - x[:-1] ** 2, len(x)
    g, H = np.zeros(n), np.zeros((n, n))
    g[:-1] = -400 * x[:-1] * a - 2 * (1 - x[:-1])
    g[1:] += 200 * a
    i = np.arange(n - 1)
    H[i, i] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    H[i + 1, i + 1] += 200
    H[i, i + 1] = H[i + 1, i] = -400 * x[:-1]
    return g, H


@pytest.mark.parametrize("n", [trust.FACTORED - 1, trust.FACTORED, 15])
def test_a_long_valley_with_and_without_a_cholesky_factor(n):
    """H is indefinite at first, where the factor does not exist."""
    start = np.where(np.arange(n) % 3 == 0, 0.6, 1.3)
    assert np.linalg.eigvalsh(chain_derivatives(start)[1])[0] < 0
    state, how, values = search(chain, chain_derivatives, start)
    assert how == CONVERGED and len(values) < 40
    assert_allclose(state.x, 1.0, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-2, 1.0, 30.0])
def test_a_step_by_a_factor_is_the_minimum_in_the_ball(size):
    """And after it was refused, the next is the minimum in a smaller ball."""
    rng, n = np.random.default_rng(0), 12
    root = rng.normal(size=(n, n))
    H, g = root @ root.T + 0.1 * np.eye(n), rng.normal(size=n)
    g *= size / np.linalg.norm(np.linalg.solve(H, g))  # so long is Newton's step
    state, other = trust.allocate(n), trust.allocate(n)
    state.x[:], state.scale[:] = 0.0, np.exp(rng.normal(size=n))
    begin(state, 1e-12)
    assert advance(state, 1.0) == DIFFERENTIATE
    state.H[:], state.g[:] = H, g
    other.values[:], vectors = np.linalg.eigh(H)
    other.H[:], other.g[:] = vectors.T, g
    for _ in range(2):
        assert advance(state, 2.0) == EVALUATE
        ball(other, state.numbers[trust.RADIUS])
        assert_allclose(state.step, other.step, rtol=2e-3, atol=1e-9 * size)
        assert_allclose(state.x * state.scale, state.step, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 12])
def test_the_last_step_takes_no_derivatives(n):
    """If the steps converge fast, and their objectives are as predicted."""
    A = np.diag(np.geomspace(1, 30, n))

    def f(x):
        return 1.0 + x @ A @ x

    def nearly(x):
        calls.append(1)
        return 2 * A @ x, 2.002 * A

    calls = []
    state, how, values = search(f, nearly, np.full(n, 0.2), ftol=1e-6)
    assert how == CONVERGED and f(state.x) == values[-1] < 1 + 1e-10
    assert len(calls) == len(values) - 1 == 2


def test_a_last_step_that_is_not_as_predicted_is_none():
    """The objective then falls by another amount, and the search goes on."""

    def f(x):
        return 1.0 + x @ x + 1e-3 * np.maximum(x[0] - 0.2, 0.0)

    def without_the_edge(x):
        return 2 * x + np.array([1e-3 * (x[0] > 0.2), 0.0]), 2.001 * np.eye(2)

    state, how, _ = search(f, without_the_edge, np.array([0.201, 0.1]), ftol=1e-9)
    assert how == CONVERGED
    assert_allclose(state.x, 0.0, atol=1e-6)
