"""States of transforms from parts of the values are those from all of them."""

import numpy as np
import pytest
from formulaic.transforms import TRANSFORMS
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.formula.functions import NUMPY
from numbamm.sources.statistics import Moments, Powers, Statistic

ENDS = st.lists(st.integers(1, 99), max_size=5)


def gathered(function, values, ends, *args, **options):
    """A statistic of values that come in parts, each gathered apart and then merged."""
    total = Statistic(function, "f(x)", args, options)
    for part in np.split(values, sorted(set(ends))):
        other = Statistic(function, "f(x)", args, options)
        other.gathered.add(part)
        total.gathered.merge(other.gathered)
    return total.state()


@given(ENDS, st.sampled_from([1.0, 1e-6, 1e6]), st.sampled_from([0.0, 1e3]))
def test_moments_in_parts(ends, unit, shift):
    x = unit * (np.random.default_rng(2).normal(size=100) + shift)
    expected, found = Moments(), Moments()
    expected.add(x)
    for part in np.split(x, sorted(set(ends))):
        found.add(part)
    for name in ("n", "mean", "squares", "least", "greatest"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


@pytest.mark.parametrize(
    "name, args, options",
    [
        ("scale", (), {}),
        ("scale", (False,), {}),
        ("scale", (), {"center": 0.25, "ddof": 0}),
        ("scale", (True, 2.0), {}),
        ("center", (), {}),
        ("standardize", (), {"rescale": False}),
        ("poly", (), {}),
        ("poly", (4,), {}),
        ("bs", (), {"knots": [0.2], "degree": 2}),
        ("bs", (3,), {}),
        ("bs", (), {"knots": [0.1, 0.2], "lower_bound": -9.0, "upper_bound": 9.0}),
    ],
)
def test_transforms_give_the_same_columns(name, args, options):
    x, function = np.random.default_rng(4).normal(size=100) + 3, TRANSFORMS[name]
    expected = function(x, *args, _state={}, **options)
    found = function(x, *args, _state=gathered(function, x, [3, 50], *args, **options), **options)
    expected, found = (getattr(v, "__wrapped__", v) for v in (expected, found))
    if isinstance(expected, dict):
        expected, found = (np.column_stack(list(v.values())) for v in (expected, found))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "sum", "min", "max", "amax", "ptp", "std", "nanvar"])
def test_statistics_of_numpy(name):
    x = np.random.default_rng(5).normal(size=100)
    state = gathered(NUMPY[name], x, [10, 11])
    assert state["value"] == pytest.approx(getattr(np, name if name != "ptp" else "ptp")(x))


@given(ENDS)
def test_powers_of_parts_about_different_centres(ends):
    x = 1990 + 30 * np.random.default_rng(6).random(100)
    whole, parts = Powers(3), Powers(3)
    whole.add(x)
    for part in np.split(x, sorted(set(ends))):
        other = Powers(3)
        other.add(part)
        parts.merge(other)
    for key, values in whole.recurrence().items():
        for k, value in values.items():
            assert parts.recurrence()[key][k] == pytest.approx(value, rel=1e-8)


def test_too_few_values_for_a_polynomial():
    with pytest.raises(mm.FormulaError, match="degree 3 needs more distinct values"):
        gathered(TRANSFORMS["poly"], np.repeat([1.0, 2.0], 50), [], 3)


@pytest.mark.parametrize("name", ["median", "quantile", "prod"])
def test_what_needs_all_values_at_once(name):
    with pytest.raises(mm.FormulaError, match="needs all rows at once"):
        Statistic(NUMPY[name], f"np.{name}(x)", (0.5,) if name == "quantile" else (), {})
