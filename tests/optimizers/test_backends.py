"""Every algorithm that ships, on problems with known answers."""

import pickle
import warnings

import numpy as np
import pytest
from optimize.objectives import dyestuff, quadratic, quadratic_gradient, rosenbrock

from numbamm.errors import NumbammWarning
from numbamm.optimize import Function, OptSummary, available, minimize, resolve

INF = np.inf
#: All that come along, but for Newton's method, which is the models' own.
OURS = [
    name
    for name in available()
    if name != "newton" and type(resolve(name).backend).__module__.startswith("numbamm_optimizers.")
]
DERIVATIVE_FREE = [name for name in OURS if resolve(name).traits.gradient != "required"]
WITH_GRADIENT = [name for name in OURS if resolve(name).traits.gradient != "none"]
REFUSE_ONE_PARAMETER = {"nlopt:LN_NEWUOA", "nlopt:LN_NEWUOA_BOUND", "nlopt:LN_PRAXIS"}
#: Linear models of the objective creep along a bent valley.
CREEP = {"nlopt:LN_COBYLA", "scipy:COBYLA"}


@pytest.mark.parametrize("name", sorted(set(DERIVATIVE_FREE) - REFUSE_ONE_PARAMETER))
def test_dyestuff(name):
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0], optimizer=name))
    assert optsum.fmin == pytest.approx(327.3270598811, abs=1e-7)
    assert abs(optsum.final[0]) == pytest.approx(0.752581, abs=1e-4)
    assert optsum.feval < 100


@pytest.mark.parametrize("name", sorted(set(DERIVATIVE_FREE) - CREEP))
def test_rosenbrock(name):
    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=name, maxfeval=2000)
    minimize(rosenbrock, optsum)
    assert optsum.fmin == pytest.approx(1.0, abs=1e-7)
    assert optsum.returnvalue in {"FTOL_REACHED", "XTOL_REACHED", "SUCCESS", "ROUNDOFF_LIMITED"}


@pytest.mark.parametrize("name", DERIVATIVE_FREE)
def test_minimum_at_a_bound(name):
    """Even in its first parameter, as the deviance is in a standard deviation of zero."""

    def objective(x):
        return 1.0 + x[0] ** 2 + (x[0] + 1) ** 2 * 1e-9 + (x[1] - 2) ** 2

    optsum = OptSummary([1.0, 1.0], [0.0, -INF], optimizer=name, maxfeval=2000)
    minimize(Function(objective, rectify=lambda x: np.array([abs(x[0]), x[1]])), optsum)
    assert optsum.fmin == pytest.approx(1.0, abs=1e-6)
    assert optsum.final == pytest.approx([0.0, 2.0], abs=1e-3)


@pytest.mark.parametrize("name", [n for n in DERIVATIVE_FREE if resolve(n).traits.bounds])
def test_bounds_are_honoured(name):
    """The minimum without bounds lies beyond both of them."""
    optsum = OptSummary([1.0, 1.0], [0.5, -INF], upperbd=[INF, 1.5], optimizer=name)
    minimize(lambda x: 1.0 + (x[0] - 0.1) ** 2 + (x[1] - 2.0) ** 2, optsum)
    assert optsum.final == pytest.approx([0.5, 1.5], abs=1e-3)


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_with_gradients(name):
    plain = []
    optsum = OptSummary([0.0, 1.0], [0.0, -INF], optimizer=name)
    objective = lambda x: plain.append(x) or quadratic(x)  # noqa: E731
    minimize(Function(objective, gradient=quadratic_gradient), optsum)
    assert optsum.final == pytest.approx([2.0, 2.0], abs=1e-4)
    assert optsum.feval < 20
    # scipy's tolerances are relative to the start; a line search of NLopt's SLSQP asks for values.
    assert len(plain) == name.startswith("scipy") or name == "nlopt:LD_SLSQP"
    assert len(plain) < optsum.feval


@pytest.mark.parametrize("name", DERIVATIVE_FREE)
def test_limit_reaches_every_algorithm(name):
    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=name, maxfeval=7)
    with pytest.warns(NumbammWarning, match="MAXEVAL_REACHED"):
        minimize(rosenbrock, optsum)
    assert optsum.feval == 7


@pytest.mark.parametrize("name", DERIVATIVE_FREE)
def test_interrupt_reaches_every_algorithm(name):
    count = iter(range(100))

    def objective(x):
        if next(count) == 5:
            raise KeyboardInterrupt
        return rosenbrock(x)

    optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=name)
    with pytest.warns(NumbammWarning, match="INTERRUPTED"):
        minimize(objective, optsum)
    assert optsum.final is not None


@pytest.mark.parametrize("name", DERIVATIVE_FREE)
def test_same_fit_twice_is_the_same(name):
    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbammWarning)
            optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=name, maxfeval=200)
            return minimize(rosenbrock, optsum)

    assert pickle.dumps(fit().log) == pickle.dumps(fit().log)


OPTIONS = {"ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs", "initial_step"}


@pytest.mark.parametrize("name", OURS)
def test_declared_options_exist(name):
    assert resolve(name).traits.options <= OPTIONS


@pytest.mark.parametrize("name", [n for n in DERIVATIVE_FREE if n not in CREEP])
def test_looser_tolerances_end_earlier(name):
    def evaluations(**tolerances):
        optsum = OptSummary([-1.2, 1.0], [-INF, -INF], optimizer=name, **tolerances)
        return minimize(rosenbrock, optsum).feval

    loose = dict(ftol_rel=1e-2, ftol_abs=1e-2, xtol_abs=1e-2)
    assert evaluations(**loose) < evaluations()


@pytest.mark.parametrize(
    "name", [n for n in DERIVATIVE_FREE if "initial_step" in resolve(n).traits.options]
)
def test_first_step_has_the_size_asked_for(name):
    optsum = OptSummary([0.0, 0.0], [-INF, -INF], optimizer=name, maxfeval=3)
    optsum.initial_step = [0.125, 0.125]
    with pytest.warns(NumbammWarning):
        minimize(rosenbrock, optsum)
    moves = np.abs(np.diff([x for x, _ in optsum.log], axis=0)).max(axis=1)
    assert 0.0 < moves.max() <= 0.5


def test_library_has_a_version():
    for name in OURS:
        _, version = resolve(name).backend.library.split()
        assert version[0].isdigit()
