"""`minimize`: what it guarantees whatever the plug-in and the objective do."""

import warnings

import numpy as np
import pytest
from optimize.objectives import dyestuff, quadratic, rosenbrock

from numbamm.errors import FitError, NumbammWarning, OptionError
from numbamm.optimize import (
    Function,
    OptSummary,
    minimize,
)

INF = np.inf


def test_path_of_the_original_on_dyestuff(capsys):
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0]), verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["f_1: 327.76702 [1.0]", "f_2: 331.03619 [1.75]", "f_3: 330.64583 [0.25]"]
    assert lines[-1] == "f_18: 327.32706 [0.752581]"
    assert len(lines) == optsum.feval == 18
    assert optsum.returnvalue == "FTOL_REACHED"
    assert optsum.finitial == pytest.approx(327.7670216246, abs=1e-9)
    assert optsum.fmin == pytest.approx(327.3270598811, abs=1e-9)


def test_label_stands_before_the_number(capsys):
    minimize(quadratic, OptSummary([1.0], [0.0]), verbose=True, label="g")
    assert capsys.readouterr().out.splitlines()[0] == "g_1: 2.0 [1.0]"


@pytest.mark.parametrize("optimizer", ["nlopt:LN_BOBYQA", "nlopt:LN_NELDERMEAD", "scipy:COBYQA"])
def test_search_survives_a_region_that_fails(optimizer):
    def objective(x):
        return np.nan if x[0] > 1.5 else rosenbrock(x)

    optsum = minimize(objective, OptSummary([0.0, 0.0], [-INF, -INF], optimizer=optimizer))
    assert optsum.final == pytest.approx([1.0, 1.0], abs=1e-2)


@pytest.mark.parametrize("bad", [np.nan, INF])
def test_bad_start_is_an_error_and_leaves_the_options_alone(bad):
    optsum = OptSummary([1.0], [0.0])
    with pytest.raises(FitError, match=r"initial parameters \[1\.0\] is (nan|inf)"):
        minimize(lambda x: bad, optsum)
    assert optsum.final is None and optsum.finitial is None and optsum.log == []


@pytest.mark.parametrize("optimizer", ["newton", "nlopt:LD_LBFGS", "scipy:L-BFGS-B"])
def test_bad_start_of_a_search_by_gradients(optimizer):
    optsum = OptSummary([1.0], [-INF], optimizer=optimizer)
    with pytest.raises(FitError, match=r"initial parameters \[1\.0\] is nan"):
        minimize(Function(lambda x: np.nan, gradient=lambda x: (np.nan, np.zeros(1))), optsum)
    assert optsum.final is None and optsum.finitial is None and optsum.log == []


def test_interrupt_before_the_first_evaluation_keeps_the_start(plugin):
    def search(problem):
        raise KeyboardInterrupt

    with pytest.warns(NumbammWarning, match="INTERRUPTED after 0 evaluations"):
        optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer=plugin(search)))
    assert (optsum.fmin, optsum.finitial, optsum.final.tolist()) == (2.0, 2.0, [1.0])


def test_start_counts_where_no_evaluation_was_there(plugin):
    search = plugin(lambda problem: problem.objective(np.array([7.0])) and "DONE")
    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer=search))
    assert (optsum.finitial, optsum.fmin, optsum.feval) == (2.0, 2.0, 1)
    assert optsum.final.tolist() == [1.0]


@pytest.mark.parametrize("optimizer", ["newton", "nlopt:LN_BOBYQA", "scipy:L-BFGS-B"])
def test_interrupt_before_there_is_anything_to_keep(optimizer):
    def interrupted(x):
        raise KeyboardInterrupt

    optsum = OptSummary([1.0], [-INF], optimizer=optimizer)
    with pytest.raises(KeyboardInterrupt):
        minimize(Function(interrupted, gradient=interrupted), optsum)
    assert optsum.final is None


def test_converging_at_the_last_evaluation_allowed_is_converging():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optsum = minimize(dyestuff, OptSummary([1.0], [0.0], maxfeval=18))
    assert optsum.returnvalue == "FTOL_REACHED"


def test_interrupt_in_an_evaluation_keeps_the_best_point():
    count = iter(range(100))

    def objective(x):
        if next(count) == 10:
            raise KeyboardInterrupt
        return rosenbrock(x)

    optsum = OptSummary([-1.2, 1.0], [-INF, -INF])
    with pytest.warns(NumbammWarning, match="INTERRUPTED"):
        minimize(objective, optsum)
    assert optsum.returnvalue == "INTERRUPTED"
    assert optsum.fmin == rosenbrock(optsum.final) < optsum.finitial


def test_interrupt_between_evaluations_keeps_the_best_point(plugin):
    def search(problem):
        problem.objective(np.array([1.5]))
        raise KeyboardInterrupt

    optsum = OptSummary([1.0], [0.0], optimizer=plugin(search), max_restarts=3)
    with pytest.warns(NumbammWarning, match="INTERRUPTED"):
        minimize(quadratic, optsum)
    assert optsum.returnvalue == "INTERRUPTED"
    assert optsum.final.tolist() == [1.5]
    assert optsum.feval == 1


def test_plugin_that_fails_is_named(plugin):
    def search(problem):
        problem.objective(problem.x0)
        return {}["missing"]

    optsum = OptSummary([1.0], [0.0], optimizer=plugin(search))
    with pytest.raises(FitError, match="test:SEARCH failed: KeyError") as caught:
        minimize(quadratic, optsum)
    assert isinstance(caught.value.__cause__, KeyError)
    assert optsum.final is None and optsum.log == []


def test_error_of_ours_in_a_plugin_passes(plugin):
    def search(problem):
        raise OptionError("ftol_rel is too small for me")

    with pytest.raises(OptionError, match="too small for me"):
        minimize(quadratic, OptSummary([1.0], [0.0], optimizer=plugin(search)))


class _TestError(ValueError):
    pass


@pytest.mark.parametrize(
    "optimizer",
    ["nlopt:LN_BOBYQA", "nlopt:LN_COBYLA", "nlopt:LN_PRAXIS"]
    + [f"scipy:{m}" for m in ("Powell", "COBYQA", "COBYLA", "L-BFGS-B", "SLSQP", "TNC")],
)
@pytest.mark.parametrize("after", [0, 4])
def test_error_in_the_objective_passes_unchanged(optimizer, after):
    count = iter(range(100))
    error = _TestError("mine")

    def objective(x):
        if next(count) == after:
            raise error
        return rosenbrock(x)

    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=optimizer)
    with pytest.raises(_TestError) as caught:
        minimize(objective, optsum)
    assert caught.value is error
    assert optsum.final is None


def test_failure_by_the_plugins_own_account_is_a_warning(plugin):
    optsum = OptSummary([1.0], [0.0], optimizer=plugin(lambda p: "FAILURE: gave up"))
    with pytest.warns(NumbammWarning, match="did not converge: FAILURE: gave up after 0"):
        minimize(quadratic, optsum)
    assert optsum.final.tolist() == [1.0]


@pytest.mark.parametrize("optimizer", ["nlopt:LN_BOBYQA", "scipy:L-BFGS-B"])
def test_fixed_parameter_stays(optimizer):
    optsum = OptSummary([1.0, 5.0], [0.0, 5.0], upperbd=[INF, 5.0], optimizer=optimizer)
    minimize(quadratic, optsum)
    assert optsum.final == pytest.approx([2.0, 5.0], abs=1e-4)
    assert all(x[1] == 5.0 for x, _ in optsum.log)


@pytest.mark.parametrize("optsum", [OptSummary([], []), OptSummary([2.0], [2.0], upperbd=[2.0])])
def test_nothing_to_optimise_is_one_evaluation(optsum):
    minimize(lambda x: 7.0, optsum)
    assert (optsum.feval, optsum.fmin, optsum.finitial) == (1, 7.0, 7.0)
    assert optsum.returnvalue == "NO_FREE_PARAMETERS"
    assert optsum.final.tolist() == optsum.initial.tolist()


def test_bounds_are_hidden_from_algorithms_that_ignore_them(plugin):
    seen = []
    name = plugin(lambda p: seen.extend([*p.lower, *p.upper]) or "DONE", bounds=False)
    minimize(quadratic, OptSummary([1.0], [0.0], optimizer=name))
    assert seen == [-INF, INF]
    with pytest.raises(OptionError, match="cannot keep parameters below upperbd"):
        minimize(quadratic, OptSummary([1.0], [0.0], upperbd=[3.0], optimizer=name))


def machine_like(x):
    """A narrow bent valley in six parameters, where BOBYQA stops short."""
    return 1.0 + sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(5))


def test_restarts_gain_and_end_by_themselves():
    def fitted(restarts):
        optsum = OptSummary([0.0] * 6, [-INF] * 6, max_restarts=restarts, ftol_abs=1e-3)
        return minimize(machine_like, optsum)

    once, again = fitted(0), fitted(50)
    assert again.fmin < once.fmin
    first_log = [f for _, f in once.log]
    assert [f for _, f in again.log][: len(first_log)] == first_log
    assert once.feval < again.feval < 50 * once.feval


def test_restarts_begin_at_the_best_point_with_small_steps(plugin):
    problems = []

    def search(problem):
        problems.append(problem)
        problem.objective(problem.x0 + 0.25)
        return "DONE"

    optsum = OptSummary([1.0], [0.0], optimizer=plugin(search), max_restarts=2)
    minimize(quadratic, optsum)
    assert [p.x0.tolist() for p in problems] == [[1.0], [1.25], [1.5]]
    assert [p.f0 for p in problems] == [2.0, quadratic([1.25]), quadratic([1.5])]
    assert problems[1].initial_step == pytest.approx([0.2 * 0.75])
    assert problems[2].initial_step == pytest.approx([0.05 * 0.75])
    assert optsum.feval == 3


def test_restarts_begin_at_zero_where_the_search_came_close(plugin):
    """From a hair's breadth above a bound, BOBYQA would set out by a whole step."""
    starts = []

    def search(problem):
        starts.append(problem.x0.tolist())
        problem.objective(np.array([1e-5, 1.75]))

    optsum = OptSummary([1.0, 1.0], [0.0, 0.0], optimizer=plugin(search), max_restarts=1)
    minimize(lambda x: 3.0 - x[1] + 1e-3 * x[0], optsum)
    assert starts == [[1.0, 1.0], [0.0, 1.75]]


@pytest.mark.parametrize(("n", "runs"), [(3, 1), (4, 3)])
def test_restarts_come_by_themselves_with_more_than_three_parameters(plugin, n, runs):
    seen = []
    optsum = OptSummary([1.0] * n, [0.0] * n, optimizer=plugin(lambda p: seen.append(p)))
    minimize(lambda x: float(x @ x), optsum)
    assert len(seen) == runs


def test_restarts_end_when_nothing_is_gained(plugin):
    runs = []
    optsum = OptSummary([1.0], [0.0], optimizer=plugin(lambda p: runs.append(p)), max_restarts=9)
    minimize(quadratic, optsum)
    assert len(runs) == 1 + 2  # a wide restart and a narrow one


@pytest.mark.parametrize(("rectify", "lower"), [(None, 0.0), (np.abs, -INF)])
def test_restarts_have_no_bound_at_zero_where_signs_can_be_put_right(plugin, rectify, lower):
    bounds = []

    def search(problem):
        bounds.append(problem.lower.tolist())
        problem.objective(np.array([-0.5, 2.0]))

    optsum = OptSummary([1.0, 2.0], [0.0, 1.0], optimizer=plugin(search), max_restarts=1)
    objective = Function(lambda x: float((abs(x[0]) - 0.5) ** 2 + x[1]), rectify=rectify)
    minimize(objective, optsum)
    assert bounds == [[0.0, 1.0], [lower, 1.0]]
    assert (optsum.final >= [0.0, 1.0]).all()
