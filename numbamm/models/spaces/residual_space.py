"""`ResidualSpace`: the criterion of a linear model with correlated residuals, in φ and θ."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from numbamm import config
from numbamm.blocks.search.structured import TrustSearch
from numbamm.errors import ConvergenceWarning, warn
from numbamm.models.spaces.model_space import ModelSpace
from numbamm.optimize.guard import LimitReached
from numbamm.optimize.local_minimum import Certificate
from numbamm.optimize.protocol import OwnSearch

TOLERANCES = config.OPTIONS["ftol_abs"].default, config.OPTIONS["ftol_rel"].default


#: More evaluations than this are needed only where the likelihood has no maximum: a few rows tell
#: all of a direction of C, and the criterion falls for ever, as its variance goes to zero.
MOST = 300
#: Where rounding errors of the criterion are larger, and so much larger than at the start of φ, it
#: counts as infinite: R is nearly singular there, and differences are of rounding errors.
LOST, WORSE = 1e-4, 100.0


class ResidualSpace(ModelSpace):
    """-2 log-likelihood or the REML criterion, in coordinates z = (φ, scaled θ).

    Where σ is estimated, the θ of coordinates are relative to the standard deviation of a typical
    row, σ exp(shift(φ)), instead of σ: φ and θ then hardly depend on each other.

    Parameters
    ----------
    scaled : ScaledTerms
    side : ResidualSide
    rows : CorrelatedRows
    criterion : Criterion
        As for `LinearSpace`.
    tolerances : (float, float)
        ``ftol_abs`` and ``ftol_rel`` of the model's own search.
    """

    is_scaled = True

    def __init__(self, scaled, side, rows, criterion, tolerances=TOLERANCES) -> None:
        super().__init__(scaled, before=side.size)
        self.side, self.rows, self.criterion = side, rows, criterion
        self._tolerances, self._powers = tolerances, scaled.structure.scale_powers

    # ---- coordinates --------------------------------------------------------------------------

    def _factor(self, phi) -> np.ndarray:
        """What each scaled θ is divided by to become a coordinate."""
        if self.criterion.sigma > 0:
            return np.ones(len(self._powers))
        return np.exp(np.clip(self.side.shift(phi), -300.0, 300.0) * self._powers)

    def to_scaled(self, x: np.ndarray) -> np.ndarray:
        phi, theta = self.split(x)
        return np.concatenate([phi, self.scaled.to_scaled(theta) / self._factor(phi)])

    def to_user(self, z: np.ndarray) -> np.ndarray:
        phi, theta = self.split(z)
        return np.concatenate([phi, self.scaled.to_user(theta * self._factor(phi))])

    def split(self, z) -> tuple[np.ndarray, np.ndarray]:
        """φ and θ."""
        z = np.ascontiguousarray(z, dtype=np.float64)
        return z[: self._before], z[self._before :]

    def rectify(self, z: np.ndarray) -> np.ndarray:
        phi, theta = self.split(z)
        theta = self.scaled.structure.rectified(theta)
        return np.concatenate([self.side.rectified(phi), theta])

    def scales(self, z: np.ndarray) -> np.ndarray:
        return 0.1 / self.sizes

    @property
    def sizes(self) -> np.ndarray:
        """What coordinates are multiplied by to be of ordinary size."""
        return np.concatenate([self.side.sizes, self.scaled.theta_sizes])

    def user_gradient(self, x: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        phi, theta = self.split(x)
        factor, inner = self._factor(phi), self.to_scaled(x)[self._before :]
        own, by_theta = self.split(slopes)
        if self.criterion.sigma == 0:
            own = own - self.side.shift_slopes(phi) * (self._powers * inner @ by_theta)
        return np.concatenate([own, self.scaled.user_gradient(theta, by_theta / factor)])

    # ---- the criterion ------------------------------------------------------------------------

    @property
    def work(self) -> float:
        rows = self.rows
        width = rows.z.shape[1] + rows.xy.shape[1]
        return rows.layout.operations + float(len(rows.xy)) * width * (width + 10)

    def objective(self, z: np.ndarray) -> float:
        phi, theta = self.split(z)
        at = self.rows.at(phi)
        if at is None:
            return np.inf
        value = at.objective(theta * self._factor(phi), *self.criterion)
        return np.inf if self._is_lost(at) else value

    def gradient(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        phi, theta = self.split(z)
        at = self.rows.at(phi)
        if at is None:
            return np.inf, np.full(len(z), np.nan)
        value, slopes = at.objective_gradient(theta * self._factor(phi), *self.criterion)
        return np.inf if self._is_lost(at) else value, self._change(phi, theta).T @ slopes

    def _is_lost(self, at) -> bool:
        """Whether rounding errors hide the criterion, just computed."""
        degrees, _, sigma = self.criterion
        with np.errstate(all="ignore"):
            error = at.rounding(degrees, sigma)
        return error > LOST and error > WORSE * self._least_rounding

    @cached_property
    def _least_rounding(self) -> float:
        """Rounding errors where φ begins."""
        degrees, _, sigma = self.criterion
        if (at := self.rows.at(self.side.start)) is None:
            return np.inf
        at.objective(self.scaled.of_one_sd(1.0), *self.criterion)
        return at.rounding(degrees, sigma)

    def information(self, z: np.ndarray, exact_part: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian, this by average information, with or without its exact part."""
        phi, theta = self.split(z)
        _, slopes = self.gradient(z)
        degrees, _, sigma = self.criterion
        if not np.isfinite(slopes).all():
            return slopes, np.full((len(z), len(z)), np.nan)
        J, at = self._change(phi, theta), self.rows.at(phi)
        H = J.T @ at.information(theta * self._factor(phi), degrees, sigma) @ J
        if exact_part:
            size = np.concatenate([np.ones(self._before), self._factor(phi)])
            shift = self.side.shift_slopes(phi) * (sigma == 0)
            H += at.exact_part(shift) * np.outer(size, size)
        return slopes, H

    def log_sigma(self, z: np.ndarray) -> float:
        """log σ̂ at z, σ being that of a row with d = 1, in units of the scaled response."""
        phi, theta = self.split(z)
        tail = self.rows.at(phi).tail
        tail.factorize(theta * self._factor(phi))
        return float(np.log(tail.residual_norm()) - 0.5 * np.log(self.criterion.degrees[0]))

    def _change(self, phi, theta) -> np.ndarray:
        """Derivatives of φ and scaled θ by coordinates."""
        k, factor = self._before, self._factor(phi)
        J = np.diag(np.concatenate([np.ones(k), factor]))
        if self.criterion.sigma == 0 and len(theta):
            J[k:, :k] = np.outer(self._powers * theta * factor, self.side.shift_slopes(phi))
        return J

    def certify(self, z: np.ndarray) -> Certificate | None:
        """The certificate of θ at the φ of z, if λ is singular; see `blocks.search.certificate`."""
        phi, theta = self.split(z)
        at, factor = self.rows.at(phi), self._factor(phi)
        if not len(theta) or at is None or not self.scaled.lacks_rank(theta):
            return None
        degrees, constant, sigma = self.criterion
        judged = at.tail.certify(theta * factor, degrees, constant + at.logdet, sigma)
        certificate = Certificate(*judged)
        if not np.isfinite(certificate.value):
            return None
        escape = certificate.escape
        return replace(
            certificate, escape=lambda epsilon: np.concatenate([phi, escape(epsilon) / factor])
        )

    def own_search(self, z: np.ndarray) -> OwnSearch:
        """Newton's search by average information."""
        return ResidualSearch(self, z)


class ResidualSearch(TrustSearch):
    """Newton's search in a `ResidualSpace`."""

    def __init__(self, space: ResidualSpace, z) -> None:
        self._space = space
        super().__init__(z, space.sizes, *space._tolerances)

    def evaluate(self, x) -> float:
        return self._space.objective(x)

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        if len(self._best) == MOST:
            warn(
                f"after {MOST} evaluations the criterion still decreases: the data hardly "
                f"determine {self._space.side.text}, whose covariance matrix becomes singular; "
                "take a structure with fewer parameters",
                ConvergenceWarning,
            )
            raise LimitReached("MAXEVAL_REACHED")
        return super().step(most)

    def derivatives(self, x) -> tuple[np.ndarray, np.ndarray]:
        if self.is_slow:
            slopes, H = self._space.derivatives(x)
            if np.isfinite(H).all():
                return slopes, (H + H.T) / 2
        return self._space.information(x)
