"""`Parts`: thresholds, location and scale of the rows, linear in one vector of coefficients.

A row i of category k has

    upper threshold A_i = Σ_j B_ij (T a_j)_k,  lower threshold C_i = Σ_j B_ij (T a_j)_{k-1}
    η_i = Σ_j X_ij γ_j + ...,   log s_i = Σ_j S_ij ζ_j

with B the constant and the columns of nominal effects. Its log-probability depends on A - η, C - η
and s alone. So it does not change when A, C and η move together, nor when they are multiplied by
what s is divided by; derivatives in C and log s follow from those in A and η by these identities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from numbamm.glm.cumulative.cumulative_rows import LOWER, RATE, UPPER


class Slopes(NamedTuple):
    """Derivatives of a function of the rows in their A, C, η and log s, each of shape (n,)."""

    upper: np.ndarray
    lower: np.ndarray
    eta: np.ndarray
    log_scale: np.ndarray


@dataclass
class Parts:
    """The columns of all parts.

    Attributes
    ----------
    y : ndarray of int, shape (n,)
        Categories from 0.
    T : ndarray, shape (number of thresholds, number of parameters of each column)
    nominal : ndarray, shape (n, c)
        B: columns of the thresholds, the first one constant.
    location : ndarray, shape (n, p)
    scale : ndarray, shape (n, s)
    """

    y: np.ndarray
    T: np.ndarray
    nominal: np.ndarray
    location: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        a, p, s = self.T.shape[1] * self.nominal.shape[1], self.location.shape[1], len(self.scale.T)
        self.of_thresholds, self.of_location = slice(0, a), slice(a, a + p)
        self.of_scale, self.size = slice(a + p, a + p + s), a + p + s

    def padded(self) -> np.ndarray:
        """The location's columns among zeros for the other parts, shape (n, size)."""
        out = np.zeros((len(self.y), self.size))
        out[:, self.of_location] = self.location
        return out

    def thresholds(self, psi) -> np.ndarray:
        """T a_j by column j, shape (number of thresholds, c)."""
        return self.T @ psi[self.of_thresholds].reshape(-1, self.T.shape[1]).T

    def log_scales(self, psi) -> np.ndarray:
        """log s of the rows, shape (n,)."""
        return self.scale @ psi[self.of_scale]

    def fill(self, psi, table) -> bool:
        """Set the rows' thresholds and 1/s; whether all thresholds increase."""
        alpha = self.thresholds(psi)
        ends = np.zeros((len(alpha) + 2, alpha.shape[1]))
        ends[1:-1] = alpha
        if alpha.shape[1] == 1:
            constant = self.nominal[0, 0]
            increasing = bool((np.diff(alpha[:, 0]) * constant > 0).all())
            known = ends[:, 0] * constant
            known[0], known[-1] = -np.inf, np.inf
            table[UPPER], table[LOWER] = known[self.y + 1], known[self.y]
        else:
            table[UPPER] = np.einsum("ij,ij->i", self.nominal, ends[self.y + 1])
            table[LOWER] = np.einsum("ij,ij->i", self.nominal, ends[self.y])
            table[UPPER, self.y == len(alpha)], table[LOWER, self.y == 0] = np.inf, -np.inf
            increasing = bool((table[UPPER] > table[LOWER]).all())
        table[RATE] = np.exp(-self.log_scales(psi)) if self.scale.shape[1] else 1.0
        return increasing and bool((table[RATE] < np.inf).all())

    def gradient(self, slopes: Slopes) -> np.ndarray:
        """The derivative in the coefficients, from those in the rows' quantities."""
        out, count = np.empty(self.size), len(self.T)
        blocks = out[self.of_thresholds].reshape(-1, self.T.shape[1])
        for block, column in zip(blocks, self.nominal.T, strict=True):
            at_upper = np.bincount(self.y, slopes.upper * column, count + 1)[:-1]
            at_lower = np.bincount(self.y, slopes.lower * column, count + 1)[1:]
            block[:] = (at_upper + at_lower) @ self.T
        out[self.of_location] = slopes.eta @ self.location
        out[self.of_scale] = slopes.log_scale @ self.scale
        return out

    @cached_property
    def _of_upper(self) -> np.ndarray:
        """dA/da, shape (n, number of a)."""
        return self._of_threshold(np.vstack([self.T, np.zeros(self.T.shape[1])]))

    @cached_property
    def _of_lower(self) -> np.ndarray:
        """dC/da, shape (n, number of a)."""
        return self._of_threshold(np.vstack([np.zeros(self.T.shape[1]), self.T]))

    def _of_threshold(self, T) -> np.ndarray:
        return np.einsum("nc,na->nca", self.nominal, T[self.y]).reshape(len(self.y), -1)

    def changes(self, slopes: Slopes) -> np.ndarray:
        """By how much a quantity of each row changes with each coefficient, shape (n, size)."""
        out = np.empty((len(self.y), self.size))
        out[:, self.of_thresholds] = slopes.upper[:, None] * self._of_upper
        out[:, self.of_thresholds] += slopes.lower[:, None] * self._of_lower
        out[:, self.of_location] = slopes.eta[:, None] * self.location
        if self.scale.shape[1]:
            out[:, self.of_scale] = slopes.log_scale[:, None] * self.scale
        return out

    def curvature(self, of_upper: Slopes, of_lower: Slopes, of_eta: np.ndarray, of_scale: Slopes):
        """The second derivatives in the coefficients, from those of each row: (size, size).

        Those of the derivatives in η are given as their `changes`.
        """
        out = np.empty((self.size, self.size))
        out[self.of_thresholds] = self._of_upper.T @ self.changes(of_upper)
        out[self.of_thresholds] += self._of_lower.T @ self.changes(of_lower)
        out[self.of_location] = self.location.T @ of_eta
        if self.scale.shape[1]:
            out[self.of_scale] = self.scale.T @ self.changes(of_scale)
        return out
