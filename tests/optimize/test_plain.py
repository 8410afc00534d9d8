"""An `OptSummary` as JSON, and back."""

import json

import numpy as np
import pytest
from optimize.objectives import dyestuff

from numbamm import config
from numbamm.errors import OptionError
from numbamm.optimize import OptSummary, minimize

INF = np.inf

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
