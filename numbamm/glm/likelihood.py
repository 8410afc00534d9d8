"""`Likelihood`: -2 log-likelihood with every constant, and φ, computed from a mode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.link import Link
from numbamm.glm.mode import Mode
from numbamm.glm.row_kernels import WEIGHT, WORKING

#: Logarithms of the shapes that are tried first; a wide range, since a shape may have any unit.
SHAPES = range(-18, 19, 3)

#: A φ below this share of its scale is zero up to rounding: the rows are fitted perfectly.
PERFECT = 1e-14


@dataclass
class Likelihood:
    """The response of a generalized model, and its family.

    Attributes
    ----------
    family : Family
    y, w : ndarray, shape (n,)
        Response and prior weights.
    merged : float
        The excess of the deviance of these rows over that of the cells into which they are merged
        for finding modes; see `models.cells`.
    """

    family: Family
    y: np.ndarray
    w: np.ndarray
    merged: float = 0.0

    @property
    def dispersed(self) -> bool:
        """Whether φ is estimated; else it is 1."""
        return self.family.dispersed

    @cached_property
    def scale(self) -> float:
        """Size of φ: Pearson's statistic over n for a common mean; 1 where φ is 1."""
        if not self.dispersed:
            return 1.0
        mean = np.average(self.y, weights=self.w)
        return float(self.w @ (self.y - mean) ** 2 / self.family.variance_at(mean) / len(self.y))

    def working_root(self, link: Link) -> np.ndarray:
        """√W for a common mean: the scale on which random effects are of ordinary size.

        Random effects have the units of η, and θ measures them in √φ, so that θ may be of any size.
        Where φ is 1 and η has no unit, no scale is needed.

        Returns
        -------
        ndarray, shape (n,)
        """
        if not self.dispersed and link.unitless:
            return np.ones(len(self.y))
        mean = np.average(self.y, weights=self.w)
        eta = link.eta([mean])
        if self.family.by_density:  # W as it is at the mean, on average
            root = np.sqrt(self._mean_information(link, eta[0]))
        else:
            root = abs(link.slope(eta)[0]) / np.sqrt(self.family.variance_at(mean))
        return np.sqrt(self.w) * (root if 0 < root < np.inf else 1.0)

    def _mean_information(self, link: Link, eta: float) -> float:
        """Mean information of the rows at a common η, at the most likely of a few shapes."""
        family, ones, at = self.family, np.ones_like(self.y), np.full_like(self.y, eta)
        shapes = np.exp(SHAPES) if family.has_shape else [1.0]
        fits = [self.w @ family.deviances(link, shape, self.y, at) for shape in shapes]
        if np.isnan(fits).all():
            return 0.0
        shape = shapes[int(np.nanargmin(fits))]
        weights = family.evaluate(WORKING, link, shape, self.y, ones, at)[WEIGHT]
        return float(np.mean(weights))

    @cached_property
    def _saturated(self) -> float:
        return self.family.constant(self.y, self.w, 0.0, 1.0) + self.merged

    @cached_property
    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct responses, and the sum of weights of each."""
        values, place = np.unique(self.y, return_inverse=True)
        return values, np.bincount(place, self.w)

    def saturated(self, shape: float, phi: float) -> float:
        """-2 log-likelihood less the deviance; see `Family.constant`."""
        if self.dispersed:
            return self.family.constant(self.y, self.w, shape, phi)
        if self.family.has_shape and not self.family.by_density:
            return self.family.constant(*self._counts, shape, phi)
        return self._saturated

    def dispersion(self, mode: Mode) -> float:
        """φ that maximises the Laplace approximation of the likelihood at a mode."""
        if not self.dispersed:
            return 1.0
        return self.family.best_dispersion(self.w, mode.deviance + mode.penalty)

    def is_perfect(self, phi: float) -> bool:
        """Whether φ is so small that the rows are fitted perfectly, or nearly so."""
        return not phi > 100 * PERFECT * self.scale

    def laplace(self, mode: Mode, shape: float, phi: float | None = None) -> float:
        """Laplace approximation of -2 log-likelihood at a mode.

        The random effects have variance φΛΛ' and the rows information W/φ, so that neither the mode
        nor the determinant depends on φ::

            (Σ w d + u'u) / φ + log|Λ'Z'WZΛ + I| + saturated

        Parameters
        ----------
        mode : Mode
        shape : float
            Shape of the negative binomial.
        phi : float, optional
            Dispersion; by default the one that maximises the approximation.

        Returns
        -------
        float
            NaN where there is no mode, or no φ.
        """
        phi = self.dispersion(mode) if phi is None and mode.found else phi
        if not mode.found or not phi > PERFECT * self.scale:
            return np.nan
        rows = (mode.deviance + mode.penalty) / phi
        return float(rows + mode.logdet + self.saturated(shape, phi))

    def log_slope(self, mode: Mode, shape: float, phi: float) -> float:
        """Derivative of the objective in log(shape) or log φ, less the part through the means."""
        rows = (self.y, self.w) if self.dispersed else self._counts
        slope = self.family.constant_slope(*rows, shape, phi)
        return slope - (mode.deviance + mode.penalty) / phi if self.dispersed else slope
