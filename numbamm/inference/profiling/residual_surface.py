"""`ResidualSurface`: -2 log-likelihood of a linear model whose residuals have a covariance R(φ)."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError
from numbamm.inference.profiling.curve import Curve
from numbamm.inference.profiling.linear_surface import LinearSurface
from numbamm.inference.random.components import SIGMA
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.models.linear_estimates import coefficients

#: Columns of log d with less of their own, of one, are taken as they are.
DEPENDENT = 1e-12

#: Logarithms this far from the estimate are no part of a profile: squares of values overflow.
FARTHEST = 100.0


def surface_of(model) -> type[LinearSurface]:
    """The kind of surface of a linear model."""
    return LinearSurface if model.residual_side is None else ResidualSurface


class ResidualSurface(LinearSurface):
    """x consists of log σ, unless σ is given, φ, and θ; β is optimised for each x.

    In x, σ is the standard deviation of a typical row, and θ are relative to it; φ are in
    coordinates in which columns of log d are uncorrelated and of size one. So x is of order 1 and
    its elements hardly depend on each other, however far from zero the covariates of standard
    deviations are, and whatever their units.
    """

    def __init__(self, model) -> None:
        self._side = model.residual_side
        self._residual = ResidualParameters(self._side)
        self._powers = model.scaled.structure.scale_powers
        self._given = model.estimates.sigma if model.estimates.sigma_given else None
        self._to_x = self._coordinates()
        self._to_phi = np.linalg.inv(self._to_x)
        super().__init__(model)

    def _start(self, model) -> np.ndarray:
        side, theta = self._side, model.scaled.to_scaled(model.theta)
        shift = self._shift(side.phi)
        sigma = [] if self._given else [np.log(model.sigma) + shift]
        return np.concatenate([sigma, self._to_x @ side.phi, theta * np.exp(-shift * self._powers)])

    def _coordinates(self) -> np.ndarray:
        """The matrix T of the coordinates Tφ, with T'T the mean squares of the columns of log d.

        Columns are about their means, unless σ is given. So interactions with covariates far from
        zero are told from main effects.
        """
        side, k = self._side, self._side.scales.size
        T = np.diag(side.sizes)
        W = side.scales.slopes(side.phi[:k]).T
        if not self._given:
            W = W - W.mean(axis=0)
        root: np.ndarray = np.asarray(np.linalg.qr(W / np.sqrt(len(W)), mode="r"))
        if root.shape == (k, k) and (np.abs(np.diag(root)) > DEPENDENT * W.std(axis=0)).all():
            T[:k, :k] = root
        return T

    def _shift(self, phi) -> float:
        """The logarithm of a typical row's standard deviation over σ."""
        return 0.0 if self._given else self._side.shift(phi)

    def user_sigma(self, x) -> float:
        """σ of rows with d = 1."""
        return self.sigma(x) * float(np.exp(-self._shift(self.phi(x))))

    def _relative_theta(self, x) -> np.ndarray:
        """The scaled θ, relative to σ of rows with d = 1."""
        return self._scaled_theta(x) * np.exp(self._shift(self.phi(x)) * self._powers)

    def theta_values(self, x) -> np.ndarray:
        return self.model.scaled.to_user(self._relative_theta(x))

    @property
    def sizes(self) -> dict:
        """Without σ where it is one of the residuals' standard deviations."""
        return {} if self._given or self._residual.has_sds else {SIGMA: self.user_sigma}

    @property
    def names(self) -> list[str]:
        return [*self.sizes, *self._residual.names, *super().names[len(self.sizes) :]]

    def phi(self, x) -> np.ndarray:
        """φ at x."""
        first = 0 if self._given else 1
        return self._to_phi @ x[first : first + self._side.size]

    def deviance(self, x) -> tuple[float, np.ndarray]:
        sigma, n, phi = self.user_sigma(x), self.model.degrees, self.phi(x)
        at = self._side.rows.at(phi)
        if at is None:
            return np.nan, np.full(len(x), np.nan)
        theta = np.ascontiguousarray(self._relative_theta(x))
        scaled = sigma / self._scale_of_y
        value, gradient = at.objective_gradient(theta, *self._criterion, scaled)
        by_phi, by_theta = np.split(gradient, [self._side.size])
        if self._given:
            return value, np.concatenate([self._to_phi.T @ by_phi, by_theta])
        r = self._scale_of_y * at.tail.residual_norm()
        by_sigma = 2 * n - 2 * (r / sigma) ** 2
        by_shift = by_theta @ (theta * self._powers) - by_sigma
        by_phi = self._to_phi.T @ (by_phi + by_shift * self._side.shift_slopes(phi))
        by_theta = by_theta * np.exp(self._shift(phi) * self._powers)
        return value, np.concatenate([[by_sigma], by_phi, by_theta])

    def residual_values(self, x) -> np.ndarray:
        """The parameters of the residuals."""
        return self._residual.values(self.phi(x), self.user_sigma(x))

    def parameters(self, points) -> np.ndarray:
        sizes = np.array([[size(x) for size in self.sizes.values()] for x in points])
        sigma = np.array([self.user_sigma(x) for x in points])
        both = np.array([np.concatenate([self.phi(x), self.theta_values(x)]) for x in points])
        return self._in_order(sizes, sigma, both, self.coefficients(points))

    def _in_order(self, sizes, sigma, both, beta) -> np.ndarray:
        """As in the base class, with φ before θ."""
        phi, theta = np.split(both, [self._side.size], axis=1)
        pairs = zip(phi, sigma, strict=True)
        own = np.array([self._residual.values(line, s) for line, s in pairs])
        return np.hstack([sizes, own, self._components.values(theta, sigma), beta])

    def coefficients(self, points) -> np.ndarray:
        """Coefficients at several x; A of the model is that at its own φ, and stays."""
        gammas = []
        for x in points:
            tail = self._side.rows.at(self.phi(x)).tail
            tail.factorize(np.ascontiguousarray(self._relative_theta(x)))
            gammas.append(tail.solve().gamma)
        return coefficients(self.model, np.array(gammas))[1]

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        if self._side.texts.uses_fitted:
            raise OptionError(
                'a coefficient has no profile with dispersion="power(fitted)", since other '
                "coefficients have other fitted means: profile the other parameters, or take "
                'conf_int(method="wald")'
            )
        return super().coefficient_curve(j, reach)

    def curve(self, name: str, reach: float) -> Curve:
        if name not in self._residual.names:
            return super().curve(name, reach)
        k = self._residual.names.index(name)
        lower, upper = self._residual.bounds[k]

        def value(x):
            return self.residual_values(x)[k]

        if not (lower == 0 and np.isinf(upper)):
            return self.smooth_curve(value, (lower, upper), reach)
        curve = self.smooth_curve(lambda x: np.log(value(x)), (-np.inf, np.inf), reach)
        low, high, estimate = np.exp([curve.lower, curve.upper, curve.estimate])
        near = np.abs(curve.values - curve.estimate) < FARTHEST
        others = None if curve.others is None else curve.others[near]
        return Curve(estimate, np.exp(curve.values[near]), curve.zeta[near], low, high, others)
