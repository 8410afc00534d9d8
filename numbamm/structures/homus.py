"""`HomUs`: any correlations, and one standard deviation, ``homus(0 + f | g)``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape


class HomUs(Patterned):
    """C = UU', the rows of U being (φ_i1 ... φ_i,i-1, 1), divided by their lengths."""

    names: ClassVar = ("homus",)
    reading: ClassVar = "visits"
    includes: ClassVar = frozenset({"homdiag", "homcs", "ar1", "homtoep"})

    @property
    def nshape(self) -> int:
        return self.p * (self.p - 1) // 2

    def _rows(self, phi):
        """U, the lengths of its rows before they are divided, and the places of φ."""
        V, places = np.eye(self.p), np.tril_indices(self.p, -1)
        V[places] = phi
        length = np.linalg.norm(V, axis=1)
        return V / length[:, None], length, list(zip(*places, strict=True))

    def _moves(self, phi) -> np.ndarray:
        """Derivatives of the row of U that each φ belongs to, shape (nshape, p)."""
        U, length, places = self._rows(phi)
        moves = np.array([-U[i, a] * U[i] for i, a in places]).reshape(-1, self.p)
        for move, (_, a) in zip(moves, places, strict=True):
            move[a] += 1.0
        return moves / length[[i for i, _ in places]][:, None]

    def correlation(self, phi) -> np.ndarray:
        U, _, _ = self._rows(phi)
        C = U @ U.T
        np.fill_diagonal(C, 1.0)
        return C

    def correlation_slopes(self, phi) -> np.ndarray:
        U, _, places = self._rows(phi)
        out = np.zeros((self.nshape, self.p, self.p))
        for line, move, (i, _) in zip(out, self._moves(phi), places, strict=True):
            line[i] = line[:, i] = U @ move
            line[i, i] = 0.0
        return out

    def correlation_bend(self, phi, N) -> np.ndarray:
        U, length, places = self._rows(phi)
        moves, others = self._moves(phi), (N - np.diag(np.diag(N))) @ U
        out = np.empty((self.nshape, self.nshape))
        for s, (i, a) in enumerate(places):
            for t, (j, b) in enumerate(places):
                if i != j:
                    out[s, t] = 2 * N[i, j] * (moves[s] @ moves[t])
                else:
                    second = moves[t, a] * U[i] + U[i, a] * moves[t] + U[i, b] * moves[s]
                    out[s, t] = -2 * (second @ others[i]) / length[i]
        return out

    def shape_of(self, C) -> np.ndarray:
        C = np.where(np.isfinite(C), C, 0.0)
        while True:
            try:
                L = np.linalg.cholesky(C)
                return (L / np.diag(L)[:, None])[np.tril_indices(self.p, -1)]
            except np.linalg.LinAlgError:  # unknown ones do not fit the others
                C = 0.95 * C + 0.05 * np.eye(self.p)

    def rectified_shape(self, phi) -> np.ndarray:
        return phi

    def at_bound(self, phi, tol) -> bool:
        return bool(np.linalg.eigvalsh(self.correlation(phi))[0] < tol**2)

    @property
    def shapes(self) -> list[Shape]:
        places = zip(*np.tril_indices(self.p, -1), strict=True)
        return [Shape(f"rho{a + 1}.{i + 1}", -1.0, 1.0) for i, a in places]

    @property
    def angle_names(self) -> list[str]:
        return [shape.name.replace("rho", "row") for shape in self.shapes]

    def shape_values(self, theta) -> np.ndarray:
        phi, low = np.asarray(theta)[..., self.nscale :], np.tril_indices(self.p, -1)
        lines = [self.correlation(line)[low] for line in phi.reshape(-1, self.nshape)]
        return np.reshape(lines, phi.shape)
