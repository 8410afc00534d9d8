"""`BackTransform`: the inverse of the link and of the response's transformation."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from numbamm.formula import language
from numbamm.formula.expressions import lone_column, parsed
from numbamm.formula.functions import FUNCTIONS, KNOWN

#: Nodes of the Gauss–Hermite rule for expectations over random effects and residuals.
NODES = 61


@dataclass(frozen=True)
class Step:
    """The inverse of one function of a formula's left-hand side.

    Attributes
    ----------
    inverse, slope : callable
        The inverse function and its derivative, for arrays.
    low, high : float
        Range of the function, the domain of its inverse.
    base : float
        Base of a logarithm; 0 for other functions.
    shift : float
        A number that the function adds to its argument first, as 1 in log(1 + x).
    beyond : bool
        Whether the formula of the inverse also holds outside the range, as the square below 0.
    """

    inverse: Callable
    slope: Callable
    low: float = -np.inf
    high: float = np.inf
    base: float = 0.0
    shift: float = 0.0
    beyond: bool = False


def _logarithm(base: float) -> Step:
    unit = np.log(base)
    return Step(lambda t: np.exp(unit * t), lambda t: unit * np.exp(unit * t), base=base)


def _exponential(base: float) -> Step:
    unit = np.log(base)
    return Step(lambda t: np.log(t) / unit, lambda t: 1 / (unit * t), low=0.0)


def _power(p: float, negative: bool = False) -> Step:
    """The inverse of x**p for positive x or, if p is odd, for negative x."""

    def inverse(t):
        return np.sign(t) * np.abs(t) ** (1 / p) if p % 2 == 1 else t ** (1 / p)

    def slope(t):
        return np.abs(t) ** (1 / p - 1) / p if p % 2 == 1 else t ** (1 / p - 1) / p

    if p % 2 == 1 and p > 0:
        return Step(inverse, slope)
    if p % 2 == 1 and negative:
        return Step(inverse, slope, high=0.0)
    return Step(inverse, slope, low=0.0, beyond=p > 0 and 1 / p % 1 == 0)


def _tangent(t):
    """tan, infinite from ±π/2 on, where rounding would give a finite number."""
    return np.where(np.abs(t) < np.pi / 2, np.tan(t), np.copysign(np.inf, t))


def _affine(a: float, b: float) -> Step:
    return Step(lambda t: a + b * t, lambda t: np.full_like(t, b))


_FUNCTIONS: dict[Callable, Step] = {
    np.log: _logarithm(np.e),
    np.log2: _logarithm(2.0),
    np.log10: _logarithm(10.0),
    FUNCTIONS["exp10"]: _exponential(10.0),
    np.log1p: Step(np.expm1, np.exp, base=np.e, shift=1.0),
    np.exp: _exponential(np.e),
    np.exp2: _exponential(2.0),
    np.expm1: Step(np.log1p, lambda t: 1 / (1 + t), low=-1.0),
    np.sqrt: _power(0.5),
    np.cbrt: Step(lambda t: t**3, lambda t: 3 * t**2),
    np.sinh: Step(np.arcsinh, lambda t: 1 / np.hypot(1, t)),
    np.arcsinh: Step(np.sinh, np.cosh),
    np.tanh: Step(np.arctanh, lambda t: 1 / (1 - t**2), -1.0, 1.0),
    np.arctanh: Step(np.tanh, lambda t: 1 / np.cosh(t) ** 2),
    np.arcsin: Step(np.sin, np.cos, -np.pi / 2, np.pi / 2),
    np.arctan: Step(_tangent, lambda t: 1 / np.cos(t) ** 2, -np.pi / 2, np.pi / 2),
    np.negative: _affine(0.0, -1.0),
    special.logit: Step(special.expit, lambda t: special.expit(t) * special.expit(-t)),
    special.expit: Step(special.logit, lambda t: 1 / (t * (1 - t)), 0.0, 1.0),
    special.ndtri: Step(special.ndtr, lambda t: np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)),
}
_POWERS = {np.square: 2.0, np.reciprocal: -1.0}


class BackTransform:
    """Transforms linear predictors to the scale of the response.

    The left-hand side of the formula is inverted from the outermost function inwards, as far as
    each is an invertible function of one expression: ``log(y + 1)``, ``sqrt(y)``, ``y**0.5``,
    ``I(1 / y)``, ``np.log10(y / n)``.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Attributes
    ----------
    response : str
        The left-hand side of the formula.
    left : str
        The expression that is left when all steps are inverted: the column, in most cases.
    first : str
        The argument of the outermost function.
    columns : set of str
        The columns that the response uses.
    steps : list of Step
        The inverses, outermost first. Empty for events and proportions of trials.
    opaque : bool
        Whether a function is left that cannot be inverted.
    of_response : bool
        Whether the inverse link of a linear predictor is the mean of the response; else it is μ of
        a family with zeros besides, or with another mean.
    """

    def __init__(self, model) -> None:
        self.link, frame = model.link_record, model.frame
        self._frame = frame
        self._what = model.means_of
        self.of_response = model.composition is None or model.composition.mean_is_mu
        self.response = self.left = self.first = frame.response
        self.columns, self.steps, self.opaque = frame.design.response_columns, [], False
        if frame.trials is None and not model.family_record.proportions:
            self._invert(frame)

    @property
    def base(self) -> float:
        """b if b^(difference of linear predictors) is a ratio of responses or odds; else 0."""
        if not self.link.linear:
            return 0.0 if self.steps else self.link.base
        return self.steps[0].base if self.steps else 0.0

    def is_column(self, attribute: str) -> bool:
        """Whether `left` or `first` is a column's name."""
        return getattr(self, attribute) in self.columns

    @property
    def name(self) -> str:
        """What the response is called on its own scale."""
        if self.steps:
            return self._frame.with_unit(self.left)
        if self._what:
            return f"{self._what[0].upper()}{self._what[1:]}"
        return f"{'' if self.of_response else 'μ of '}{response_name(self._frame)}"

    def link_note(self) -> list[str]:
        """The note on linear predictors that are means of a transformed response."""
        return [f"Means of {self.response}."] if self.steps else []

    def response_notes(self, sigma) -> list[str]:
        """The note on the meaning of means on the scale of the response."""
        if sigma is not None:
            low, high = (f"{s:.4g}" for s in (np.nanmin(sigma), np.nanmax(sigma)))
            sd = low if low == high else f"{low} to {high}"
            target = self.left if self.steps else self._mean_of
            variable = self.response if self.steps else "the linear predictor"
            return [
                f"Means of {target} if {variable} varies normally with standard deviation {sd}."
            ]
        if self.steps:
            return [
                f"{self.left} at the mean of {self.response}: a median, for random effects of zero."
            ]
        if self.opaque:
            return [f"Means of {self.left}, which cannot be inverted, for random effects of zero."]
        return [f"Means of {self._mean_of}, for random effects of zero."]

    @property
    def _mean_of(self) -> str:
        return self._what or ("the response" if self.of_response else "μ")

    def mean(self, eta, sigma=None) -> np.ndarray:
        """The response at linear predictors, shape (n,).

        Parameters
        ----------
        sigma : ndarray, shape (n,), optional
            If given, the result is the expectation of the response when linear predictors vary
            normally with these standard deviations, by Gauss–Hermite quadrature.
        """
        return self._expectation(eta, sigma, self._inverse)

    def observed(self, y) -> np.ndarray:
        """Values of the formula's left-hand side before its transformation, shape (n,)."""
        value = np.asarray(y, dtype=np.float64)
        with np.errstate(all="ignore"):
            for step in self.steps:
                value = step.inverse(_within(step, value, True))
        return value

    def slope(self, eta, sigma=None) -> np.ndarray:
        """The derivative of `mean`."""
        return self._expectation(eta, sigma, self._slope)

    def _expectation(self, eta, sigma, function) -> np.ndarray:
        """The function at η or, with `sigma`, its expectation for η normally distributed."""
        eta = np.asarray(eta, dtype=np.float64)
        with np.errstate(all="ignore"):  # values out of range become NaN
            if sigma is None:
                return function(eta, True)
            nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
            used = weights > np.finfo(float).eps * weights.max()
            etas = eta[:, None] + np.asarray(sigma)[:, None] * nodes[used]
            values = function(etas.ravel(), False).reshape(etas.shape)
            return values @ (weights[used] / weights[used].sum())

    def _inverse(self, eta, clipped: bool) -> np.ndarray:
        """The response at η; `clipped` as for `_within`."""
        value = self.link.mean(eta)
        for step in self.steps:
            value = step.inverse(_within(step, value, clipped))
        return value

    def _slope(self, eta, clipped: bool) -> np.ndarray:
        """The derivative of `_inverse`."""
        value, slope = self.link.mean(eta), self.link.slope(eta)
        for step in self.steps:
            slope = slope * step.slope(value)
            value = step.inverse(_within(step, value, clipped))
        return slope

    def _invert(self, frame) -> None:
        """Find the inverses of the left-hand side's functions, outermost first."""
        if lone_column(frame.response) in self.columns:
            return
        node, source = parsed(frame.response, self.columns)
        scope, values = _Scope(frame.design, source), frame.y
        while (outermost := scope.outermost(node, values)) is not None:
            step, node = outermost
            with np.errstate(all="ignore"):
                values = values if step is None else step.inverse(values)
            if step is None:
                continue
            self.steps.append(step)
            if len(self.steps) == 1:
                self.first = scope.text(node) + (f" + {step.shift:g}" if step.shift else "")
        self.left = scope.text(node)
        self.opaque = any(isinstance(part, ast.Call) for part in ast.walk(node))


def response_name(frame) -> str:
    """The response as a plot names it: of an event its probability.

    Parameters
    ----------
    frame : ModelFrame
    """
    if frame.success_level is not None:
        return f"P({lone_column(frame.response) or frame.response} = {frame.success_level})"
    if frame.trials is not None:
        return "Proportion"
    return frame.with_unit(lone_column(frame.response) or frame.response)


def _within(step: Step, value, clipped: bool):
    """Values clipped to the range of the function, unless the inverse holds beyond it.

    With `clipped` they are clipped in any case.
    """
    return value if step.beyond and not clipped else np.clip(value, step.low, step.high)


class _Scope:
    """The values and functions that names on the left-hand side of a formula stand for."""

    def __init__(self, design, source) -> None:
        self.source, self.meaning = source, KNOWN | design.own

    def outermost(self, node, values) -> tuple[Step | None, ast.expr] | None:
        """The inverse of the outermost function, and its argument; None if it has no inverse.

        The inverse is None for ``I``, which does nothing.

        Parameters
        ----------
        node : ast.expr
            The expression.
        values : ndarray
            Its values in the data.
        """
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _affine(0.0, -1.0), node.operand
        if isinstance(node, ast.BinOp):
            return self._operation(node.op, node.left, node.right, values)
        if not isinstance(node, ast.Call) or node.keywords:
            return None
        function = self.value(node.func)
        if len(node.args) == 2 and function in (np.power, pow):
            return self._operation(ast.Pow(), *node.args, values)
        if len(node.args) != 1 or not callable(function):
            return None
        if function is FUNCTIONS["I"]:
            return None, node.args[0]
        try:
            if function in _POWERS:
                return _power(_POWERS[function], bool((values < 0).all())), node.args[0]
            step = _FUNCTIONS.get(function)
        except TypeError:  # an object without a hash
            return None
        return None if step is None else (step, node.args[0])

    def _operation(self, operator, left, right, values) -> tuple[Step, ast.expr] | None:
        """The inverse of an operation on an expression and a constant, and the expression."""
        a, b = self.constant(left), self.constant(right)
        if (a is None) == (b is None):
            return None
        negative = bool((values < 0).all())
        if b is not None:  # x + b, x - b, x * b, x / b, x**b
            steps = {
                ast.Add: lambda: _affine(-b, 1.0),
                ast.Sub: lambda: _affine(b, 1.0),
                ast.Mult: lambda: b and _affine(0.0, 1 / b),
                ast.Div: lambda: b and _affine(0.0, b),
                ast.Pow: lambda: b and _power(b, negative),
            }
            node = left
        else:
            steps = {
                ast.Add: lambda: _affine(-a, 1.0),
                ast.Sub: lambda: _affine(a, -1.0),
                ast.Mult: lambda: a and _affine(0.0, 1 / a),
                ast.Div: lambda: a and _quotient(a, negative),
                ast.Pow: lambda: a > 0 and a != 1 and _exponential(a),
            }
            node = right
        step = steps.get(type(operator), lambda: None)()
        return (step, node) if step else None

    def constant(self, node) -> float | None:
        """The value of a constant expression: ``1``, ``log(2)`` or a variable of the user."""
        value = self.value(node)
        if isinstance(node, ast.Call) and not node.keywords:
            function, given = self.value(node.func), [self.constant(part) for part in node.args]
            if function in _FUNCTIONS and len(given) == 1 and given[0] is not None:
                with np.errstate(all="ignore"):
                    value = float(function(given[0]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self.constant(node.operand)
            return None if value is None else -value
        if isinstance(node, ast.BinOp):
            a, b = self.constant(node.left), self.constant(node.right)
            operations = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply"}
            operations |= {ast.Div: "divide", ast.Pow: "power"}
            if a is None or b is None or type(node.op) not in operations:
                return None
            return float(getattr(np, operations[type(node.op)])(a, b))
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return float(value) if number and np.isfinite(value) else None

    def value(self, node):
        """The value of a name, a module's attribute or a literal; None for other expressions."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return None if node.id in self.source.stand_ins else self.meaning.get(node.id)
        return self.meaning.get(language.numpy_name(node))

    def text(self, node) -> str:
        """The text of an expression as in the formula."""
        return self.source.shown(node, quote=not isinstance(node, ast.Name))


def _quotient(a: float, negative: bool) -> Step:
    """The inverse of a / x, for x of one sign."""
    return Step(
        lambda t: a / t,
        lambda t: -a / t**2,
        low=-np.inf if negative else 0.0,
        high=0.0 if negative else np.inf,
    )
