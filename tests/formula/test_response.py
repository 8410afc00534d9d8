"""The left-hand side of a formula: numbers, counts, and two levels."""

import numpy as np
import pytest
from formula.refusal import refuse
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.errors import DataError
from numbamm.formula import model_frame


def test_a_two_level_response_has_two_levels(data):
    message = "'f' has 3 levels, not two: 'a', 'b', 'c'"
    refuse(DataError, message, "f ~ x + (1 | g)", data, two_level_response=True)


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("log(t)", lambda d: np.log(d.t)),
        ("np.log(t)", lambda d: np.log(d.t)),
        ("t**2", lambda d: d.t**2),
        ("y/1000", lambda d: d.y / 1000),
        ("(y - x) * 2 + t", lambda d: (d.y - d.x) * 2 + d.t),
        ("I(y + 1)", lambda d: d.y + 1),
        ("flag", lambda d: d.flag.astype(float)),
        ("x > 0", lambda d: (d.x > 0).astype(float)),
        ("sqrt(abs(y))", lambda d: np.sqrt(abs(d.y))),
    ],
)
def test_responses(data, response, value):
    mf = model_frame(f"{response} ~ 1 + (1 | g)", data)
    assert mf.response == response
    assert_allclose(mf.y, value(data))


def test_counts_of_successes_and_failures(data):
    good = np.arange(60) % 4
    bad = np.where(good == 0, 0, 5 - good)
    frame = data.assign(good=good, bad=bad)
    mf = model_frame("cbind(good, bad) ~ x + (1 | g)", frame)
    kept = good > 0
    assert_allclose(mf.y, good[kept] / 5)
    assert_array_equal(mf.trials, np.full(kept.sum(), 5.0))
    assert mf.n_zero_weight == (~kept).sum()
    assert_array_equal(mf.rows, np.flatnonzero(kept))
    assert_array_equal(mf.X[:, 1], data.x[kept])


def test_a_response_of_two_levels(data):
    frame = data.assign(won=np.where(data.x > 0, "yes", "no"))
    mf = model_frame("won ~ 1 + (1 | g)", frame, two_level_response=True)
    assert mf.success_level == "yes"
    assert_array_equal(mf.y, data.x > 0)
