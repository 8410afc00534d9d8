"""Jets: automatic differentiation of compiled functions, up to the third derivative.

A jet holds the value of a function of one variable t and its derivatives d/dt, d²/dt² and d³/dt³.
A mixed jet holds, too, the derivative in a second variable s of all of these but the last. This
module defines arithmetic, comparisons and elementary functions of jets for numba. A function
written for numbers then compiles for jets, too, and returns its exact derivatives: nobody derives
those of a user's log-density by hand.

Source: Griewank & Walther (2008), Evaluating Derivatives, 2nd ed., SIAM, ch. 13.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from numbamm.blocks.jit import jit


class Jet(NamedTuple):
    """Value and derivatives.

    Attributes
    ----------
    v, a, b, c : float64
        The value, and the first, second and third derivative.
    """

    v: float
    a: float
    b: float
    c: float


class Mixed(NamedTuple):
    """Value, derivatives in t, and derivatives once in s.

    Attributes
    ----------
    v, a, b, c : float64
        The value, and the first, second and third derivative in t.
    s, sa, sb : float64
        The derivatives of the value and of the first two in s.
    """

    v: float
    a: float
    b: float
    c: float
    s: float
    sa: float
    sb: float


def _by_kind(name: str, of_jets, of_mixed):
    """A function of jets of either kind, its last argument: compiled for each as it is given."""

    def chosen(*arguments):
        raise NotImplementedError  # only compiled code calls it

    chosen.__name__ = chosen.__qualname__ = name

    @overload(chosen, strict=False)
    def _chosen(*arguments):
        return of_mixed if arguments[-1].instance_class is Mixed else of_jets

    return chosen


def _jet_chain(f, f1, f2, f3, x):
    c = f1 * x.c + 3.0 * f2 * x.a * x.b + f3 * x.a * x.a * x.a
    return Jet(f, f1 * x.a, f1 * x.b + f2 * x.a * x.a, c)


def _mixed_chain(f, f1, f2, f3, x):
    square = x.a * x.a
    sb = f1 * x.sb + 2.0 * f2 * x.a * x.sa + (f2 * x.b + f3 * square) * x.s
    return Mixed(
        f,
        f1 * x.a,
        f1 * x.b + f2 * square,
        f1 * x.c + 3.0 * f2 * x.a * x.b + f3 * square * x.a,
        f1 * x.s,
        f1 * x.sa + f2 * x.a * x.s,
        sb,
    )


def _jet_product(x, y):
    b = x.a * y.a
    c = 3.0 * (x.b * y.a + x.a * y.b)
    return Jet(
        x.v * y.v,
        x.a * y.v + x.v * y.a,
        x.b * y.v + 2.0 * b + x.v * y.b,
        x.c * y.v + c + x.v * y.c,
    )


def _mixed_product(x, y):
    b = x.a * y.a
    c = 3.0 * (x.b * y.a + x.a * y.b)
    sb = x.sb * y.v + 2.0 * x.sa * y.a + x.s * y.b
    return Mixed(
        x.v * y.v,
        x.a * y.v + x.v * y.a,
        x.b * y.v + 2.0 * b + x.v * y.b,
        x.c * y.v + c + x.v * y.c,
        x.s * y.v + x.v * y.s,
        x.sa * y.v + x.s * y.a + x.a * y.s + x.v * y.sa,
        sb + x.b * y.s + 2.0 * x.a * y.sa + x.v * y.sb,
    )


def _jet_sum(x, y):
    return Jet(x.v + y.v, x.a + y.a, x.b + y.b, x.c + y.c)


def _mixed_sum(x, y):
    s = x.s + y.s, x.sa + y.sa, x.sb + y.sb
    return Mixed(x.v + y.v, x.a + y.a, x.b + y.b, x.c + y.c, *s)


def _jet_shifted(y, x):
    return Jet(x.v + y, x.a, x.b, x.c)


def _mixed_shifted(y, x):
    return Mixed(x.v + y, x.a, x.b, x.c, x.s, x.sa, x.sb)


def _jet_multiple(y, x):
    return Jet(x.v * y, x.a * y, x.b * y, x.c * y)


def _mixed_multiple(y, x):
    return Mixed(x.v * y, x.a * y, x.b * y, x.c * y, x.s * y, x.sa * y, x.sb * y)


#: The jet of f(x), by f and its derivatives at x; of x y and x + y; of x + y and x y for a number
#: y, which comes first.
_chain = _by_kind("_chain", _jet_chain, _mixed_chain)
_product = _by_kind("_product", _jet_product, _mixed_product)
_sum = _by_kind("_sum", _jet_sum, _mixed_sum)
_shifted = _by_kind("_shifted", _jet_shifted, _mixed_shifted)
_multiple = _by_kind("_multiple", _jet_multiple, _mixed_multiple)


@jit
def _reciprocal(x):
    """The jet of 1 / x."""
    r = 1.0 / x.v
    return _chain(r, -r * r, 2.0 * r * r * r, -6.0 * r * r * r * r, x)


@jit
def _exponential(x):
    """The jet of exp(x)."""
    e = math.exp(x.v)
    return _chain(e, e, e, e, x)


@jit
def _logarithm(x):
    """The jet of log(x)."""
    r = 1.0 / x.v
    return _chain(math.log(x.v), r, -r * r, 2.0 * r * r * r, x)


@jit
def _power(x, n):
    """The jet of x to the power of a number."""
    c1, c2 = n, n * (n - 1.0)
    c3 = c2 * (n - 2.0)
    f1 = c1 * x.v ** (n - 1.0) if c1 != 0.0 else 0.0  # 0 times a negative power of 0 is NaN
    f2 = c2 * x.v ** (n - 2.0) if c2 != 0.0 else 0.0
    f3 = c3 * x.v ** (n - 3.0) if c3 != 0.0 else 0.0
    return _chain(x.v**n, f1, f2, f3, x)


def uniquely_named(function, *names):
    """The function under a name of its own, made of these.

    The machine code of a cached kernel holds that of the functions that it calls, by names: where
    two kernels, from different processes, hold different functions of one name, one of them would
    be taken for the other.
    """
    function.__qualname__ = ".".join([__name__, *names])
    return function


def _is_jet(kind) -> bool:
    return isinstance(kind, types.NamedUniTuple) and kind.instance_class in (Jet, Mixed)


def _is_number(kind) -> bool:
    return isinstance(kind, types.Float | types.Integer | types.Boolean | types.Literal)


def _binary(target, jets, right, left) -> None:
    """Define an operator on two jets, on a jet and a number, and on a number and a jet."""

    for kind, function in (("jets", jets), ("right", right), ("left", left)):
        uniquely_named(function, target.__name__, kind)

    @overload(target)
    def _chosen(x, y):
        if _is_jet(x) and _is_jet(y):
            return jets
        if _is_jet(x) and _is_number(y):
            return right
        return left if _is_number(x) and _is_jet(y) else None


_binary(
    operator.add,
    lambda x, y: _sum(x, y),
    lambda x, y: _shifted(y, x),
    lambda x, y: _shifted(x, y),
)
_binary(
    operator.sub,
    lambda x, y: _sum(x, _multiple(-1.0, y)),
    lambda x, y: _shifted(-y, x),
    lambda x, y: _shifted(x, _multiple(-1.0, y)),
)
_binary(
    operator.mul,
    lambda x, y: _product(x, y),
    lambda x, y: _multiple(y, x),
    lambda x, y: _multiple(x, y),
)
_binary(
    operator.truediv,
    lambda x, y: _product(x, _reciprocal(y)),
    lambda x, y: _multiple(1.0 / y, x),
    lambda x, y: _multiple(x, _reciprocal(y)),
)
_binary(
    operator.pow,
    lambda x, y: _exponential(_product(y, _logarithm(x))),
    lambda x, y: _power(x, float(y)),
    lambda x, y: _exponential(y * math.log(x)),
)
for _target, _compare in (
    (operator.lt, lambda x, y: x < y),
    (operator.le, lambda x, y: x <= y),
    (operator.gt, lambda x, y: x > y),
    (operator.ge, lambda x, y: x >= y),
    (operator.eq, lambda x, y: x == y),
    (operator.ne, lambda x, y: x != y),
):
    _values = jit(uniquely_named(_compare, _target.__name__, "values"), entry=False)

    def _comparison(values):
        return (
            lambda x, y: values(x.v, y.v),
            lambda x, y: values(x.v, y),
            lambda x, y: values(x, y.v),
        )

    _binary(_target, *_comparison(_values))


def _unary(*targets):
    """Define functions of one jet."""

    def register(function):
        name = getattr(function, "py_func", function).__name__
        of_jet = uniquely_named(lambda x: function(x), name, "of_jet")

        @overload_all(targets)
        def _chosen(x):
            return of_jet if _is_jet(x) else None

        return function

    return register


def overload_all(targets):
    """`overload` for several functions that compute the same."""

    def register(choose):
        for target in targets:
            overload(target)(choose)
        return choose

    return register


_unary(math.exp, np.exp)(_exponential)
_unary(math.log, np.log)(_logarithm)


@_unary(operator.neg)
@jit
def _negative(x):
    return _multiple(-1.0, x)


@_unary(operator.pos)
@jit
def _positive(x):
    return x


@_unary(abs, math.fabs, np.abs)
@jit
def _absolute(x):
    return _multiple(-1.0 if x.v < 0.0 else 1.0, x)


@_unary(math.log1p, np.log1p)
@jit
def _log1p(x):
    r = 1.0 / (1.0 + x.v)
    return _chain(math.log1p(x.v), r, -r * r, 2.0 * r * r * r, x)


@_unary(math.expm1, np.expm1)
@jit
def _expm1(x):
    e = math.exp(x.v)
    return _chain(math.expm1(x.v), e, e, e, x)


@_unary(math.sqrt, np.sqrt)
@jit
def _root(x):
    root = math.sqrt(x.v)
    f1 = 0.5 / root
    f2 = -0.5 * f1 / x.v
    return _chain(root, f1, f2, -1.5 * f2 / x.v, x)


@_unary(math.sin, np.sin)
@jit
def _sine(x):
    s, c = math.sin(x.v), math.cos(x.v)
    return _chain(s, c, -s, -c, x)


@_unary(math.cos, np.cos)
@jit
def _cosine(x):
    s, c = math.sin(x.v), math.cos(x.v)
    return _chain(c, -s, -c, s, x)


@_unary(math.tanh, np.tanh)
@jit
def _tanh(x):
    t = math.tanh(x.v)
    f1 = 1.0 - t * t
    return _chain(t, f1, -2.0 * t * f1, f1 * (6.0 * t * t - 2.0), x)


@_unary(math.atan, np.arctan)
@jit
def _arctangent(x):
    f1 = 1.0 / (1.0 + x.v * x.v)
    f2 = -2.0 * x.v * f1 * f1
    return _chain(math.atan(x.v), f1, f2, f1 * f1 * f1 * (6.0 * x.v * x.v - 2.0), x)


_ROOT_PI = math.sqrt(math.pi)


@_unary(math.erf)
@jit
def _erf(x):
    f1 = 2.0 / _ROOT_PI * math.exp(-x.v * x.v)
    return _chain(math.erf(x.v), f1, -2.0 * x.v * f1, (4.0 * x.v * x.v - 2.0) * f1, x)


@_unary(math.erfc)
@jit
def _erfc(x):
    f1 = -2.0 / _ROOT_PI * math.exp(-x.v * x.v)
    return _chain(math.erfc(x.v), f1, -2.0 * x.v * f1, (4.0 * x.v * x.v - 2.0) * f1, x)


@_unary(math.lgamma)
@jit
def _log_gamma(x):
    """Recurrence raises the argument to at least 10, where the asymptotic series is accurate."""
    at, p, p1, p2 = x.v, 0.0, 0.0, 0.0
    if not at > 0.0:
        return _chain(np.nan, np.nan, np.nan, np.nan, x)
    while at < 10.0:
        i = 1.0 / at
        p -= i
        p1 += i * i
        p2 -= 2.0 * i * i * i
        at += 1.0
    i = 1.0 / at
    j = i * i
    p += math.log(at) - 0.5 * i
    p -= j * (1 / 12 - j * (1 / 120 - j * (1 / 252 - j * (1 / 240 - j / 132))))
    p1 += i + 0.5 * j
    p1 += i * j * (1 / 6 - j * (1 / 30 - j * (1 / 42 - j * (1 / 30 - j * 5 / 66))))
    p2 -= j + i * j + j * j * (1 / 2 - j * (1 / 6 - j * (1 / 6 - j * (3 / 10 - j * 5 / 6))))
    return _chain(math.lgamma(x.v), p, p1, p2, x)
