"""`Surface`: -2 log-likelihood about its minimum, and its minima under constraints.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.optimize import minimize as slsqp

from numbamm.inference.profiling.curve import Curve, walk
from numbamm.inference.profiling.leading import leading
from numbamm.inference.random.components import SHAPE, Components
from numbamm.optimize.differences import jacobian

#: Half-width of the central differences for the Hessian at the minimum; x is of order 1.
CURVATURE_STEP = 1e-4

#: Half-width of the central differences for gradients of constraints, in standard errors.
CONSTRAINT_STEP = 1e-5

#: A search ends when half of the deviance changes by less than this.
TOLERANCE = 1e-8

#: Smallest curvature of half the deviance by which searches and steps are scaled.
FLAT = 1.0

#: Directions of less curvature are not determined: differences of gradients have errors not far
#: below, and standard errors in x, which is of order 1, are beyond any range.
UNDETERMINED = 1e-3

#: Standard errors with more than this share from such directions are not known.
SHARE = 0.1

#: First step from a correlation of ±1, as a share of the squared standard error of its angle.
LEAST_STEP = 0.1

#: Effects with a smaller standard deviation, relative to σ in a typical row, have no correlation.
VANISHED = 1e-6

#: Entries of T⁻¹ below this share of the largest in their row are rounding errors.
ROUNDING = 1e-13

#: How far a search may go, in standard errors.
FAR = 1e3

#: Increase of half the deviance that is reported to the search where there is no deviance.
IMPOSSIBLE = 1e10

#: Largest violation of a constraint, as a share of the parameter's scale.
MISSED = 1e-6


class Surface(ABC):
    """-2 log-likelihood as a function of a vector x, whose last elements are the scaled θ.

    Minima under constraints are found by sequential quadratic programming (Kraft, 1988), in the
    coordinates z = R⁻¹(x - x̂) with RR' twice the inverse of the Hessian at the minimum x̂. In them
    half of the deviance is about ½|z|², so that the first step of a search is the one that the
    curvature predicts.

    Attributes
    ----------
    best : ndarray
        The minimum x̂.
    least : float
        The deviance at x̂.
    lowest : float
        The lowest deviance of all points that searches ended at.
    """

    def __init__(self, model, best) -> None:
        """Find the minimum; subclasses call this when `deviance` can be evaluated."""
        self.model, self._places = model, _places(model)
        self._components = Components.of(model)
        self._theta_names = [f"theta_{name}" for name in model.theta_names]
        self.best = best
        self.least = self.lowest = self.deviance(best)[0]
        self._root, self._flatness = self._whitening()
        self.least, self.best = self.minimum(best)

    @abstractmethod
    def deviance(self, x) -> tuple[float, np.ndarray]:
        """-2 log-likelihood and its gradient; NaN if they do not exist at x."""

    @abstractmethod
    def sigma(self, x) -> float:
        """σ, or √φ for generalized models."""

    @property
    @abstractmethod
    def sizes(self) -> dict:
        """Functions that compute σ or the shape from x, by name; empty if x determines neither."""

    @abstractmethod
    def coefficients(self, points) -> np.ndarray:
        """The kept coefficients at several x, a row for each; NaN if x does not tell."""

    @abstractmethod
    def coefficient_curve(self, j: int, reach: float) -> Curve:
        """The profile of the j-th kept coefficient."""

    # ---- parameters ----------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names of all parameters that have profiles."""
        return [*self.sizes, *self._components.names, *self.model.kept_coefficients]

    def parameters(self, points) -> np.ndarray:
        """All parameters in the order of `names` at several x, a row for each."""
        sizes = np.array([[size(x) for size in self.sizes.values()] for x in points])
        sigma = np.array([self.sigma(x) for x in points])
        theta = np.array([self.user_theta(x) for x in points])
        return self._in_order(sizes, sigma, theta, self.coefficients(points))

    def _in_order(self, sizes, sigma, theta, beta) -> np.ndarray:
        """All parameters in the order of `names`, from what they follow from, row by row."""
        return np.hstack([sizes, self._components.values(theta, sigma), beta])

    def _scaled_theta(self, x) -> np.ndarray:
        """The scaled θ, a view of x."""
        return x[len(x) - len(self._theta_names) :]

    def user_theta(self, x) -> np.ndarray:
        """θ of the user's columns."""
        return self.model.scaled.to_user(self._scaled_theta(x))

    def theta_values(self, x) -> np.ndarray:
        """θ as the model has them."""
        return self.user_theta(x)

    def curve(self, name: str, reach: float) -> Curve:
        """The profile of one parameter up to |ζ| = reach."""
        if name in self.sizes:
            return self._size_curve(name, reach)
        if name in self._theta_names:
            return self._theta_curve(name, reach)
        if name in self._places:
            return self._component_curve(name, reach)
        if self.model.composition is not None and name in self.model.part_lines.names:
            return self.part_curve(name, reach)
        return self.coefficient_curve(self.model.kept_coefficients.index(name), reach)

    def _size_curve(self, name: str, reach: float) -> Curve:
        """The profile of σ or the shape, computed for its logarithm."""
        value = self.sizes[name]
        bounds = (
            np.log(self.model.family_record.shape_range) if name == SHAPE else (-np.inf, np.inf)
        )
        curve = self.smooth_curve(lambda x: np.log(value(x)), bounds, reach)
        upper = (
            np.nan if np.isnan(curve.upper) else np.inf
        )  # an infinite shape: a Poisson distribution
        lower, estimate = np.exp([curve.lower, curve.estimate])
        if name == SHAPE and np.isinf(self.model.shape):
            estimate = np.inf
        return Curve(estimate, np.exp(curve.values), curve.zeta, lower, upper, curve.others)

    def _theta_curve(self, name: str, reach: float) -> Curve:
        """The profile of an element of θ."""
        k = self._theta_names.index(name)
        diagonal = np.flatnonzero(self.model.scaled.structure.lowerbd == 0)
        bounds = (0.0 if k in diagonal else -np.inf, np.inf)

        def value(x):
            return self.theta_values(x)[k]

        def diagonal_entries(x):
            return self._scaled_theta(x)[diagonal]

        # Without the constraint a search could change the sign of a whole column of λ.
        return self.smooth_curve(value, bounds, reach, above=diagonal_entries)

    def smooth_curve(self, value, bounds, reach: float, above=None) -> Curve:
        """The profile of a function of x that is differentiable everywhere."""
        estimate, scale = value(self.best), self._scale(value)

        def rise(v, x):
            return self.rise(x, lambda y: [(value(y) - v) / scale], above)

        return walk(rise, self.best, estimate, 0.3 * scale, bounds, reach, others=self.parameters)

    def _component_curve(self, name: str, reach: float) -> Curve:
        """The profile of a standard deviation or correlation, with its columns put first."""
        k, lead = self._places[name]
        if isinstance(lead, int):
            return self._shape_curve(k, lead, reach)
        term, scalings = self.model.reterms[k], list(self.model.scalings)
        if not term.structure.is_linear:
            return self._smooth_component_curve(k, list(lead), reach)
        changed = leading(term, scalings[k], lead, self.model.scaled.root)
        surface = self
        if changed is not None:
            scalings[k] = changed
            surface = type(self)(self.model.in_columns(scalings))
        rows = [surface._row(k, r) for r in lead]
        if len(lead) == 1:
            curve = surface._sd_curve(*rows, reach)
        else:
            sizes = term.root_mean_squares(self.model.scaled.root)
            rows = [row * sizes[r] for row, r in zip(rows, lead, strict=True)]
            curve = surface._correlation_curve(*rows, reach)
        self.lowest = min(self.lowest, surface.lowest)
        return curve

    def _smooth_component_curve(self, k: int, lead: list[int], reach: float) -> Curve:
        """The same where λ is no linear function of θ, whose effects are never without variance."""
        joint, to_user = self.model.scaled.structure, self.model.scaled.to_user

        def value(x):
            rows = joint.matrices(to_user(self._scaled_theta(x)))[k][lead]
            sizes = np.linalg.norm(rows, axis=1)
            if len(lead) == 1:
                return self.sigma(x) * sizes[0]
            return rows[0] @ rows[1] / sizes.prod()

        bounds = (0.0, np.inf) if len(lead) == 1 else (-1.0, 1.0)
        return self.smooth_curve(value, bounds, reach)

    def _shape_curve(self, k: int, i: int, reach: float) -> Curve:
        """The profile of the i-th shape of a term's structure: a correlation, a range, ..."""
        structure, scaled = self.model.reterms[k].structure, self.model.scaled
        shape = structure.shapes[i]

        def value(x):
            own = scaled.structure.split(scaled.to_user(self._scaled_theta(x)))[k]
            return structure.shape_values(own)[i]

        if not np.isinf(shape.upper):
            return self.smooth_curve(value, (shape.lower, shape.upper), reach)
        curve = self.smooth_curve(lambda x: np.log(value(x)), (-np.inf, np.inf), reach)
        lower, upper, estimate = np.exp([curve.lower, curve.upper, curve.estimate])
        return Curve(estimate, np.exp(curve.values), curve.zeta, lower, upper, curve.others)

    def _row(self, k: int, r: int) -> np.ndarray:
        """The matrix that maps x to a row of the user's λ_k up to rotation, without zero rows."""
        term, scaling = self.model.reterms[k], self.model.scalings[k]
        back = np.eye(term.p) if scaling is None else np.linalg.inv(scaling.T)
        entries = np.where(np.abs(back[r]) > ROUNDING * np.abs(back[r]).max(), back[r], 0.0)
        row, column = divmod(term.structure.entries, term.p)
        by_entry = np.zeros((term.p, len(row)))
        by_entry[column, np.arange(len(row))] = entries[row]
        x = np.arange(len(self.best))
        columns = self.model.scaled.structure.split(self._scaled_theta(x))[k]
        matrix = np.zeros((term.p, len(x)))
        matrix[:, columns] = by_entry @ term.structure.jacobian(term.theta)
        return matrix[matrix.any(axis=1)]

    def _sd_curve(self, row, reach: float) -> Curve:
        """The profile of a standard deviation: σ times the one entry of its row of λ."""
        [entry] = row
        sign = -1.0 if entry @ self.best < 0 else 1.0

        def value(x):
            return sign * self.sigma(x) * (entry @ x)

        return self.smooth_curve(value, (0.0, np.inf), reach)

    def _correlation_curve(self, one, two, reach: float) -> Curve:
        """The profile of the cosine of two rows of λ, (a, 0) and (b, c); a and c keep signs."""
        one, two = (one, two) if len(one) == 1 else (two, one)
        signs = np.where(np.array([one[0], two[1]]) @ self.best < 0, -1.0, 1.0)

        def parts(x):
            a, (b, c) = one[0] @ x, two @ x
            return signs[0] * a, signs[0] * b, signs[1] * c

        def value(x):
            a, b, c = parts(x)
            return b / np.hypot(b, c) if min(a, np.hypot(b, c)) > VANISHED else np.nan

        estimate = value(self.best)
        if not np.isfinite(estimate):
            return Curve(estimate, np.array([]), np.array([]), np.nan, np.nan)
        _, b, c = parts(self.best)
        size = np.hypot(b, c)
        angle = min(1.0, self._scale(lambda x: (c * parts(x)[1] - b * parts(x)[2]) / size**2))

        def violation(x, v):
            _, b, c = parts(x)
            return [(np.sqrt(1 - v**2) * b - v * c) / (size * angle)]

        def signed(x):
            return np.array(parts(x))[[0, 2]]

        # Where one of the variances is zero the correlation can have any value.
        at_zero = [self.rise(self.best, lambda y, row=row: row @ y)[0] for row in (one, two)]
        ceiling = np.fmin.reduce([np.inf, *at_zero])

        def rise(v, x):
            value_and_x = self.rise(x, lambda y: violation(y, v), above=signed)
            return (ceiling, x) if value_and_x[0] > ceiling else value_and_x

        step = max(0.3 * angle * c / size, LEAST_STEP * angle**2)
        around = {"closed": False, "others": self.parameters}
        return walk(rise, self.best, estimate, step, (-1.0, 1.0), reach, **around)

    def _scale(self, value) -> float:
        """The change of a function of x in a step of a search: its standard error, if not flat."""
        return float(np.linalg.norm(self._slopes(value, self.best)))

    def standard_errors(self, values) -> np.ndarray:
        """Standard errors of functions of x, by the curvature at the minimum.

        NaN where the curvature does not determine them.
        """
        flatness, slopes = self._flatness, self._slopes(values, self.best)
        parts = (slopes.T * flatness).T
        errors = np.linalg.norm(parts, axis=0)
        unknown = np.linalg.norm(parts[flatness >= np.sqrt(FLAT / UNDETERMINED)], axis=0)
        return np.where(unknown > SHARE * errors, np.nan, errors)

    def _slopes(self, values, x) -> np.ndarray:
        """Derivatives of functions of x by the coordinates z, shape (length of z, ...)."""
        changes = [values(x + h) - values(x - h) for h in CONSTRAINT_STEP * self._root.T]
        return np.array(changes) / (2 * CONSTRAINT_STEP)

    # ---- the search ------------------------------------------------------------------------------

    def _whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrix R of the coordinates z, and their standard errors: 1 unless they are flat."""
        step = np.full(len(self.best), CURVATURE_STEP)
        curvature = jacobian(lambda x: self.deviance(x)[1], self.best, step) / 2
        if not np.isfinite(curvature).all():  # next to points without a deviance
            return np.eye(len(step)), np.full(len(step), np.nan)
        value, vector = np.linalg.eigh(curvature)
        scaled = np.maximum(value, FLAT)
        flatness = np.sqrt(scaled / np.maximum(value, UNDETERMINED))
        return vector / np.sqrt(scaled), flatness

    def rise(self, x, held, above=None) -> tuple[float, np.ndarray]:
        """The increase of the deviance at a constrained minimum over `least`, and the minimum.

        Parameters are those of `minimum`.
        """
        value, x = self.minimum(x, held, above)
        return value - self.least, x

    def minimum(self, x, held=None, above=None) -> tuple[float, np.ndarray]:
        """Minimise the deviance under constraints; the search begins at x.

        Parameters
        ----------
        x : ndarray
        held : callable, optional
            Functions of x that must be zero.
        above : callable, optional
            Functions of x that must not be negative.

        Returns
        -------
        deviance : float
            NaN if no minimum is found.
        x : ndarray
        """

        def at(z):
            return self.best + self._root @ z

        def objective(z):
            value, gradient = self.deviance(at(z))
            if not np.isfinite(value):
                return IMPOSSIBLE, np.zeros_like(z)
            return (value - self.least) / 2, self._root.T @ gradient / 2

        def constraint(kind, f):
            def values(x):
                return np.asarray(f(x))

            def gradients(z):
                return self._slopes(values, at(z)).T

            return {"type": kind, "fun": lambda z: values(at(z)), "jac": gradients}

        kinds = (("eq", held), ("ineq", above))
        result = slsqp(
            objective,
            np.clip(np.linalg.solve(self._root, x - self.best), -FAR, FAR),
            jac=True,
            method="SLSQP",
            bounds=[(-FAR, FAR)] * len(x),
            constraints=[constraint(kind, f) for kind, f in kinds if f is not None],
            options={"ftol": TOLERANCE, "maxiter": 100},
        )
        x, value = at(result.x), self.least + 2 * result.fun
        if result.fun >= IMPOSSIBLE or (held is not None and np.abs(held(x)).max() > MISSED):
            return np.nan, x
        self.lowest = min(self.lowest, value)
        return value, x


def _places(model) -> dict:
    """For each standard deviation and correlation the number of its term and its columns.

    For each shape, the number of its term and its own.
    """
    places: dict = {}
    for k, component in enumerate(Components.of(model).terms):
        places |= {name: (k, lead) for name, lead in component.leads}
        places |= {name: (k, i) for i, name in enumerate(component.shapes)}
    return places
