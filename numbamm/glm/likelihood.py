"""`Likelihood`: what becomes of a mode: -2 log-likelihood with every constant, and φ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.glm.mode import Mode

#: A φ below this share of its scale is rounding: the rows are fitted perfectly.
PERFECT = 1e-14


@dataclass
class Likelihood:
    """The response of a generalized model, and its family.

    Attributes
    ----------
    family : int
        Code.
    y, w : ndarray, shape (n,)
        Response and prior weights.
    merged : float
        By how much the deviance of these rows exceeds that of the cells in which modes are
        sought; see `models.cells`.
    """

    family: int
    y: np.ndarray
    w: np.ndarray
    merged: float = 0.0

    @property
    def dispersed(self) -> bool:
        """Whether φ is estimated; else it is 1."""
        return self.family in families.DISPERSED

    @cached_property
    def scale(self) -> float:
        """Size of φ: Pearson's statistic over n where all means are one; 1 where φ is 1."""
        if not self.dispersed:
            return 1.0
        mean = np.average(self.y, weights=self.w)
        return float(
            self.w @ (self.y - mean) ** 2 / families.variance(self.family, 1.0, mean) / len(self.y)
        )

    def working_root(self, link: int) -> np.ndarray:
        """√W where all means are one: the unit in which random effects are of ordinary size.

        Effects have the units of η, and are measured in √φ: a θ of one may be very large, or next
        to nothing. Not so where φ is 1 and η has no unit.

        Returns
        -------
        ndarray, shape (n,)
        """
        if not self.dispersed and link in links.UNITLESS:
            return np.ones(len(self.y))
        mean = np.average(self.y, weights=self.w)
        slope = links.slope(link, links.forward(link, np.array([mean])))[0]
        root = abs(slope) / np.sqrt(families.variance(self.family, 1.0, mean))
        return np.sqrt(self.w) * (root if 0 < root < np.inf else 1.0)

    @cached_property
    def _saturated(self) -> float:
        return families.saturated(self.family, self.y, self.w, np.inf, 1.0) + self.merged

    @cached_property
    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        """The responses that occur, and their weights."""
        values, place = np.unique(self.y, return_inverse=True)
        return values, np.bincount(place, self.w)

    def saturated(self, shape: float, phi: float) -> float:
        """-2 log-likelihood less the deviance; see `family.saturated`."""
        if self.dispersed:
            return families.saturated(self.family, self.y, self.w, shape, phi)
        if self.family == families.NEGATIVE_BINOMIAL:
            return self._saturated + families.saturated_by_shape(*self._counts, shape)
        return self._saturated

    def dispersion(self, mode: Mode) -> float:
        """φ that maximises the Laplace approximation of the likelihood at a mode."""
        if not self.dispersed:
            return 1.0
        return families.dispersion(self.family, self.w, mode.deviance + mode.penalty)

    def is_perfect(self, phi: float) -> bool:
        """Whether φ is so small that rows are fitted perfectly, to rounding or not far from it."""
        return not phi > 100 * PERFECT * self.scale

    def laplace(self, mode: Mode, shape: float, phi: float | None = None) -> float:
        """Laplace approximation of -2 log-likelihood at a mode.

        The random effects have variance φΛΛ' and the rows information W/φ, so that φ leaves
        the mode and the determinant alone::

            (Σ w d + u'u) / φ + log|Λ'Z'WZΛ + I| + saturated

        Parameters
        ----------
        mode : Mode
        shape : float
            Shape of the negative binomial.
        phi : float, optional
            The best one, if not given.

        Returns
        -------
        float
            NaN where there is no mode, or no φ.
        """
        phi = self.dispersion(mode) if phi is None and mode.found else phi
        if not mode.found or not phi > PERFECT * self.scale:
            return np.nan
        return (mode.deviance + mode.penalty) / phi + mode.logdet + self.saturated(shape, phi)

    def log_slope(self, mode: Mode, shape: float, phi: float) -> float:
        """What log(shape) or log φ change the objective by, apart from the means' part."""
        rows = (self.y, self.w) if self.dispersed else self._counts
        slope = families.saturated_slope(self.family, *rows, shape, phi)
        return slope - (mode.deviance + mode.penalty) / phi if self.dispersed else slope
