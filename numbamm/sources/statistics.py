"""What stateful transforms learn from all rows, gathered chunk by chunk."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from formulaic.transforms import TRANSFORMS

from numbamm.errors import FormulaError
from numbamm.formula.functions import NUMPY
from numbamm.formula.tokens import brief

#: A power whose part that lower ones do not explain is a smaller share of it is a sum of them.
DISTINCT = 1e-12


class Moments:
    """Number, mean, sum of squares about it, least and greatest of values, by Chan's updates.

    T. F. Chan, G. H. Golub & R. J. LeVeque (1983), The American Statistician 37(3), 242-247.
    """

    def __init__(self) -> None:
        self.n, self.mean, self.squares, self.least, self.greatest = 0, 0.0, 0.0, np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        part = Moments()
        part.n, part.mean = len(values), float(np.mean(values))
        part.squares = float(np.sum((values - part.mean) ** 2))
        part.least, part.greatest = float(np.min(values)), float(np.max(values))
        self.merge(part)

    def merge(self, other: Moments) -> None:
        n, step = self.n + other.n, other.mean - self.mean
        if n:
            self.squares += other.squares + step**2 * self.n * other.n / n
            self.mean += step * other.n / n
        self.n, self.least = n, min(self.least, other.least)
        self.greatest = max(self.greatest, other.greatest)


class Powers:
    """Cross-products of 1, x, x², ... as the triangle of their QR decomposition.

    Attributes
    ----------
    centre, unit : float
        The powers are those of (x - centre) / unit.
    triangle : ndarray, shape (degree + 1, degree + 1)
    """

    def __init__(self, degree: int) -> None:
        self.degree, self.centre, self.unit = degree, 0.0, 0.0
        self.triangle = np.zeros((0, degree + 1))

    def add(self, values: np.ndarray) -> None:
        if not self.unit:
            self.centre = float(np.mean(values))
            self.unit = float(np.max(np.abs(values - self.centre))) or 1.0
        z = (values - self.centre) / self.unit
        self._stack(np.vander(z, self.degree + 1, increasing=True))

    def merge(self, other: Powers) -> None:
        if not self.unit:
            vars(self).update(vars(other))
        elif other.unit:
            # (x - c') / u' is a + b z, whose powers are sums of those of z
            a = (self.centre - other.centre) / other.unit
            b = self.unit / other.unit
            order = range(self.degree + 1)
            change = [[math.comb(k, j) * a ** max(k - j, 0) * b**j for k in order] for j in order]
            self._stack(np.linalg.solve(np.array(change).T, other.triangle.T).T)

    def _stack(self, rows: np.ndarray) -> None:
        self.triangle = np.asarray(np.linalg.qr(np.vstack([self.triangle, rows]), mode="r"))

    def recurrence(self) -> dict[str, dict[int, float]]:
        """The state of formulaic's ``poly``: coefficients of the three-term recurrence."""
        R, u = self.triangle, self.unit
        sizes = np.abs(np.diag(R))
        if len(R) <= self.degree or not (sizes > DISTINCT * np.linalg.norm(R, axis=0)).all():
            raise FormulaError(f"poly() of degree {self.degree} needs more distinct values")
        ratio = np.diag(R, 1) / np.diag(R)[:-1]
        alpha = self.centre + u * np.diff(ratio, prepend=0.0)
        norms = [R[k, k] ** 2 * u ** (2 * k) for k in range(self.degree + 1)]
        return {"alpha": dict(enumerate(alpha.tolist())), "norms2": dict(enumerate(norms))}


#: numpy's statistics, from moments and a number of degrees of freedom that a variance loses.
_MOMENTS: dict[str, Callable[[Moments, float], float]] = {
    "mean": lambda m, _: m.mean,
    "sum": lambda m, _: m.mean * m.n,
    "min": lambda m, _: m.least,
    "max": lambda m, _: m.greatest,
    "ptp": lambda m, _: m.greatest - m.least,
    "var": lambda m, ddof: m.squares / (m.n - ddof),
    "std": lambda m, ddof: math.sqrt(m.squares / (m.n - ddof)),
}
_MOMENTS |= {"amin": _MOMENTS["min"], "amax": _MOMENTS["max"]}
_MOMENTS |= {f"nan{name}": _MOMENTS[name] for name in ("mean", "min", "max", "std", "var")}


class Statistic:
    """What one call of a stateful transform needs to know of all rows.

    Parameters
    ----------
    function : callable
        The transform.
    text : str
        The call, as errors show it.
    args, options
        Its arguments after the data.

    Raises
    ------
    FormulaError
        If the transform needs all rows at once.
    """

    def __init__(self, function: Callable, text: str, args: tuple, options: dict) -> None:
        self.function, self.text, self.args, self.options = function, text, args, options
        bound = inspect.signature(function).bind(None, *args, **options)
        bound.apply_defaults()
        self.given = bound.arguments
        self.gathered: Moments | Powers = Moments()
        if function is TRANSFORMS["poly"]:
            self.gathered = Powers(self.given["degree"])
        elif function is TRANSFORMS["bs"]:
            if self.given["df"] and self.given["df"] > self._least_df():
                raise self._refusal("knots at quantiles")
        elif not (function in _SCALES or self._of_numpy()):
            raise self._refusal("all rows at once")

    def _refusal(self, needs: str) -> FormulaError:
        splines = self.function in _SPLINES
        instead = "bs(x, knots=[...])" if splines else "a transform of moments, such as scale(x)"
        return FormulaError(
            f"'{brief(self.text)}' needs {needs}, which cannot be found while rows stream: use "
            f"{instead}, make it a column of the data, or fit to a frame in memory"
        )

    def _least_df(self) -> int:
        """The columns of a spline without inner knots."""
        return self.given["degree"] + bool(self.given["include_intercept"])

    def _of_numpy(self) -> Callable | None:
        name = getattr(self.function, "__name__", "")
        return _MOMENTS.get(name) if NUMPY.get(name) is self.function else None

    def state(self) -> dict:
        """The transform's state after a look at all rows."""
        found, state = self.gathered, {}
        if isinstance(found, Powers):
            return found.recurrence()
        if summary := self._of_numpy():
            return {"value": summary(found, self.given.get("ddof", 0))}
        if self.function is TRANSFORMS["bs"]:
            ends = np.array([found.least, found.greatest])
            self.function(ends, *self.args, _state=state, **self.options)
            return state
        ddof = self.given.get("ddof", 1)
        scale = self.given.get("scale", self.given.get("rescale", False))
        centre = _learnt(self.given.get("center", True), lambda: found.mean)
        about = found.mean - (0.0 if centre is None else centre)
        squares = found.squares + found.n * about**2
        scale = _learnt(scale, lambda: np.sqrt(squares / (found.n - ddof)))
        return {"ddof": ddof, "center": centre, "scale": scale}


def _learnt(given: Any, find: Callable[[], float]) -> Any:
    """What formulaic stores for an option that is true, false, or a number."""
    if isinstance(given, bool):
        return np.float64(find()) if given else None
    return np.array(given)


_SCALES = [TRANSFORMS[name] for name in ("center", "scale", "standardize")]
_SPLINES = [TRANSFORMS[name] for name in ("bs", "cr", "cs", "cc")]
