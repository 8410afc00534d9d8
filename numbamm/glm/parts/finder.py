"""`PartsFinder`: conditional modes of a model whose rows have further predictors.

The kernels are those of all generalized models. The row kernel finds the predictors ν, of which
each is a line of n numbers, in the table of the link; what other finders take as the shape, a
number, is here the vector ψ of which the ν are functions.
"""

from __future__ import annotations

import numpy as np

from numbamm.glm.mode import ModeFinder
from numbamm.glm.parts.density_rows import JOINT, NU, SLOPES
from numbamm.glm.row_kernels import FIRST, INFORMATION, SECOND, THIRD, WORKING, evaluate_rows
from numbamm.glm.working import AT, BARRIER, FAMILY, LINK


class PartsFinder(ModeFinder):
    """Finds modes at given parameters, ψ among them, starting from the mode found last.

    Parameters
    ----------
    terms, basis, y, weights, offset, family, link, information, scale
        As for `ModeFinder`, with rows of `FamilyRows` as the family. With random effects in two
        parts these have three rows each; see `density_rows`.
    lines : Lines
        The predictors ν of the rows.
    mixture : int
        Of what kind the rows are; see `mixture`.
    joint : bool
        Whether rows are threefold; the last of `lines` is then the fixed part of the second
        predictor.
    """

    def __init__(
        self,
        terms,
        basis,
        y,
        weights,
        offset,
        family,
        link,
        information,
        scale,
        *,
        lines,
        mixture: int = 0,
        joint: bool = False,
    ) -> None:
        self.lines, self.mixture, self.joint_rows = lines, mixture, joint
        super().__init__(
            terms,
            basis,
            y,
            weights,
            offset,
            family,
            link,
            information,
            scale,
            lines=len(lines.lines),
            joint_rows=joint,
        )
        self._first_offset, self._psi = self.offset, None

    def _prepared(self, shape, rows) -> float:
        """Write the ν at ψ into the table of the rows; return what kernels get as the shape."""
        values = self.lines.values(shape)
        if not self.joint_rows:
            for k, value in enumerate(values):
                rows.link[NU + k] = value
            return float(self.mixture)
        zeta = values[-1]
        n = len(zeta)
        rows.link[NU : NU + len(values) - 1, :n] = values[:-1]
        self.offset = self._first_offset + np.concatenate([np.zeros(n), zeta, zeta])
        return float(self.mixture + JOINT)

    def _number(self, shape) -> float:
        return float(self.mixture + (JOINT if self.joint_rows else 0))

    def gradient(self, theta, gamma, *, vary: bool, shape, phi: float) -> np.ndarray:
        """Derivatives of the Laplace objective in γ, ψ and θ, at the mode found last.

        Returns
        -------
        ndarray, shape (nx + len(ψ) + number of θ,)
        """
        out = super().gradient(theta, gamma, vary=vary, shape=shape, phi=phi)
        buffers = self.varied if vary else self.held
        slopes = self._slopes(buffers.rows, buffers.for_gradient()[1])
        nx = len(gamma)
        return np.concatenate([out[:nx], self.lines.pull_back(shape, slopes), out[nx + 1 :]])

    def row_information(self, *, vary: bool) -> np.ndarray | None:
        """Second derivatives in η of the rows' deviances at the mode found last; None of pairs."""
        if self.joint_rows:
            return None
        rows = (self.varied if vary else self.held).rows
        self._evaluate(INFORMATION, rows)
        return 2.0 * rows.eta[SECOND]

    def working_lines(self, *, vary: bool = False) -> np.ndarray:
        """Working weights and scores, in the kernel's lines, at the mode found last."""
        rows = (self.varied if vary else self.held).rows
        self._evaluate(WORKING, rows)
        return rows.eta.copy()

    def row_slopes(self, k: int, *, vary: bool) -> np.ndarray:
        """Derivatives of the rows' deviances in the k-th ν, at the mode found last."""
        rows = (self.varied if vary else self.held).rows
        return self._row_slopes(k, rows)[FIRST].copy()

    def _slopes(self, rows, scratch) -> np.ndarray:
        """Derivatives in every ν, as `laplace_gradient` left h, η(a) and v in `scratch`."""
        h, _, eta_a, v = scratch
        count = len(self.lines.lines)
        n = len(rows.y) // 3 if self.joint_rows else len(rows.y)
        slopes = np.empty((count, n))
        for k in range(count - self.joint_rows):
            lines = self._row_slopes(k, rows)
            each = lines[FIRST] + h * lines[THIRD] + eta_a * lines[SECOND]
            slopes[k] = each.reshape(3, n).sum(axis=0) if self.joint_rows else each
        if self.joint_rows:
            slopes[-1] = v[n : 2 * n] + v[2 * n :]
        return slopes

    def _row_slopes(self, k: int, rows) -> np.ndarray:
        """The lines that the row kernel fills for the k-th ν, at the η of the rows."""
        return self._evaluate(SLOPES + k, rows)

    def _evaluate(self, what: int, rows) -> np.ndarray:
        """The lines that the row kernel fills, at the η of the rows."""
        evaluate_rows(
            what,
            rows.model[LINK],
            rows.model[FAMILY],
            rows.y,
            rows.weights,
            rows.entropy,
            self._number(None),
            0.0,
            rows.eta[AT],
            rows.link,
            rows.model[BARRIER],
            rows.eta,
        )
        return rows.eta
