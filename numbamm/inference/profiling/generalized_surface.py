"""`GeneralizedSurface`: -2 log-likelihood of a generalized mixed model in what it was fitted by."""

from __future__ import annotations

import numpy as np

from numbamm.inference.profiling.curve import Curve
from numbamm.inference.profiling.surface import Surface
from numbamm.inference.random.components import SHAPE, SIGMA
from numbamm.models.parameters import LOG_DISPERSION, LOG_SHAPE, SHAPE_RANGE
from numbamm.optimize.differences import slopes

#: Half-width of the differences through quadrature, in an x of ordinary size.
QUADRATURE_STEP = 1e-3


class GeneralizedSurface(Surface):
    """x is β, the logarithm of φ or of the shape, and θ; without β and φ for a fast fit.

    β stands there as coefficients of the columns inside, over a root of their covariance.
    """

    @classmethod
    def of(cls, model) -> GeneralizedSurface:
        """That of a model."""
        return cls(model)

    def __init__(self, model) -> None:
        fast, nagq = model.is_fast, model.estimates.nagq
        twin = model._twin()
        at = twin._at_estimates()
        root = None if fast else np.linalg.cholesky(twin._gamma_cov(at))
        parameters = model._parameters(fast)
        self._laplace = nagq == 1
        self._objective = model._objective(fast, nagq, root=root, parameters=parameters)
        shape = min(at.shape, SHAPE_RANGE[1])  # of an infinite one, too, there is a profile
        nuisance = {LOG_DISPERSION: [at.phi], LOG_SHAPE: [shape]}.get(parameters.nuisance, [])
        self._nuisance, self._rank = parameters.nuisance, len(parameters.beta)
        self._to_beta = None if fast else model.feterm.to_basis @ root
        head = [] if fast else np.linalg.solve(root, at.beta)
        super().__init__(model, np.concatenate([head, np.log(nuisance), at.theta]))

    @property
    def sizes(self) -> dict:
        if self._nuisance == LOG_SHAPE:
            return {SHAPE: lambda x: float(np.exp(x[self._rank]))}
        return {SIGMA: self.sigma} if self._nuisance == LOG_DISPERSION else {}

    def sigma(self, x) -> float:
        return float(np.exp(x[self._rank] / 2)) if self._nuisance == LOG_DISPERSION else 1.0

    def deviance(self, x) -> tuple[float, np.ndarray]:
        if self._laplace:
            return self._objective.gradient(x)
        return self._objective(x), slopes(self._objective, x, np.full(len(x), QUADRATURE_STEP))

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        row = self._to_beta[j]
        return self.smooth_curve(lambda x: row @ x[: self._rank], (-np.inf, np.inf), reach)
