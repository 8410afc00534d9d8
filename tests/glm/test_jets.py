"""Jets: each function against its own differences, and compositions against each other."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.glm.jets import Jet

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="jets exist in compiled code")

jet = numba.njit(error_model="numpy")

FUNCTIONS = "exp log log1p expm1 sqrt sin cos tanh atan erf erfc lgamma fabs"
EXPRESSIONS = [f"math.{name}(x)" for name in FUNCTIONS.split()]
EXPRESSIONS += [f"np.{name}(x)" for name in ("exp", "log", "sqrt", "log1p", "expm1", "abs")]
EXPRESSIONS += ["x + 2", "2 + x", "x - 2", "2 - x", "3 * x", "x * 3", "x / 3", "3 / x", "-x", "+x"]
EXPRESSIONS += ["x**2", "x**3", "x**-1.5", "2.5**x", "x**x", "x * x", "x / (x + 1)", "x + x"]
EXPRESSIONS += ["abs(x - 5)", "x - x * x", "(x if x > 1 else x * x)", "(x if 1 >= x else 2 * x)"]


def every(store):
    """All of them at once, of a jet or a number: each compilation takes a second or more."""
    lines = [f"    r = {e}\n    {store.format(k=k)}" for k, e in enumerate(EXPRESSIONS)]
    names = {"math": math, "np": np}
    exec("def function(x, out):\n" + "\n".join(lines), names)
    return jet(names["function"])


of_jet = every("out[{k}, 0] = r.v; out[{k}, 1] = r.a; out[{k}, 2] = r.b; out[{k}, 3] = r.c")
of_number = every("out[{k}] = r")


def jets_at(x):
    out = np.empty((len(EXPRESSIONS), 4))
    of_jet(Jet(x, 1.0, 0.0, 0.0), out)
    return out


@pytest.mark.parametrize("x", [1e-3, 0.4, 1.7, 3.2, 30.0])
def test_functions(x):
    h, values = 1e-5 * x, np.empty(len(EXPRESSIONS))
    of_number(x, values)
    below, at, above = (jets_at(x + k * h) for k in (-1, 0, 1))
    differences = (above - below) / (2 * h)
    for k, expression in enumerate(EXPRESSIONS):
        assert at[k, 0] == pytest.approx(values[k], rel=1e-14, abs=1e-300), expression
        # Differences lose digits to rounding, and as many to their step.
        for order in range(3):
            noise = 1e-10 * abs(at[k, order]) / h * 1e-4 + 1e-9 * np.abs(at[k]).max()
            expected = pytest.approx(differences[k, order], rel=1e-6, abs=noise)
            assert at[k, order + 1] == expected, (expression, order)


@pytest.mark.parametrize("n", [2, 3])
def test_powers_of_zero(n):
    found = jet(lambda x: x**n)(Jet(0.0, 1.0, 0.0, 0.0))
    assert found == ((0.0, 0.0, 2.0, 0.0) if n == 2 else (0.0, 0.0, 0.0, 6.0))


@jet
def identities(x):
    """Pairs that are equal, with all their derivatives."""
    return (
        (math.exp(math.log(x)), x + 0.0),
        (math.log(x * x), 2.0 * math.log(x)),
        (math.sqrt(x) * math.sqrt(x), x * 1.0),
        (math.erf(x) + math.erfc(x), 1.0 + 0.0 * x),
        (math.lgamma(x + 1.0) - math.lgamma(x), math.log(x)),
        (math.sin(x) ** 2 + math.cos(x) ** 2, 1.0 + 0.0 * x),
        (math.log1p(math.expm1(x)), x * 1.0),
        (x**2.5 / x**1.5, x * 1.0),
        (math.tanh(x), 1.0 - 2.0 / (math.exp(2.0 * x) + 1.0)),
        (math.atan(x) + math.atan(1.0 / x), math.pi / 2 + 0.0 * x),
    )


@given(st.floats(0.05, 12), *(st.floats(-2, 2) for _ in range(3)))
def test_identities_of_functions(v, a, b, c):
    """Of any jet, not only of the variable itself."""
    for left, right in identities(Jet(v, a, b, c)):
        size = (1 + abs(a) + abs(b) + abs(c)) ** 3 * (1 + 1 / v) ** 3
        assert_allclose(left, right, rtol=1e-9, atol=1e-11 * size)
