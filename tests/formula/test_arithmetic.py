"""Arithmetic inside expressions: exact for numbers of few bits, within bounds."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from numbamm.formula import model_frame
from numbamm.formula.arithmetic import Unfit, as_number, calculate, of_numbers


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("I((x > 0) + (t > 2))", lambda d: (d.x > 0) * 1 + (d.t > 2)),
        ("I((x > 0) - (t > 2))", lambda d: (d.x > 0) * 1 - (d.t > 2)),
        ("I(-(x > 0))", lambda d: -1 * (d.x > 0)),
        ("np.exp(x > 0)", lambda d: np.exp(1.0 * (d.x > 0))),
        ("np.add(x > 0, t > 2)", lambda d: (d.x > 0) * 1 + (d.t > 2)),
        ("I(np.digitize(t, [0])**-1 * 0 + np.digitize(t, [-1])**70)", lambda d: d.x * 0 + 1),
        ("I(2**(np.digitize(t, [0]) * 80) / 2**80)", lambda d: d.x * 0 + 1),
        ("I(small(t) * 100)", lambda d: 100.0 * d.t.astype("int8")),
        ("I(c % 2 + b)", lambda d: np.arange(len(d)) % 4 % 2 + d.b),
    ],
)
def test_numbers_of_few_bits(data, expression, value):
    n = len(data)
    data = data.assign(b=np.arange(n) % 2 == 0, c=[2**70 + k % 4 for k in range(n)])
    small = {"small": lambda v: v.astype("int8")}
    mf = model_frame(f"y ~ x + I({expression} + x) + (1 | g)", data, context=small)
    assert_allclose(mf.X[:, 2] - data.x, value(data), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "left", "right", "message"),
    [
        ("Pow", 9, 9**8, "too large"),
        ("Mult", 2**700, 2**1100, "too large"),
        ("Pow", 1e300, 2, "too large"),
        ("Div", 1, 0, "divides by zero"),
        ("Mod", 1.5, 0, "divides by zero"),
        ("Pow", -8, 0.5, "not a real number"),
    ],
)
def test_numbers_without_a_value(name, left, right, message):
    with pytest.raises(Unfit, match=message):
        of_numbers(name, left, right)


@pytest.mark.parametrize("value", ["a", None, [1, 2], {}, pd.Series(list("ab"))])
def test_arithmetic_is_for_numbers(value):
    with pytest.raises(Unfit, match="arithmetic is for numbers"):
        as_number(value)


def test_integers_become_floats_but_for_identifiers():
    small = pd.Series([100, 27], dtype="int8")
    assert calculate("Add", small, small).tolist() == [200.0, 54.0]
    large = pd.Series([2**60 + 1, 2**60 + 3])
    assert calculate("Mod", large, 4).tolist() == [1, 3]
    larger = pd.Series([10**40 + 7, 10**40 + 8], dtype=object)
    assert calculate("Mod", larger, 10).tolist() == [7, 8]
    assert calculate("Mod", larger, 10).dtype == np.int64
    with pytest.raises(Unfit, match=r"write C\(column\)"):
        calculate("Add", larger, 1)
    assert as_number(Fraction(1, 4)) == 0.25
