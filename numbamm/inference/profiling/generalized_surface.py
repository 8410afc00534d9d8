"""`GeneralizedSurface`: -2 log-likelihood of a generalized mixed model about its minimum."""

from __future__ import annotations

import numpy as np

from numbamm.inference.profiling.curve import Curve
from numbamm.inference.profiling.surface import Surface
from numbamm.inference.random.components import SHAPE, SIGMA
from numbamm.models.spaces.parameters import LOG_DISPERSION, LOG_SHAPE
from numbamm.optimize.differences import slopes

#: Half-width of central differences of an objective by quadrature; x is scaled to order 1.
QUADRATURE_STEP = 1e-3


class GeneralizedSurface(Surface):
    """x consists of β, the logarithm of φ or of the shape, and θ; in a fast fit, without β and φ.

    The part for β is R⁻¹γ, with γ the coefficients of the scaled columns and RR' their covariance.
    """

    @classmethod
    def of(cls, model) -> GeneralizedSurface:
        """The surface of a fitted model."""
        return cls(model)

    def __init__(self, model) -> None:
        self._space, point = model.whitened_space()
        parameters, root = self._space.parameters, self._space.laplace.root
        if parameters.nuisance == LOG_SHAPE:  # an infinite shape has a profile, too
            point = point._replace(shape=min(point.shape, parameters.shape_range[1]))
        self._nuisance, self._rank = parameters.nuisance, len(parameters.beta)
        self._to_beta = None if root is None else model.basis_to_coefficients @ root
        head = [] if root is None else np.linalg.solve(root, point.beta)
        between = parameters.coordinates(point)
        super().__init__(model, np.concatenate([head, between, point.theta]))

    @property
    def sizes(self) -> dict:
        if self._nuisance == LOG_SHAPE:
            return {SHAPE: lambda x: float(np.exp(x[self._rank]))}
        return {SIGMA: self.sigma} if self._nuisance == LOG_DISPERSION else {}

    def sigma(self, x) -> float:
        return float(np.exp(x[self._rank] / 2)) if self._nuisance == LOG_DISPERSION else 1.0

    def deviance(self, x) -> tuple[float, np.ndarray]:
        if self._space.gradient is not None:
            return self._space.gradient(x)
        objective = self._space.objective
        return objective(x), slopes(objective, x, np.full(len(x), QUADRATURE_STEP))

    def coefficients(self, points) -> np.ndarray:
        if self._to_beta is None:
            return np.full((len(points), self.model.feterm.rank), np.nan)
        return np.array(points)[:, : self._rank] @ self._to_beta.T

    def part_curve(self, name: str, reach: float) -> Curve:
        """The profile of a coefficient of another part than the mean's."""
        lines = self.model.part_lines
        row, at = lines.to_user[lines.names.index(name)], slice(self._rank, self._rank + lines.size)
        return self.smooth_curve(lambda x: row @ x[at], (-np.inf, np.inf), reach)

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        row = self._to_beta[j]
        return self.smooth_curve(lambda x: row @ x[: self._rank], (-np.inf, np.inf), reach)
