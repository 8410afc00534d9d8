"""`Surface`: -2 log-likelihood about its minimum, and its minima where something is held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import numpy as np
from scipy.optimize import minimize as slsqp

from numbamm.inference.components import Components
from numbamm.inference.curve import Curve, walk
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

#: How far a search may go, in standard errors, before steps are taken for runaways.
FAR = 1e3

#: The rise of half the deviance that stands for no deviance at all.
IMPOSSIBLE = 1e10

#: By how much a constraint may be missed, as a share of the parameter's scale.
MISSED = 1e-6

SIGMA, SHAPE = "sigma", "shape"


class Surface(ABC):
    """-2 log-likelihood as a function of a vector x, which ends with θ of the columns inside.

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

    def theta(self, x) -> np.ndarray:
        """θ of the user's columns, each column of λ beginning positive."""
        theta = self.model._outward(x[len(x) - len(self._theta_names) :])
        return self._components.rectified(theta[None])[0]

    def curve(self, name: str, reach: float) -> Curve:
        """The profile of one parameter, as far as |ζ| = reach."""
        if name in self.sizes:
            return self._size_curve(name, reach)
        if name in self._theta_names:
            return self._theta_curve(name, reach)
        if name in self.components:
            return self._component_curve(name, reach)
        return self.coefficient_curve(name, reach)

    def _size_curve(self, name: str, reach: float) -> Curve:
        """Of σ or the shape, along its logarithm."""
        value = self.sizes[name]
        bounds = np.log(SHAPE_RANGE) if name == SHAPE else (-np.inf, np.inf)
        curve = self.smooth_curve(lambda x: np.log(value(x)), bounds, reach)
        lower, upper = SHAPE_RANGE if name == SHAPE else (0.0, np.inf)
        return Curve(np.exp(curve.estimate), np.exp(curve.values), curve.zeta, lower, upper)

    def _theta_curve(self, name: str, reach: float) -> Curve:
        k = self._theta_names.index(name)
        diagonal = np.flatnonzero(self.model._lowerbd == 0)
        bounds = (0.0 if k in diagonal else -np.inf, np.inf)

        def inside(x):
            return x[len(x) - len(self._theta_names) :]

        def value(x):
            return self.theta(x)[k] if any(self.model.scalings) else inside(x)[k]

        # no diagonal is to be negative, for else a column of λ may change its sign
        return self.smooth_curve(value, bounds, reach, above=lambda x: inside(x)[diagonal])

    def smooth_curve(self, value, bounds, reach: float, above=None) -> Curve:
        """Of a function of x that has a gradient everywhere."""
        own, scale = value(self.best), self._scale(value)

        def rise(v, x):
            return self.rise(x, lambda y: [(value(y) - v) / scale], above)

        return walk(rise, self.best, own, 0.3 * scale, bounds, reach)

    def _component_curve(self, name: str, reach: float) -> Curve:
        """Of a standard deviation or a correlation."""
        k = self._components.names.index(name)
        own, correlation = self._values(self.best)[k], name.startswith("cor_")
        if not np.isfinite(own):
            return Curve(own, np.array([]), np.array([]), np.nan, np.nan)
        size = 1.0 if correlation else max(own, 0.1 * self.sigma(self.best))
        scale = np.clip(self._scale(lambda x: self._values(x)[k]), 0.05 * size, size)
        bounds = (-1.0, 1.0) if correlation else (0.0, np.inf)

        # a correlation can be anything where a variance vanishes
        ceiling = self._least_without_one(name) - self.least if correlation else np.inf

        def rise(v, x):
            if v == 0.0 and not correlation:
                return self.rise(x, partial(self._row, name))
            start = x if correlation else self._with_sd(x, name, k, v)
            found = self.rise(start, lambda y: [(self._values(y)[k] - v) / scale])
            return found if found[0] <= ceiling else (ceiling, x)

        return walk(rise, self.best, own, 0.3 * scale, bounds, reach, closed=not correlation)

    def _values(self, x) -> np.ndarray:
        """Standard deviations and correlations."""
        return self._components.values(self.theta(x)[None], np.array([self.sigma(x)]))[0]

    def _scale(self, value) -> float:
        """The standard error of a function of x, by the curvature at the minimum."""
        step = np.full(len(self.best), CONSTRAINT_STEP)
        inside = slopes(lambda z: value(self.best + self._root @ z), np.zeros(len(step)), step)
        return float(np.linalg.norm(inside))

    # ---- one row of λ ----------------------------------------------------------------------------

    def _row(self, name: str, x) -> np.ndarray:
        """What is zero where a standard deviation is: its row of λ, in the user's columns."""
        at, k, r = self._place(name)
        term, scaling = self.model.reterms[k], self.model.scalings[k]
        back = np.eye(term.p) if scaling is None else np.linalg.inv(scaling.T)
        pattern, lam = np.zeros((2, term.p, term.p))
        pattern.ravel()[term.inds] = 1.0
        lam.ravel()[term.inds] = x[len(x) - len(self._theta_names) + at :][: len(term.inds)]
        return (back[r] @ lam)[np.abs(back[r]) @ pattern > 0]

    def _place(self, name: str) -> tuple[int, int, int]:
        """Where a standard deviation's term begins in θ, the term's number, and the row of λ."""
        at = 0
        for k, term in enumerate(self._components.terms):
            for r, column in enumerate(term.names):
                if f"sd_{column}|{term.group}" == name:
                    return at, k, r
            at += len(term.inds)
        raise KeyError(name)

    def _with_sd(self, x, name: str, k: int, v: float) -> np.ndarray:
        """x with its row of λ stretched to a standard deviation."""
        at, term, r = self._place(name)
        inds = self.model.reterms[term].inds
        mine = at + np.flatnonzero(inds // self.model.reterms[term].p == r)
        theta, now = self.theta(x), self._values(x)[k]
        if now > 1e-3 * v:
            theta[mine] *= v / now
        else:  # the diagonal entry, the last of its row
            theta[mine[-1]] = v / self.sigma(x)
        x = x.copy()
        x[len(x) - len(theta) :] = self.model._inward(theta)
        return x

    def _least_without_one(self, name: str) -> float:
        """The least deviance with one of a correlation's two variances at zero."""
        pair, group = name.removeprefix("cor_").rsplit("|", 1)
        term = next(t for t in self._components.terms if t.group == group and pair in _pairs(t))
        return min(
            self.minimum(self.best, partial(self._row, f"sd_{one}|{group}"))[0]
            for one in _pairs(term)[pair]
        )

    # ---- the search ------------------------------------------------------------------------------

    def _whitening(self) -> np.ndarray:
        """R."""
        step = np.full(len(self.best), CURVATURE_STEP)
        curvature = jacobian(lambda x: self.deviance(x)[1], self.best, step) / 2
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


def _pairs(term) -> dict:
    """The names of a term's columns two by two, by what a correlation calls them."""
    return {f"{b}.{a}": (a, b) for j, b in enumerate(term.names) for a in term.names[:j]}
