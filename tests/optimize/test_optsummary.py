"""`OptSummary`: defaults, checks and the ways it is shown."""

import copy
import json
import pickle

import numpy as np
import pytest
from objectives import dyestuff, quadratic

from numbamm import config
from numbamm.errors import OptionError
from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.display import seconds

INF = np.inf


@pytest.fixture
def optsum():
    return OptSummary([1.0, 0.0, 1.0], [0.0, -INF, 0.0])


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


BEFORE = """\
Parameters:               [theta1]
Initial parameter vector: [1.0]
Optimizer:                nlopt:LN_BOBYQA (NLopt {version})
Lower bounds:             [0.0]
ftol_rel:                 1e-12
ftol_abs:                 1e-08
xtol_rel:                 0.0
xtol_abs:                 1e-10
initial_step:             [0.75]
maxfeval:                 100000
maxtime:                  -1.0
max_restarts:             None
xtol_zero_abs:            0.001
ftol_zero_abs:            1e-05"""

AFTER = """
Function evaluations:     18
Elapsed time:             {elapsed}
Final parameter vector:   [0.752581]
Final objective value:    327.3270598811
Return code:              FTOL_REACHED"""


def test_prints_as_a_block():
    import nlopt

    before = BEFORE.format(version=nlopt.__version__)
    optsum = OptSummary([1.0], [0.0], optimizer="nlopt:LN_BOBYQA")
    assert repr(optsum) == before
    minimize(dyestuff, optsum)
    names, start, rest = before.split("\n", 2)
    after = AFTER.format(elapsed=seconds(optsum.elapsed))
    fitted = f"{names}\n{start}\nInitial objective value:  327.7670216246\n{rest}{after}"
    assert repr(optsum) == fitted


def test_shows_only_what_the_algorithm_reads():
    optsum = OptSummary([1.0], [0.0], optimizer="scipy:SLSQP")
    assert "ftol_abs" in repr(optsum)
    assert "xtol_rel" not in repr(optsum)


def test_prints_with_an_optimiser_that_does_not_exist():
    assert "nlopt:LN_BOBYKA (not available)" in repr(
        OptSummary([1.0], [0.0], optimizer="nlopt:LN_BOBYKA")
    )


def test_html_has_the_same_rows():
    optsum = minimize(dyestuff, OptSummary([1.0], [0.0], upperbd=[4.0]))
    html = optsum._repr_html_()
    for line in repr(optsum).splitlines():
        label, value = line.split(":", 1)
        assert f">{label}</th><td style='text-align:left'>{value.strip()}</td>" in html


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


# ---- as a dict ------------------------------------------------------------------------------


def as_json(optsum):
    return json.loads(json.dumps(optsum.to_dict(), allow_nan=False))


def test_dict_and_back_before_a_fit(optsum):
    optsum.xtol_abs = [1e-3, 1e-4, 1e-5]
    other = OptSummary.from_dict(as_json(optsum))
    assert repr(other) == repr(optsum)
    assert other.to_dict() == optsum.to_dict()
    assert other.lowerbd.tolist() == [0.0, -INF, 0.0]
    assert other.upperbd.tolist() == [INF] * 3
    other.initial = [2.0, 0.0, 1.0]
    assert other.initial_step.tolist() == [1.5, 1.0, 0.75]  # not set, so it still follows


def test_dict_and_back_after_a_fit():
    optsum = OptSummary([1.0], [0.0], initial_step=[0.5], names=["Batch"], reml=True)
    minimize(lambda x: np.nan if x[0] > 1.4 else dyestuff(x), optsum)
    other = OptSummary.from_dict(as_json(optsum))
    assert repr(other) == repr(optsum)
    assert other.fitlog.equals(optsum.fitlog)
    assert other.fitlog["objective"].isna().any()
    assert (other.reml, other.names, other.sigma) == (True, ["Batch"], None)
    assert other.initial_step.tolist() == [0.5]
    minimize(dyestuff, other)
    assert other.fmin == pytest.approx(327.3270598811, abs=1e-7)


def test_what_was_assigned_stays_so_and_nothing_else():
    optsum = OptSummary([1.0], [0.0], ftol_abs=1e-3)
    other = OptSummary.from_dict(as_json(optsum))
    with config.context(ftol_abs=1e-2, ftol_rel=1e-2):
        other.configure()
    assert (other.ftol_abs, other.ftol_rel) == (1e-3, 1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "of version 3, but of version 1"),
        ({"version": None}, "of version None"),
        ({"initial": ["one"]}, "initial holds something else than numbers"),
        ({"log": [[["one"], 2.0]]}, "log holds something else than numbers"),
        ({"log": [2.0]}, "log holds something else"),
        ({"initial": None}, "initial must be"),
        ({"initial": [1.0, 2.0]}, "initial must be one number for each"),
        ({"names": None}, "names must be"),
        ({"ftol_rel": -1.0}, "ftol_rel must be"),
        ({"maxfeval": 1.5}, "maxfeval must be"),
        ({"assigned": 3}, "assigned must be"),
    ],
)
def test_unusable_dicts_are_refused_by_name(change, message):
    with pytest.raises(OptionError, match=message):
        OptSummary.from_dict(OptSummary([1.0], [0.0]).to_dict() | change)


def test_incomplete_dicts_are_refused():
    values = OptSummary([1.0], [0.0]).to_dict()
    del values["sigma"], values["fmin"]
    with pytest.raises(OptionError, match="lacks sigma, fmin"):
        OptSummary.from_dict(values)
    with pytest.raises(OptionError, match="of version None"):
        OptSummary.from_dict(["not", "a", "dict"])
