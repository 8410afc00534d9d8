"""`Surface`: -2 log-likelihood about its minimum, and its minima where something is held.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import combinations

import numpy as np
from scipy.optimize import minimize as slsqp

from numbamm.inference.profiling.curve import Curve, walk
from numbamm.inference.profiling.leading import leading
from numbamm.inference.random.components import SHAPE
from numbamm.models.inside import root_mean_squares
from numbamm.models.parameters import SHAPE_RANGE
from numbamm.optimize.differences import jacobian, slopes

#: Half-width of the differences for the curvature at the minimum, in an x of ordinary size.
CURVATURE_STEP = 1e-4

#: Half-width of the differences for constraints, in standard errors.
CONSTRAINT_STEP = 1e-5

#: A search ends where half of the deviance changes by less.
TOLERANCE = 1e-8

#: Directions in which the deviance curves less are taken to be as wide as these, in x.
FLAT = 1.0

#: The first step of a correlation of ±1, as a share of the squared standard error of its angle.
LEAST_STEP = 0.1

#: A standard deviation over σ in a typical row that has no correlations.
VANISHED = 1e-6

#: An entry of T⁻¹ is rounding where it is less than this share of the largest in its row.
ROUNDING = 1e-13

#: How far a search may go, in standard errors.
FAR = 1e3

#: The rise of half the deviance that stands for no deviance at all.
IMPOSSIBLE = 1e10

#: By how much a constraint may be missed, as a share of the parameter's scale.
MISSED = 1e-6


class Surface(ABC):
    """-2 log-likelihood as a function of a vector x, whose end is θ of the columns inside.

    A minimum under a constraint is sought by sequential quadratic programming (Kraft, 1988), in
    coordinates z = R⁻¹(x - x̂) with RR' twice the inverse of the Hessian at the minimum x̂. There
    half of the deviance is about ½|z|², and the first step of a search that begins beside its
    constraint is what the curvature predicts.

    Attributes
    ----------
    best : ndarray
        x̂.
    least : float
        The deviance there.
    lowest : float
        The least deviance that was ever met.
    """

    def __init__(self, model, best) -> None:
        """To be called when `deviance` works."""
        self.model, self._places = model, _places(model)
        self._theta_names = [f"theta_{name}" for name in model.theta_names]
        self.best = best
        self.least = self.lowest = self.deviance(best)[0]
        self._root = self._whitening()
        self.least, self.best = self.minimum(best)

    @abstractmethod
    def deviance(self, x) -> tuple[float, np.ndarray]:
        """-2 log-likelihood and its gradient; NaN where there is none."""

    @abstractmethod
    def sigma(self, x) -> float:
        """σ, or √φ."""

    @property
    @abstractmethod
    def sizes(self) -> dict:
        """σ or the shape, as far as x tells of them: functions of x by name."""

    @abstractmethod
    def coefficient_curve(self, j: int, reach: float) -> Curve:
        """The profile of one coefficient, the j-th of those that are kept."""

    # ---- parameters ----------------------------------------------------------------------------

    def _inside(self, x) -> np.ndarray:
        """θ of the columns inside, a view of x."""
        return x[len(x) - len(self._theta_names) :]

    def curve(self, name: str, reach: float) -> Curve:
        """The profile of one parameter, as far as |ζ| = reach."""
        if name in self.sizes:
            return self._size_curve(name, reach)
        if name in self._theta_names:
            return self._theta_curve(name, reach)
        if name in self._places:
            return self._component_curve(name, reach)
        feterm = self.model.feterm
        return self.coefficient_curve(feterm.kept_names.index(name), reach)

    def _size_curve(self, name: str, reach: float) -> Curve:
        """Of σ or the shape, along its logarithm."""
        value = self.sizes[name]
        bounds = np.log(SHAPE_RANGE) if name == SHAPE else (-np.inf, np.inf)
        curve = self.smooth_curve(lambda x: np.log(value(x)), bounds, reach)
        upper = np.nan if np.isnan(curve.upper) else np.inf  # a Poisson distribution
        lower, estimate = np.exp([curve.lower, curve.estimate])
        if name == SHAPE and np.isinf(self.model.shape):
            estimate = np.inf
        return Curve(estimate, np.exp(curve.values), curve.zeta, lower, upper)

    def _theta_curve(self, name: str, reach: float) -> Curve:
        k = self._theta_names.index(name)
        diagonal = np.flatnonzero(self.model._lowerbd == 0)
        bounds = (0.0 if k in diagonal else -np.inf, np.inf)

        def value(x):
            theta = self._inside(x)
            return (self.model._outward(theta) if any(self.model.scalings) else theta)[k]

        # no diagonal is to be negative, for else a column of λ may change its sign
        return self.smooth_curve(value, bounds, reach, above=lambda x: self._inside(x)[diagonal])

    def smooth_curve(self, value, bounds, reach: float, above=None) -> Curve:
        """Of a function of x that has a gradient everywhere."""
        own, scale = value(self.best), self._scale(value)

        def rise(v, x):
            return self.rise(x, lambda y: [(value(y) - v) / scale], above)

        return walk(rise, self.best, own, 0.3 * scale, bounds, reach)

    def _component_curve(self, name: str, reach: float) -> Curve:
        """Of a standard deviation or a correlation, in columns of which its own stand first."""
        k, lead = self._places[name]
        term, scalings = self.model.reterms[k], list(self.model.scalings)
        changed = leading(term, scalings[k], lead, self.model._root)
        led = self
        if changed is not None:
            scalings[k] = changed
            led = type(self)(self.model._in_columns(scalings))
        rows = [led._row(k, r) for r in lead]
        if len(lead) == 1:
            curve = led._sd_curve(*rows, reach)
        else:
            sizes = root_mean_squares(term, self.model._root)
            rows = [row * sizes[r] for row, r in zip(rows, lead, strict=True)]
            curve = led._correlation_curve(*rows, reach)
        self.lowest = min(self.lowest, led.lowest)
        return curve

    def _row(self, k: int, r: int) -> np.ndarray:
        """What makes a row of the user's λ_k of x, less its rotation, without empty columns."""
        term, scaling = self.model.reterms[k], self.model.scalings[k]
        back = np.eye(term.p) if scaling is None else np.linalg.inv(scaling.T)
        row, column = divmod(term.inds, term.p)
        at = len(self.best) - len(self._theta_names)
        at += sum(len(t.inds) for t in self.model.reterms[:k]) + np.arange(len(term.inds))
        entries = np.where(np.abs(back[r]) > ROUNDING * np.abs(back[r]).max(), back[r], 0.0)
        matrix = np.zeros((term.p, len(self.best)))
        matrix[column, at] = entries[row]
        return matrix[matrix.any(axis=1)]

    def _sd_curve(self, row, reach: float) -> Curve:
        [entry] = row
        sign = -1.0 if entry @ self.best < 0 else 1.0

        def value(x):
            return sign * self.sigma(x) * (entry @ x)

        return self.smooth_curve(value, (0.0, np.inf), reach)

    def _correlation_curve(self, one, two, reach: float) -> Curve:
        """Of the cosine of two rows, (a, 0) and (b, c), as far as a and c keep their signs."""
        one, two = (one, two) if len(one) == 1 else (two, one)
        signs = np.where(np.array([one[0], two[1]]) @ self.best < 0, -1.0, 1.0)

        def parts(x):
            a, (b, c) = one[0] @ x, two @ x
            return signs[0] * a, signs[0] * b, signs[1] * c

        def value(x):
            a, b, c = parts(x)
            return b / np.hypot(b, c) if min(a, np.hypot(b, c)) > VANISHED else np.nan

        own = value(self.best)
        if not np.isfinite(own):
            return Curve(own, np.array([]), np.array([]), np.nan, np.nan)
        _, b, c = parts(self.best)
        size = np.hypot(b, c)
        angle = min(1.0, self._scale(lambda x: (c * parts(x)[1] - b * parts(x)[2]) / size**2))

        def missed(x, v):
            _, b, c = parts(x)
            return [(np.sqrt(1 - v**2) * b - v * c) / (size * angle)]

        def signed(x):
            return np.array(parts(x))[[0, 2]]

        # it can be anything where a variance vanishes
        without = [self.rise(self.best, lambda y, row=row: row @ y)[0] for row in (one, two)]
        ceiling = np.fmin.reduce([np.inf, *without])

        def rise(v, x):
            found = self.rise(x, lambda y: missed(y, v), above=signed)
            return (ceiling, x) if found[0] > ceiling else found

        step = max(0.3 * angle * c / size, LEAST_STEP * angle**2)
        return walk(rise, self.best, own, step, (-1.0, 1.0), reach, closed=False)

    def _scale(self, value) -> float:
        """The standard error of a function of x, by the curvature at the minimum."""
        step = np.full(len(self.best), CONSTRAINT_STEP)
        inside = slopes(lambda z: value(self.best + self._root @ z), np.zeros(len(step)), step)
        return float(np.linalg.norm(inside))

    # ---- the search ------------------------------------------------------------------------------

    def _whitening(self) -> np.ndarray:
        """R."""
        step = np.full(len(self.best), CURVATURE_STEP)
        curvature = jacobian(lambda x: self.deviance(x)[1], self.best, step) / 2
        if not np.isfinite(curvature).all():  # the edge of what has a deviance
            return np.eye(len(step))
        value, vector = np.linalg.eigh(curvature)
        return vector / np.sqrt(np.maximum(value, FLAT))

    def rise(self, x, held, above=None) -> tuple[float, np.ndarray]:
        """`minimum`, less the least of all."""
        value, x = self.minimum(x, held, above)
        return value - self.least, x

    def minimum(self, x, held=None, above=None) -> tuple[float, np.ndarray]:
        """The least deviance under constraints, and where; the search begins at x.

        Parameters
        ----------
        x : ndarray
        held : callable, optional
            Functions of x that are to be zero.
        above : callable, optional
            Functions of x that are not to be negative.

        Returns
        -------
        float
            NaN if none is found.
        ndarray
        """

        def objective(z):
            value, gradient = self.deviance(self.best + self._root @ z)
            if not np.isfinite(value):
                return IMPOSSIBLE, np.zeros_like(z)
            return (value - self.least) / 2, self._root.T @ gradient / 2

        def constraint(kind, f):
            def inside(z):
                return np.asarray(f(self.best + self._root @ z))

            return {"type": kind, "fun": inside, "jac": lambda z: slopes(inside, z, small).T}

        small = np.full(len(x), CONSTRAINT_STEP)
        kinds = (("eq", held), ("ineq", above))
        found = slsqp(
            objective,
            np.clip(np.linalg.solve(self._root, x - self.best), -FAR, FAR),
            jac=True,
            method="SLSQP",
            bounds=[(-FAR, FAR)] * len(x),
            constraints=[constraint(kind, f) for kind, f in kinds if f is not None],
            options={"ftol": TOLERANCE, "maxiter": 100},
        )
        x, value = self.best + self._root @ found.x, self.least + 2 * found.fun
        if found.fun >= IMPOSSIBLE or (held is not None and np.abs(held(x)).max() > MISSED):
            return np.nan, x
        self.lowest = min(self.lowest, value)
        return value, x


def _places(model) -> dict:
    """The term of each standard deviation and correlation, and its one column or two."""
    places = {}
    for k, term in enumerate(model.reterms):
        for r, name in enumerate(term.cnames):
            places[f"sd_{name}|{term.group}"] = k, (r,)
        for i, j in combinations(range(term.p), 2):
            places[f"cor_{term.cnames[j]}.{term.cnames[i]}|{term.group}"] = k, (i, j)
    return places
