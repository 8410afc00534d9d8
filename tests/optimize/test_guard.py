"""`Guard`: what an optimiser sees of the objective, and what is kept of its search."""

import time

import numpy as np
import pytest
from optimize.objectives import dyestuff, quadratic, rosenbrock, visit

from numbamm.errors import NumbammWarning
from numbamm.optimize import (
    OptSummary,
    minimize,
)

INF = np.inf


def test_initial_objective_is_evaluated_once():
    seen = []
    optsum = minimize(lambda x: seen.append(x) or dyestuff(x), OptSummary([1.0], [0.0]))
    assert len(seen) == optsum.feval == 18


def test_best_point_is_kept_whatever_the_plugin_ends_with(plugin):
    name = plugin(visit([1.0], [1.9], [1.2]))
    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer=name))
    assert optsum.final.tolist() == [1.9]
    assert optsum.fmin == quadratic([1.9])
    assert optsum.returnvalue == "DONE"


def test_points_are_copied_from_plugins_that_reuse_theirs(plugin):
    def search(problem):
        x = problem.x0.copy()
        for value in (1.9, 7.0):
            x[:] = value
            problem.objective(x)
        return "DONE"

    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer=plugin(search)))
    assert optsum.final.tolist() == [1.9]
    assert [x.tolist() for x, _ in optsum.log] == [[1.9], [7.0]]


@pytest.mark.parametrize("bad", [np.nan, INF, -INF])
def test_failed_evaluations_look_like_the_start(plugin, bad):
    received = []

    def search(problem):
        received.extend(problem.objective(np.array([x])) for x in (1.0, 3.5, 1.5))
        return "DONE"

    def objective(x):
        return bad if x[0] > 3 else quadratic(x)

    optsum = minimize(objective, OptSummary([1.0], [0.0], optimizer=plugin(search)))
    assert received == [2.0, 2.0, 1.25]
    assert optsum.final.tolist() == [1.5]
    np.testing.assert_equal([f for _, f in optsum.log], [2.0, bad, 1.25])


@pytest.mark.parametrize("optimizer", ["nlopt:LN_BOBYQA", "scipy:Nelder-Mead", "scipy:COBYLA"])
def test_maxfeval_is_exact(optimizer):
    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=optimizer, maxfeval=20)
    with pytest.warns(NumbammWarning, match="MAXEVAL_REACHED after 20"):
        minimize(rosenbrock, optsum)
    assert optsum.returnvalue == "MAXEVAL_REACHED"
    assert optsum.feval == len(optsum.log) == 20
    assert optsum.fmin == min(f for _, f in optsum.log)


def test_a_search_that_gets_nowhere_ends(plugin):
    """As some do where the objective is flat; what it found counts, and is no failure."""

    def wander(problem):
        for i in range(10**6):
            problem.objective(np.array([5.0, np.sin(i)]))

    optsum = OptSummary([0.0, 0.0], [-INF, -INF], optimizer=plugin(wander), max_restarts=1)
    minimize(lambda x: (x[0] - 5) ** 2, optsum)
    assert optsum.returnvalue == "NO_PROGRESS"
    assert optsum.fmin == 0
    assert optsum.feval == 2 * 1200 + 1  # each run has its patience


def test_a_search_that_creeps_ends(plugin):
    """Towards an infimum far away, by steps that no estimate would show."""

    def creep(problem):
        for i in range(10**6):
            problem.objective(np.array([1.0 + 1e-5 * i]))

    optsum = OptSummary([1.0], [-INF], optimizer=plugin(creep), max_restarts=0)
    minimize(lambda x: 0.01 / x[0], optsum)
    assert optsum.returnvalue == "NO_PROGRESS" and optsum.feval < 3000


def test_slow_progress_is_progress(plugin):
    def creep(problem):
        for i in range(3000):
            problem.objective(np.array([1 - i * 1e-4]))
        return "DONE"

    optsum = OptSummary([1.0], [-INF], optimizer=plugin(creep))
    assert minimize(lambda x: x[0], optsum).returnvalue == "DONE"


def test_maxtime():
    def slow(x):
        time.sleep(0.02)
        return rosenbrock(x)

    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], maxtime=0.1)
    with pytest.warns(NumbammWarning, match="MAXTIME_REACHED"):
        minimize(slow, optsum)
    assert optsum.returnvalue == "MAXTIME_REACHED"
    assert 1 <= optsum.feval <= 6


def test_plugin_that_swallows_exceptions_cannot_go_on(plugin):
    def search(problem):
        for _ in range(10):
            try:
                problem.objective(problem.x0)
            except Exception:
                pass
        return "DONE"

    name = plugin(search)
    optsum = OptSummary([1.0], [0.0], optimizer=name, maxfeval=3)
    with pytest.warns(NumbammWarning, match="MAXEVAL_REACHED"):
        minimize(quadratic, optsum)
    assert (optsum.returnvalue, optsum.feval) == ("MAXEVAL_REACHED", 3)

    def objective(x, count=iter(range(10))):  # noqa: B008 - one count for the whole test
        if next(count) == 1:
            raise ZeroDivisionError
        return 1.0

    def elsewhere(problem):
        try:
            problem.objective(problem.x0 + 1)
        except ValueError as error:
            raise RuntimeError("hidden") from error

    with pytest.raises(ZeroDivisionError):
        minimize(objective, OptSummary([1.0], [0.0], optimizer=plugin(elsewhere)))


def test_parameters_without_freedom_are_not_shown_to_the_plugin(plugin):
    shown = {}

    def search(problem):
        shown.update(n=problem.n, x0=problem.x0.tolist(), step=problem.initial_step.tolist())
        shown.update(lower=problem.lower.tolist(), xtol=problem.xtol_abs.tolist())
        problem.objective(np.array([2.0, 2.5]))
        return "DONE"

    optsum = OptSummary(
        [1.0, 5.0, 3.0],
        [0.0, 5.0, -INF],
        upperbd=[INF, 5.0, INF],
        xtol_abs=[1e-3, 1e-4, 1e-5],
        optimizer=plugin(search),
    )
    minimize(quadratic, optsum)
    assert shown == {
        "n": 2, "x0": [1.0, 3.0], "step": [0.75, 1.0], "lower": [0.0, -INF], "xtol": [1e-3, 1e-5],
    }  # fmt: skip
    assert optsum.final.tolist() == [2.0, 5.0, 2.5]
    assert list(optsum.fitlog.columns) == ["objective", "theta1", "theta2", "theta3"]
