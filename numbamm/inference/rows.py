"""`Row`: one row of the user's λ, as a function of the θ that a model is fitted in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from numbamm.models.mixedmodel import root_mean_squares


@dataclass(frozen=True)
class Row:
    """One row of the user's λ, a linear function of θ inside.

    Attributes
    ----------
    matrix : ndarray, shape (p, number of θ)
        Times θ inside it is the row, before a rotation that makes λ lower triangular.
    size : float
        Root mean square of the column of Z that the row stands for.
    """

    matrix: np.ndarray
    size: float

    def of(self, theta) -> np.ndarray:
        """The row, without what is zero for every θ."""
        return self.matrix[self.matrix.any(axis=1)] @ theta

    def stretched(self, theta, length: float) -> np.ndarray:
        """θ with a row of that length, and otherwise as near as can be."""
        row = self.matrix @ theta
        now = np.linalg.norm(row)
        return self._with(theta, row * length / now if now > 1e-3 * length else self._last * length)

    def turned(self, theta, other: Row, cosine: float) -> np.ndarray:
        """θ with that cosine between this row and another, and rows of the same lengths."""
        row, along = self.matrix @ theta, other.matrix @ theta
        length, other_length = np.linalg.norm(row), np.linalg.norm(along)
        if length == 0 or other_length == 0:
            return theta
        along = along / other_length
        across = row - (row @ along) * along
        if np.linalg.norm(across) < 1e-6 * length:
            across = self._last - (self._last @ along) * along
        across *= np.sqrt(1 - cosine**2) / np.linalg.norm(across)
        return self._with(theta, length * (cosine * along + across))

    @property
    def _last(self) -> np.ndarray:
        """The direction of the diagonal entry."""
        out = np.zeros(len(self.matrix))
        out[np.flatnonzero(self.matrix.any(axis=1))[-1]] = 1.0
        return out

    def _with(self, theta, row) -> np.ndarray:
        return theta + np.linalg.pinv(self.matrix) @ (row - self.matrix @ theta)


def rows_of_lambda(model) -> tuple[dict, dict]:
    """The rows of λ by the names of standard deviations, and their pairs by correlations'."""
    rows, pairs, at, n = {}, {}, 0, len(model.theta)
    for term, scaling in zip(model.reterms, model.scalings, strict=True):
        back = np.eye(term.p) if scaling is None else np.linalg.inv(scaling.T)
        row, column = divmod(term.inds, term.p)
        here = at + np.arange(len(term.inds))
        at += len(term.inds)
        for r, size in enumerate(root_mean_squares(term, model._root)):
            matrix = np.zeros((term.p, n))
            matrix[column, here] = back[r, row]
            rows[f"sd_{term.cnames[r]}|{term.group}"] = Row(matrix, float(size))
        for a, b in combinations(map(str, term.cnames), 2):
            pair = tuple(rows[f"sd_{name}|{term.group}"] for name in (a, b))
            pairs[f"cor_{b}.{a}|{term.group}"] = pair
    return rows, pairs
