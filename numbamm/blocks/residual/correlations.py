"""Correlation matrices C of groups of rows, as functions of φ: by pattern, and as Markov chains.

Both take their correlations from a *table*: its values at a φ, one for each code, and their
derivatives. A code stands for whatever decides about a correlation: a pair of visits, a lag, a
distance.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack, solve_triangular

from numbamm.blocks.residual.group_products import colour, multiply

#: Matrices from this order on are inverted one by one.
LARGE = 64


class Correlations:
    """What `Patterns` and `Chains` share.

    Parameters
    ----------
    table
        Has ``size``, the number of φ, and ``values(phi)`` and ``slopes(phi)``, of shape (codes,)
        and (size, codes).
    start : ndarray of int64, shape (groups + 1,)
        Where the rows of each group begin; the rows of a group are neighbours.

    Attributes
    ----------
    offset : ndarray of int64, shape (groups,)
    length : int
        Number of entries of all matrices.
    band : int
        See the package.
    """

    offset: np.ndarray
    length: int
    band: int

    def __init__(self, table, start) -> None:
        self.table, self.start = table, np.ascontiguousarray(start, dtype=np.int64)

    @property
    def size(self) -> int:
        """Number of φ."""
        return self.table.size

    def at(self, phi):
        """The matrices at φ; None if one is not positive definite."""
        raise NotImplementedError

    def product(self, matrices, rows) -> np.ndarray:
        """Flat matrices times rows, shape (n, columns)."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        out = np.empty_like(rows)
        multiply(matrices, self.offset, self.start, self.band, rows, out)
        return out


class Patterns(Correlations):
    """Dense matrices, one for each pattern that groups have.

    Parameters
    ----------
    table, start
        As for `Correlations`.
    pattern : ndarray of int64, shape (groups,)
        The pattern of each group.
    codes : list of ndarray of int64, shape (m, m)
        Codes of all pairs of rows of each pattern.
    """

    band = -1

    def __init__(self, table, start, pattern, codes) -> None:
        super().__init__(table, start)
        sizes = np.array([len(c) for c in codes])
        first = np.cumsum(sizes**2) - sizes**2
        self.offset, self.length = first[pattern].astype(np.int64), int((sizes**2).sum())
        self.codes = np.concatenate([c.ravel() for c in codes])
        self.groups = np.bincount(pattern, minlength=len(codes)).astype(float)
        self.pattern = pattern
        self.batches = []  # patterns of one order, and the places of their entries
        for m in np.unique(sizes):
            same = np.flatnonzero(sizes == m)
            self.batches.append((same, first[same][:, None, None] + np.arange(m * m).reshape(m, m)))

    def at(self, phi) -> PatternsAt | None:
        C = self.table.values(phi)[self.codes]
        Q, roots, logdet = np.empty(self.length), [], 0.0
        for same, places in self.batches:
            try:
                L = np.linalg.cholesky(C[places])
            except np.linalg.LinAlgError:
                return None
            roots.append(L)
            Q[places] = _inverses(L)
            each = 2 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
            logdet += float(self.groups[same] @ each)
        return PatternsAt(self, phi, C, Q, roots, logdet)


class Chains(Correlations):
    """First-order Markov chains: the correlations of neighbours decide about all others.

    Parameters
    ----------
    table, start
        As for `Correlations`.
    codes : ndarray of int64, shape (n,)
        Codes of each row with the one before it; anything in the first row of a group.
    """

    band = 1

    def __init__(self, table, start, codes) -> None:
        super().__init__(table, start)
        self.offset, self.codes = 2 * self.start[:-1], codes
        self.length, self.first = 2 * len(codes), self.start[:-1]

    def at(self, phi) -> ChainsAt | None:
        rho = self._of_rows(self.table.values(phi))
        if not (np.abs(rho) < 1).all():
            return None
        return ChainsAt(self, phi, rho)

    def _of_rows(self, values) -> np.ndarray:
        """Values of codes for the rows; 0 where there is no row before."""
        out = values[..., self.codes]
        out[..., self.first] = 0.0
        return out

    def slopes(self, phi) -> np.ndarray:
        """Derivatives of the rows' correlations, shape (size, n)."""
        return self._of_rows(self.table.slopes(phi))


def _inverses(L) -> np.ndarray:
    """(LL')⁻¹ of lower triangles, shape (patterns, m, m)."""
    if L.shape[1] < LARGE:
        root = np.linalg.inv(L)
        return root.transpose(0, 2, 1) @ root
    out = np.empty_like(L)
    for Q, root in zip(out, L, strict=True):  # a third of the operations
        lower, _ = lapack.dpotri(root, lower=1)
        Q[:] = np.tril(lower) + np.tril(lower, -1).T
    return out


class PatternsAt:
    """The matrices of `Patterns` at one φ.

    Attributes
    ----------
    Q : ndarray
        The flat inverses.
    logdet : float
        Σ log|C| over the groups.
    """

    def __init__(self, of: Patterns, phi, C, Q, roots, logdet: float) -> None:
        self.of, self.phi, self.C, self.Q, self.roots, self.logdet = of, phi, C, Q, roots, logdet

    def slopes(self, M) -> np.ndarray:
        """Derivatives of tr(QM) + log|C| by φ, shape (size,)."""
        by_entry = np.empty(self.of.length)
        for same, places in self.of.batches:
            Q = self.Q[places]
            by_entry[places] = self.of.groups[same][:, None, None] * Q - Q @ M[places] @ Q
        table = self.of.table
        slopes = table.slopes(self.phi)
        return slopes @ np.bincount(self.of.codes, by_entry, slopes.shape[1])

    def times(self, rows) -> np.ndarray:
        """C rows."""
        return self.of.product(self.C, rows)

    def moves(self, e, r) -> tuple[np.ndarray, np.ndarray]:
        """Ċr and QĊr for each φ, shape (size, n, columns), of r = Qe."""
        of, slopes = self.of, self.of.table.slopes(self.phi)
        f = np.array([of.product(line[of.codes], r) for line in slopes])
        f = f.reshape(len(slopes), *r.shape)
        return f, np.array([of.product(self.Q, part) for part in f]).reshape(f.shape)

    def root(self, k: int) -> np.ndarray:
        """The Cholesky factor of C of the k-th pattern."""
        for (same, _), roots in zip(self.of.batches, self.roots, strict=True):
            at = int(np.searchsorted(same, k))
            if at < len(same) and same[at] == k:
                return roots[at]
        raise IndexError(k)

    def whiten(self, rows) -> np.ndarray:
        """K rows with K'K = Q: of unit variance, and uncorrelated."""
        of, out = self.of, np.empty_like(rows)
        where = {
            int(k): (b, i) for b, (same, _) in enumerate(of.batches) for i, k in enumerate(same)
        }
        for g, (a, b) in enumerate(zip(of.start[:-1], of.start[1:], strict=True)):
            batch, i = where[int(of.pattern[g])]
            out[a:b] = solve_triangular(self.roots[batch][i], rows[a:b], lower=True)
        return out

    def colour(self, rows) -> np.ndarray:
        """K⁻¹ rows: uncorrelated rows of unit variance get the covariance C."""
        of, out = self.of, np.empty_like(rows)
        where = {
            int(k): (b, i) for b, (same, _) in enumerate(of.batches) for i, k in enumerate(same)
        }
        for g, (a, b) in enumerate(zip(of.start[:-1], of.start[1:], strict=True)):
            batch, i = where[int(of.pattern[g])]
            out[a:b] = self.roots[batch][i] @ rows[a:b]
        return out

    def traces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What traces of R⁻¹Ṙ are made of: products of entries of Q and C, and traces with QĊ.

        Returns
        -------
        both : ndarray
            The products of entries of Q and C, at the places of Q.
        diagonal : ndarray, shape (size, n)
            Diagonals of QĊ.
        pairs : ndarray, shape (size, size)
            tr(QĊQĊ) of all pairs.
        """
        of, slopes = self.of, self.of.table.slopes(self.phi)
        size = len(slopes)
        diagonal, pairs = np.zeros((size, int(of.start[-1]))), np.zeros((size, size))
        lines = slopes[:, of.codes]
        for same, places in of.batches:
            moved = self.Q[places] @ lines[:, places]  # (size, patterns, m, m)
            flat = moved.reshape(size, -1)
            weighted = np.repeat(of.groups[same], places.shape[1] ** 2) * flat
            pairs += weighted @ moved.swapaxes(2, 3).reshape(size, -1).T
            own = np.diagonal(moved, axis1=2, axis2=3)
            groups = np.flatnonzero(np.isin(of.pattern, same))
            rows = of.start[groups][:, None] + np.arange(places.shape[1])
            diagonal[:, rows] = own[:, np.searchsorted(same, of.pattern[groups])]
        return self.Q * self.C, diagonal, pairs

    def matrix(self, g: int) -> np.ndarray:
        """C of one group."""
        m = int(self.of.start[g + 1] - self.of.start[g])
        return self.C[self.of.offset[g] :][: m * m].reshape(m, m)


class ChainsAt:
    """The matrices of `Chains` at one φ; attributes as of `PatternsAt`."""

    def __init__(self, of: Chains, phi, rho) -> None:
        self.of, self.phi, self.rho = of, phi, rho
        self.rest = 1 - rho**2
        self.logdet = float(np.log(self.rest).sum())
        self.Q = np.empty(of.length)
        self.Q[0::2], self.Q[1::2] = -rho / self.rest, 1 / self.rest
        self.Q[1:-1:2] += (rho**2 / self.rest)[1:]

    def slopes(self, M) -> np.ndarray:
        beside, own = M[0::2], M[1::2]
        before = np.concatenate([[0.0], own[:-1]])
        square = own - 2 * self.rho * beside + self.rho**2 * before
        by_rho = 2 * ((self.rho * before - beside) * self.rest + self.rho * square) / self.rest**2
        return self.of.slopes(self.phi) @ (by_rho - 2 * self.rho / self.rest)

    def times(self, rows) -> np.ndarray:
        """C rows."""
        out = np.array(rows, dtype=np.float64, order="C")
        colour(self.rho, self.of.start, out)
        return out

    def moves(self, e, r) -> tuple[np.ndarray, np.ndarray]:
        """Ċr = -CQ̇e and QĊr = -Q̇e for each φ, shape (size, n, columns), of r = Qe."""
        slopes = self.of.slopes(self.phi)
        g = np.empty((len(slopes), *r.shape))
        for j, move in enumerate(slopes):
            dQ = np.empty(self.of.length)
            dQ[0::2] = -move * (1 + self.rho**2) / self.rest**2
            dQ[1::2] = both = 2 * move * self.rho / self.rest**2
            dQ[1:-1:2] += both[1:]
            g[j] = -self.of.product(dQ, e)
        return np.array([self.times(part) for part in g]).reshape(g.shape), g

    def whiten(self, rows) -> np.ndarray:
        out = rows.copy()
        out[1:] -= self.rho[1:, None] * rows[:-1]
        return out / np.sqrt(self.rest)[:, None]

    def colour(self, rows) -> np.ndarray:
        out = rows * np.sqrt(self.rest)[:, None]
        for t in np.flatnonzero(self.rho):
            out[t] += self.rho[t] * out[t - 1]
        return out

    def traces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        slopes, both = self.of.slopes(self.phi), self.Q.copy()
        both[0::2] *= self.rho
        own = -slopes * self.rho / self.rest  # of the later row, and as much of the one before
        diagonal = own.copy()
        diagonal[:, :-1] += own[:, 1:]
        weights = 2 * (1 + self.rho**2) / self.rest**2
        return both, diagonal, (slopes * weights) @ slopes.T

    def matrix(self, g: int) -> np.ndarray:
        a, b = self.of.start[g : g + 2]
        steps = self.rho[a:b]
        C = np.eye(b - a)
        for t in range(1, b - a):
            C[t, :t] = C[:t, t] = steps[t] * C[t - 1, :t]
        return C
