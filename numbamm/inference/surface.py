"""`Surface`: -2 log-likelihood about its minimum, and its minima where something is held."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.optimize import minimize as slsqp

from numbamm.inference.components import SHAPE, Components
from numbamm.inference.curve import Curve, walk
from numbamm.inference.rows import rows_of_lambda
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

#: The scale of a correlation, or of a standard deviation over σ in a typical row, where the
#: curvature at the minimum gives less than this share of it.
COARSE, NO_SLOPE = 0.1, 1e-6

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
        self.model, self._components = model, Components.of(model)
        self._rows, self._correlations = rows_of_lambda(model)
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
        """What is said of the response besides its mean: functions of x by name."""

    @property
    @abstractmethod
    def coefficients(self) -> list[str]:
        """Names of the coefficients that can be profiled."""

    @abstractmethod
    def coefficient_curve(self, name: str, reach: float) -> Curve:
        """The profile of one coefficient."""

    # ---- parameters ----------------------------------------------------------------------------

    @property
    def components(self) -> list[str]:
        """Names of the standard deviations and correlations."""
        return self._components.names

    @property
    def names(self) -> list[str]:
        """All parameters but θ, of which the standard deviations and correlations tell."""
        return [*self.sizes, *self.components, *self.coefficients]

    @property
    def theta_names(self) -> list[str]:
        """Names of θ."""
        return self._theta_names

    def _inside(self, x) -> np.ndarray:
        """θ of the columns inside, a view of x."""
        return x[len(x) - len(self._theta_names) :]

    def curve(self, name: str, reach: float) -> Curve:
        """The profile of one parameter, as far as |ζ| = reach."""
        if name in self.sizes:
            return self._size_curve(name, reach)
        if name in self._theta_names:
            return self._theta_curve(name, reach)
        if name in self._rows:
            return self._sd_curve(name, reach)
        if name in self._correlations:
            return self._correlation_curve(name, reach)
        return self.coefficient_curve(name, reach)

    def _size_curve(self, name: str, reach: float) -> Curve:
        """Of σ or the shape, along its logarithm."""
        value = self.sizes[name]
        bounds = np.log(SHAPE_RANGE) if name == SHAPE else (-np.inf, np.inf)
        curve = self.smooth_curve(lambda x: np.log(value(x)), bounds, reach)
        upper = np.nan if np.isnan(curve.upper) else np.inf  # a Poisson distribution
        lower, estimate = np.exp([curve.lower, curve.estimate])
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

    def _sd_curve(self, name: str, reach: float) -> Curve:
        row = self._rows[name]

        def value(x):
            return self.sigma(x) * np.linalg.norm(row.of(self._inside(x)))

        own = value(self.best)
        scale = self._scale(value, COARSE * self.sigma(self.best) / row.size)

        def rise(v, x):
            if v == 0.0:
                return self.rise(x, lambda y: row.of(self._inside(y)))
            start = x.copy()
            self._inside(start)[:] = row.stretched(self._inside(x), v / self.sigma(x))
            return self.rise(start, lambda y: [(value(y) - v) / scale])

        return walk(rise, self.best, own, 0.3 * scale, (0.0, np.inf), reach)

    def _correlation_curve(self, name: str, reach: float) -> Curve:
        pair = self._correlations[name]

        def product(x):
            a, b = (row.matrix @ self._inside(x) for row in pair)
            return a @ b, np.linalg.norm(a) * np.linalg.norm(b)

        def value(x):
            inner, lengths = product(x)
            return inner / lengths if lengths > 0 else np.nan

        own = value(self.best)
        if not np.isfinite(own):
            return Curve(own, np.array([]), np.array([]), np.nan, np.nan)
        own = float(np.clip(own, -1.0, 1.0))
        scale = self._scale(value, COARSE)
        unit = scale * product(self.best)[1]

        def missed(x, v):  # nothing where a variance vanishes, for there it can be anything
            inner, lengths = product(x)
            return [(inner - v * lengths) / unit]

        without = [self.rise(self.best, lambda y, r=r: r.of(self._inside(y)))[0] for r in pair]
        ceiling, at_ceiling = np.fmin.reduce([np.inf, *without]), set()

        def rise(v, x):
            side = v > own
            if side in at_ceiling:  # no limit is beyond
                return ceiling, x
            start = x.copy()
            self._inside(start)[:] = pair[1].turned(self._inside(x), pair[0], v)
            found = self.rise(start, lambda y: missed(y, v))
            if found[0] > ceiling - TOLERANCE:
                at_ceiling.add(side)
                return ceiling, x
            return found

        return walk(rise, self.best, own, 0.3 * scale, (-1.0, 1.0), reach, closed=False)

    def _scale(self, value, coarse: float = 0.0) -> float:
        """The standard error of a function of x, by the curvature at the minimum.

        The coarse one where the function has next to no slope there, as at a standard deviation
        of 0 or a correlation of ±1.
        """
        step = np.full(len(self.best), CONSTRAINT_STEP)
        inside = slopes(lambda z: value(self.best + self._root @ z), np.zeros(len(step)), step)
        scale = float(np.linalg.norm(inside))
        return scale if scale > NO_SLOPE * coarse else coarse

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
