"""`GeneralizedSpace`: -2 log-likelihood of a generalized mixed model in scaled coordinates.

Coordinates are those of `LaplaceObjective`: coefficients of the orthogonal basis, whitened where a
root of their covariance is known, the logarithm of the dispersion or the shape, and the scaled θ.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from numbamm.models.spaces.laplace import LaplaceObjective, gamma_covariance
from numbamm.models.spaces.model_space import STEP, ModelSpace
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.optimize.differences import hessian, slopes
from numbamm.optimize.local_minimum import Certificate

#: About the standard error of log shape and log φ.
LOG_SCALE = 0.3
#: Half-width of second differences of the objective itself, in units of `GeneralizedSpace.scales`;
#: first differences this far apart would put the zero of the gradient beside the minimum.
COARSE_STEP = 0.02


class GeneralizedSpace(ModelSpace):
    """What a fast fit, or a full one, of a generalized model searches.

    Parameters
    ----------
    laplace : LaplaceObjective
    scaled : ScaledTerms
    to_basis : ndarray, shape (rank, rank)
        β = to_basis @ γ.
    work : float
        Operations of one evaluation, about.
    to_psi : ndarray, optional
        The matrix that takes ψ of scaled coordinates to that of users.

    Attributes
    ----------
    laplace : LaplaceObjective
    parameters : Parameters
        Of a fast fit or of a full one.
    """

    def __init__(
        self,
        laplace: LaplaceObjective,
        scaled: ScaledTerms,
        to_basis: np.ndarray,
        work: float,
        to_psi: np.ndarray | None = None,
    ) -> None:
        self.parameters = laplace.parameters
        ntheta = len(self.parameters.theta)
        super().__init__(scaled, before=len(self.parameters.names) - ntheta)
        self.laplace, self._work = laplace, work
        self.is_scaled = not self.parameters.fast or scaled.is_changed or to_psi is not None
        self._to_psi = to_psi
        self._from_psi = None if to_psi is None else np.linalg.inv(to_psi)
        self._to_beta = to_basis if laplace.root is None else to_basis @ laplace.root

    @cached_property
    def _from_beta(self) -> np.ndarray:
        return np.linalg.inv(self._to_beta)

    @property
    def work(self) -> float:
        return self._work

    @property
    def gradient(self):
        """That of the Laplace approximation; none through quadrature, and by passes over rows."""
        known = self.laplace.nagq == 1 and self.laplace.modes.has_gradient
        return self.laplace.gradient if known else None

    def objective(self, z: np.ndarray) -> float:
        return self.laplace(z)

    def to_scaled(self, x: np.ndarray) -> np.ndarray:
        psi = None if self._to_psi is None else self._from_psi.__matmul__
        return self.parameters.changed(x, self._from_beta.__matmul__, self.scaled.to_scaled, psi)

    def to_user(self, z: np.ndarray) -> np.ndarray:
        psi = None if self._to_psi is None else self._to_psi.__matmul__
        return self.parameters.changed(z, self._to_beta.__matmul__, self.scaled.to_user, psi)

    def certify(self, z: np.ndarray) -> Certificate | None:
        """The certificate by the Laplace approximation, if some λ is singular at z."""
        if self.laplace.nagq > 1 or not self.scaled.lacks_rank(z[self._before :]):
            return None
        certificate = Certificate(*self.laplace.certify(z))
        return certificate if np.isfinite(certificate.value) else None

    def scales(self, z: np.ndarray) -> np.ndarray:
        scales, rank = np.full(len(z), LOG_SCALE), len(self.parameters.beta)
        scales[:rank] = 1.0
        if rank and self.laplace.root is None:
            _, at = self.laplace.at(z)
            scales[:rank] = np.sqrt(np.diag(gamma_covariance(self.laplace.modes, at)))
        theta = np.abs(z[self._before :])
        scales[self._before :] = np.maximum(theta, 0.1 / self.scaled.theta_sizes)
        return scales

    def derivatives(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian at z; by differences of the objective itself with quadrature."""
        if self.gradient is not None:
            return super().derivatives(z)
        f, scales = self.objective, self.scales(z)
        return slopes(f, z, STEP * scales), hessian(f, z, COARSE_STEP * scales)

    def user_gradient(self, x: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        theta = x[self._before :]
        psi = None if self._to_psi is None else self._from_psi.T.__matmul__
        return self.parameters.changed(
            slopes,
            self._from_beta.T.__matmul__,
            lambda at: self.scaled.user_gradient(theta, at),
            psi,
        )
