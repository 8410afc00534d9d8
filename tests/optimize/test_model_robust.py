"""What a linear mixed model makes of plug-ins, objectives and users that misbehave."""

import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.spaces.linear_space import LinearSpace
from numbamm.optimize import available, progress_line, resolve

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
DERIVATIVE_FREE = [
    name
    for name in available()
    if name.startswith(("nlopt:", "scipy:")) and resolve(name).traits.gradient != "required"
]


@pytest.fixture
def model():
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    model.optsum.initial = [1.0, 0.0, 1.0]  # for searches with gradients, too
    return model


@pytest.fixture
def far():
    """A model that is fitted in other columns than the user's."""
    data = mm.datasets.load("sleepstudy")
    data["Year"] = data["Days"] + 2000
    return mm.LinearMixedModel("Reaction ~ 1 + Year + (1 + Year | Subject)", data)


@pytest.fixture
def disturb(monkeypatch):
    """Let evaluation number `at` of linear models' objective be `disturbance(θ)`."""

    def begin(at, disturbance):
        objective, gradient, count = LinearSpace.objective, LinearSpace.gradient, iter(range(10**9))

        def disturbed(space, theta):
            return disturbance(theta) if next(count) == at else objective(space, theta)

        def disturbed_gradient(space, theta):
            if next(count) == at:
                return disturbance(theta), np.full(len(theta), np.nan)
            return gradient(space, theta)

        monkeypatch.setattr(LinearSpace, "objective", disturbed)
        monkeypatch.setattr(LinearSpace, "gradient", disturbed_gradient)

    begin.end = monkeypatch.undo
    return begin


def interrupt(_):
    raise KeyboardInterrupt


def assert_usable(model):
    """Fitted, with results of its own θ, and ready for another fit."""
    assert model.is_fitted
    assert model.objective_at(model.theta) == pytest.approx(model.objective, abs=1e-8)
    assert str(round(model.objective, 4)) in str(model)
    assert np.isfinite(model.predict()).all()
    pickle.dumps(model)
    assert model.refit().objective == pytest.approx(1751.939344, abs=1e-6)
    assert model.optsum.returnvalue == "FTOL_REACHED"


# ---- the best point, and limits -------------------------------------------------------------


def test_best_point_is_kept_whatever_the_plugin_ends_with(model, plugin):
    points = [[1.0, 0.0, 1.0], [0.9, 0.0, 0.2], [5.0, 5.0, 5.0]]
    name = plugin(lambda p: [p.objective(np.array(x)) for x in points] and "DONE")
    model.fit(optimizer=name)
    assert model.theta.tolist() == points[1]
    assert model.objective == model.objective_at(points[1])
    assert (model.optsum.returnvalue, model.optsum.feval) == ("DONE", 3)


def test_maxfeval(model):
    model.optsum.maxfeval = 9
    with pytest.warns(mm.NumbammWarning, match="MAXEVAL_REACHED after 9"):
        model.fit()
    assert (model.optsum.returnvalue, model.optsum.feval) == ("MAXEVAL_REACHED", 9)
    assert model.objective == model.optsum.fitlog["objective"].min()


def test_maxtime(model, monkeypatch):
    objective = LinearSpace.objective

    def slow(space, theta):
        return time.sleep(0.02) or objective(space, theta)

    monkeypatch.setattr(LinearSpace, "objective", slow)
    model.optsum.maxtime = 0.1
    with pytest.warns(mm.NumbammWarning, match="MAXTIME_REACHED"):
        model.fit(optimizer="nlopt:LN_BOBYQA")
    assert model.optsum.returnvalue == "MAXTIME_REACHED"
    assert 1 <= model.optsum.feval <= 6
    assert model.objective == model.optsum.fitlog["objective"].min()


# ---- failed evaluations ---------------------------------------------------------------------


def test_only_finite_numbers_reach_the_plugin(model, plugin):
    received = []
    points = [[1e200, 0.0, 1.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0], [0.9, 0.0, 0.2]]

    def search(problem):
        received.extend(problem.objective(np.array(x)) for x in points)
        return "DONE"

    model.fit(optimizer=plugin(search))
    assert received == [model.optsum.finitial] * 3 + [model.objective]
    assert model.theta.tolist() == points[3]
    assert not np.isfinite(model.optsum.fitlog["objective"][:3]).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("optimizer", DERIVATIVE_FREE)
def test_one_failed_evaluation_does_not_spoil_a_fit(model, optimizer, bad, disturb):
    disturb(12, lambda theta: bad)
    model.optsum.maxfeval = 3000
    model.fit(optimizer=optimizer)
    assert np.isfinite(model.theta).all()
    assert model.objective < model.optsum.finitial
    assert model.objective_at(model.theta) == pytest.approx(model.objective, abs=2e-5)


def test_start_that_cannot_be_evaluated(model):
    model.optsum.initial = [1e200, 0.0, 1.0]
    with pytest.raises(mm.FitError, match=r"initial parameters \[1e\+200, 0\.0, 1\.0\]"):
        model.fit()
    assert not model.is_fitted
    model.optsum.initial = [1.0, 0.0, 1.0]
    assert model.fit().objective == pytest.approx(1751.939344, abs=1e-6)


# ---- an interrupt ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", DERIVATIVE_FREE)
def test_interrupt_leaves_the_best_point_so_far(model, optimizer, disturb):
    at = 30 if resolve(optimizer).traits.gradient == "none" else 12
    disturb(at, interrupt)
    with pytest.warns(mm.NumbammWarning, match=r"INTERRUPTED after [31]\d evaluations; the best"):
        model.fit(optimizer=optimizer)
    assert model.optsum.returnvalue == "INTERRUPTED"
    assert "INTERRUPTED" in repr(model.optsum)
    assert model.objective == model.optsum.fitlog["objective"].min() < model.optsum.finitial
    model.optsum.optimizer = "nlopt:LN_BOBYQA"
    disturb.end()
    assert_usable(model)


def test_interrupt_while_the_plugin_computes(model, plugin):
    def search(problem):
        problem.objective(np.array([0.9, 0.0, 0.2]))
        raise KeyboardInterrupt

    with pytest.warns(mm.NumbammWarning, match="INTERRUPTED"):
        model.fit(optimizer=plugin(search))
    assert model.theta.tolist() == [0.9, 0.0, 0.2]
    assert model.optsum.returnvalue == "INTERRUPTED"


def test_interrupt_before_there_is_a_best_point(model, disturb):
    disturb(0, interrupt)
    before = repr(model.optsum)
    with pytest.raises(KeyboardInterrupt):
        model.fit()
    assert not model.is_fitted
    assert repr(model.optsum) == before
    disturb.end()
    assert model.fit().objective == pytest.approx(1751.939344, abs=1e-6)


def test_interrupt_of_a_model_in_other_columns(far, disturb):
    disturb(12, interrupt)
    with pytest.warns(mm.NumbammWarning, match="INTERRUPTED"):
        far.fit()
    disturb.end()
    assert far.objective_at(far.theta) == pytest.approx(far.objective, abs=1e-7)


def test_interrupt_from_the_keyboard():
    """A real signal, to a process whose search would never end."""
    code = (
        "import time, numbamm as mm, numpy as np\n"
        "class Endless:\n"
        "    library, algorithms = 'Endless 1', {'SEARCH': mm.optimize.Algorithm()}\n"
        "    def minimize(self, problem, algorithm):\n"
        "        problem.objective(np.array([0.75]))\n"
        "        print('searching', flush=True)\n"
        "        while True:\n"
        "            time.sleep(0.01)  # for want of progress it ends after a thousand\n"
        "            problem.objective(problem.x0)\n"
        "mm.optimize.register('endless', Endless)\n"
        "m = mm.LinearMixedModel('Yield ~ 1 + (1 | Batch)', mm.datasets.load('Dyestuff'))\n"
        "m.fit(optimizer='endless:SEARCH')\n"
        "print(m.optsum.returnvalue, m.theta, round(m.objective, 4))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "searching\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "INTERRUPTED [0.75] 327.3271\n"


# ---- a plug-in that fails -------------------------------------------------------------------


def fails(problem):
    problem.objective(np.array([0.9, 0.0, 0.2]))
    return {}["missing"]


def test_failing_plugin_is_named_and_the_model_unfitted_and_usable(model, plugin):
    before = repr(model.optsum)
    with pytest.raises(mm.FitError, match="test:SEARCH failed: KeyError"):
        model.fit(optimizer=plugin(fails))
    assert not model.is_fitted
    with pytest.raises(mm.NotFittedError):
        _ = model.params
    assert repr(model.optsum) == before
    assert model.theta.tolist() == [1.0, 0.0, 1.0]
    assert model.fit().objective == pytest.approx(1751.939344, abs=1e-6)


def test_failing_plugin_does_not_spoil_a_fitted_model(model, plugin):
    model.fit()
    table, summary, A = str(model), repr(model.optsum), model.blocks.A.copy()
    with pytest.raises(mm.FitError, match="test:SEARCH"):
        model.refit(optimizer=plugin(fails))
    with pytest.raises(mm.FitError, match="test:SEARCH"):
        model.refit(2 * model.frame.y, optimizer="test:SEARCH", reml=True)
    assert (str(model), repr(model.optsum)) == (table, summary)
    np.testing.assert_allclose(model.blocks.A, A, rtol=1e-10, atol=1e-10)
    assert model.objective_at(model.theta) == pytest.approx(model.objective, abs=1e-8)


@pytest.mark.parametrize("optimizer", ["nlopt:LD_LBFGS", "newton"])
def test_gradient_method_says_that_there_is_no_gradient(optimizer):
    model = mm.GeneralizedLinearMixedModel(
        "cbind(incidence, size - incidence) ~ 1 + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
    )
    with pytest.raises(mm.OptionError, match=f"{optimizer!r} needs the gradient.*nagq=9"):
        model.fit(optimizer=optimizer, nagq=9)
    assert model.optsum.optimizer == "auto"


# ---- parameters without freedom -------------------------------------------------------------


def hold(optsum, i, value):
    optsum.initial[i] = optsum.lowerbd[i] = optsum.upperbd[i] = value


@pytest.mark.parametrize(
    "optimizer", [name for name in DERIVATIVE_FREE if resolve(name).traits.bounds]
)
def test_parameter_without_freedom_stays(model, optimizer):
    """Without correlation, this is the model with two uncorrelated terms."""
    hold(model.optsum, 1, 0.0)
    model.fit(optimizer=optimizer)
    apart = mm.lmm(
        "Reaction ~ 1 + Days + zerocorr(1 + Days | Subject)", mm.datasets.load("sleepstudy")
    )
    assert model.objective == pytest.approx(apart.objective, abs=1e-5)
    assert model.theta[1] == 0.0
    assert all(x[1] == 0.0 for x, _ in model.optsum.log)


def test_no_parameter_with_freedom(model):
    for i, value in enumerate([0.9, 0.0, 0.2]):
        hold(model.optsum, i, value)
    model.fit()
    assert (model.optsum.returnvalue, model.optsum.feval) == ("NO_FREE_PARAMETERS", 1)
    assert model.objective == model.objective_at([0.9, 0.0, 0.2])


@pytest.mark.parametrize("bound", ["lowerbd", "upperbd"])
def test_bounds_of_a_model_in_other_columns_are_refused(far, bound):
    before = getattr(far.optsum, bound).copy()
    getattr(far.optsum, bound)[2] = far.optsum.initial[2]
    with pytest.raises(mm.OptionError, match=r"cannot be changed .* \(those on Subject\)"):
        far.fit()
    setattr(far.optsum, bound, before)
    assert far.fit().is_fitted


def test_impossible_start_of_a_model_in_other_columns_is_told(far):
    far.optsum.initial = [1.0, 2.0]
    with pytest.raises(mm.OptionError, match="must be one number for each parameter"):
        far.fit()


# ---- progress -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "asked", "after", "shown"),
    [
        (True, None, 0.0, True),
        (True, None, 60.0, False),
        (False, None, 0.0, False),
        (True, False, 0.0, False),
        (False, True, 0.0, True),
    ],
)
def test_progress(model, capsys, monkeypatch, terminal, asked, after, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(progress_line, "FIRST_AFTER", after)
    model.fit(progress=asked)
    printed = capsys.readouterr()
    assert printed.err.startswith("\rf_1: 1784.6423") == shown
    assert bool(printed.err) == shown
    assert printed.out == ""


def test_progress_waits_for_a_second():
    assert progress_line.FIRST_AFTER == 1.0
