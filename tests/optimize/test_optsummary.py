"""`OptSummary`: defaults, checks and the ways it is shown."""

import copy
import pickle

import numpy as np
import pytest
from optimize.objectives import dyestuff, quadratic

from numbamm.errors import OptionError
from numbamm.optimize import OptSummary, minimize

INF = np.inf


def test_first_step_is_three_quarters_of_the_way_to_a_bound(optsum):
    assert optsum.initial_step.tolist() == [0.75, 1.0, 0.75]
    optsum.initial = [2.0, 0.0, 1.0]
    assert optsum.initial_step.tolist() == [1.5, 1.0, 0.75]


def test_first_step_heeds_the_nearer_of_two_bounds():
    optsum = OptSummary([1.0, 1.0], [0.0, 0.0], upperbd=[1.4, 5.0])
    assert optsum.initial_step == pytest.approx([0.3, 0.75])


@pytest.mark.parametrize("start", [0.0, 1e-9])
def test_first_step_leaves_a_bound(start):
    assert OptSummary([start], [0.0]).initial_step.tolist() == [1.0]


def test_initial_step_can_be_set_and_taken_back(optsum):
    optsum.initial_step = [1, 2, 3]
    assert optsum.initial_step.tolist() == [1.0, 2.0, 3.0]
    optsum.initial_step = None
    assert optsum.initial_step.tolist() == [0.75, 1.0, 0.75]


def test_unknown_option_names_the_nearest(optsum):
    with pytest.raises(OptionError, match=r"'ftol_reel'.*'ftol_rel'"):
        optsum.ftol_reel = 1e-3
    with pytest.raises(OptionError, match=r"'maxevals'.*'maxfeval'"):
        OptSummary([1.0], [0.0], maxevals=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("initial", [1.0, np.nan, 1.0]),
        ("initial", [-1.0, 0.0, 1.0]),
        ("initial", [1.0, 0.0]),
        ("lowerbd", [0.0]),
        ("upperbd", [-1.0, 1.0, 2.0]),
        ("upperbd", [0.5, 1.0, 2.0]),
        ("names", ["a"]),
        ("ftol_rel", -1e-3),
        ("ftol_abs", np.nan),
        ("xtol_rel", "small"),
        ("xtol_abs", [1e-3, 1e-3]),
        ("xtol_abs", [1e-3, 1e-3, -1.0]),
        ("initial_step", [1.0, 1.0]),
        ("initial_step", [1.0, 0.0, 1.0]),
        ("maxfeval", 0),
        ("maxfeval", 10.5),
        ("maxtime", -2),
        ("max_restarts", -1),
        ("xtol_zero_abs", -1.0),
        ("ftol_zero_abs", INF),
        ("nagq", 0),
        ("reml", "yes"),
        ("sigma", 0.0),
    ],
)
def test_unusable_values_are_refused_by_name_when_the_fit_begins(optsum, name, value):
    setattr(optsum, name, value)
    blamed = "initial" if name == "names" or value == [0.5, 1.0, 2.0] else name
    with pytest.raises(OptionError, match=rf"^{blamed} must be"):
        minimize(quadratic, optsum)
    assert optsum.final is None


@pytest.mark.parametrize("value", ["abc", [[1.0, 2.0]], 1.0])
def test_vectors_must_be_vectors(optsum, value):
    with pytest.raises(OptionError, match=r"^initial_step must"):
        optsum.initial_step = value


def test_defaults_pass(optsum):
    optsum.validate()


def test_arrays_are_copies():
    start = np.array([1.0])
    optsum = OptSummary(start, [0.0])
    start[0] = 5.0
    assert optsum.initial.tolist() == [1.0]


def test_fitlog_is_a_frame():
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0], names=["Batch"]))
    log = optsum.fitlog
    assert list(log.columns) == ["objective", "Batch"]
    assert len(log) == optsum.feval == 18
    assert log["Batch"].tolist()[:3] == [1.0, 1.75, 0.25]
    assert log["objective"].min() == optsum.fmin
    assert list(OptSummary([1.0, 1.0], [0.0, 0.0]).fitlog) == ["objective", "theta1", "theta2"]


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_copies_and_pickles(clone):
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0]))
    other = clone(optsum)
    assert repr(other) == repr(optsum)
    assert other.fitlog.equals(optsum.fitlog)
    other.initial_step = [0.5]
    assert optsum.initial_step.tolist() == [0.75]
