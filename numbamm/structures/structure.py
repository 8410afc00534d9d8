"""`Structure`: how the random effects of one level vary together, as a function of θ.

The covariance matrix of a level's p effects is σ²λλ', and a structure says which lower triangular λ
there are: λ(θ). The kernels know the *entries* of λ, those that can be other than zero, and the
slopes of the objective in them; a structure alone knows θ, and stands between: `values` are the
entries at a θ, `slopes` brings slopes in the entries back to θ. Both stand once, here, as does the
scatter of θ into λ (`matrix`).

What is written here is right for structures whose θ are the entries themselves (`us`, `diag`). A
structure whose λ is a function of fewer parameters says so (`is_free`), and has its own `values`,
`slopes`, `nearest`, `labels` and so on, as `homdiag` shows.

See docs/mathematics.md, "Covariance structures".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import numpy as np


class Structure(ABC):
    """One covariance structure of p random effects; immutable, and equal where it says the same.

    Attributes
    ----------
    p : int
        Order of λ.
    """

    p: int
    #: What a formula may call it, ``name(0 + x | g)``; the first one is its name.
    names: ClassVar[tuple[str, ...]] = ()
    #: Which of its columns a smaller model can be without: each one ("each"), those that are no
    #: part of an interaction with others ("marginal"), or only all of them together ("all").
    can_lose: ClassVar[str] = "all"

    # ---- λ ----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def entries(self) -> np.ndarray:
        """Positions in ``λ.ravel()`` (row by row) of what can be other than zero, column by column.

        They make up full lower triangles of consecutive columns, so that a change of the columns
        of one triangle, and a rotation back to triangular form, leave the others alone.
        """

    @property
    def is_free(self) -> bool:
        """Whether θ are the entries of λ, each on its own."""
        return True

    @property
    def is_linear(self) -> bool:
        """Whether λ is linear in θ."""
        return True

    @property
    def size(self) -> int:
        """Number of θ."""
        return len(self.entries)

    def values(self, theta: np.ndarray) -> np.ndarray:
        """The entries of λ(θ); of shape (..., number of entries) for θ of shape (..., size)."""
        return theta

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of the entries, shape (number of entries, size)."""
        return np.eye(self.size)

    def slopes(self, theta: np.ndarray, by_entry: np.ndarray) -> np.ndarray:
        """The gradient in θ, shape (size,), from that in the entries of λ at θ."""
        return by_entry if self.is_free else self.jacobian(theta).T @ by_entry

    def matrix(self, theta: np.ndarray) -> np.ndarray:
        """λ(θ), of shape (..., p, p)."""
        lam = np.zeros((*np.shape(theta)[:-1], self.p * self.p))
        lam[..., self.entries] = self.values(theta)
        return lam.reshape(*lam.shape[:-1], self.p, self.p)

    def nearest(self, matrix: np.ndarray) -> np.ndarray:
        """The θ of a lower triangular λ; where it is none of this structure, of one that is near.

        Parameters
        ----------
        matrix : ndarray, shape (p, p)
            With no negative diagonal.

        Returns
        -------
        ndarray, shape (size,)
        """
        return matrix.ravel()[self.entries]

    def rectified(self, theta: np.ndarray) -> np.ndarray:
        """θ, of shape (lines, size), with the same λλ', and no column of λ beginning negative."""
        if (theta[:, self.is_scale] > 0).all():  # as a rule
            return theta
        theta, column = theta.copy(), self.entries % self.p
        for c in range(self.p):
            mine = np.flatnonzero(column == c)
            first = np.argmax(theta[:, mine] != 0, axis=1)
            leading = np.take_along_axis(theta[:, mine], first[:, None], axis=1)
            theta[:, mine] *= np.where(leading < 0, -1.0, 1.0)
        return theta

    # ---- θ ----------------------------------------------------------------------------------

    @cached_property
    def start(self) -> np.ndarray:
        """The θ at which a search begins in columns of ordinary size: λ = I."""
        return self.nearest(np.eye(self.p))

    @cached_property
    def is_scale(self) -> np.ndarray:
        """For each θ, whether it is the size of effects, on the diagonal of λ; its sign is free."""
        return self.rows == self.entries % self.p

    @property
    def lowerbd(self) -> np.ndarray:
        """Lower bounds of θ for optimisers that keep some."""
        return np.where(self.is_scale, 0.0, -np.inf)

    @property
    def rows(self) -> np.ndarray:
        """For each θ, the row of λ where it stands; the first one if there are several."""
        return self.entries // self.p

    def column_sizes(self, sizes: np.ndarray) -> np.ndarray:
        """For each θ, the size of the column of Z that it multiplies, from those of all columns."""
        return sizes[self.rows]

    def labels(self, cnames: list[str]) -> list[str]:
        """What each θ is called, from the names of the columns: ``x``, or ``x.z`` of a pair."""
        pairs = zip(*np.divmod(self.entries, self.p), strict=True)
        return [cnames[r] if r == c else f"{cnames[r]}.{cnames[c]}" for r, c in pairs]

    # ---- the covariance matrix λλ' ------------------------------------------------------------

    @cached_property
    def correlated(self) -> np.ndarray:
        """Which pairs of effects may be correlated, shape (p, p)."""
        free = np.zeros(self.p * self.p, dtype=int)
        free[self.entries] = 1
        free = free.reshape(self.p, self.p)
        return free @ free.T > 0

    def deviations(self, cnames: list[str]) -> list[tuple[int, str]]:
        """Standard deviations that are estimated: an effect that has it, and what it is called."""
        return list(enumerate(cnames))

    @property
    def correlations(self) -> list[tuple[int, int]]:
        """Pairs of effects, in order, whose correlations are estimated."""
        return [(i, j) for i, j in combinations(range(self.p), 2) if self.correlated[j, i]]

    @property
    def units(self) -> np.ndarray:
        """∂λλ' by each of its free entries, in which it is linear; shape (size, p, p)."""
        if not self.is_free:
            raise NotImplementedError(f"{type(self).__name__} has no free entries of λλ'")
        E = np.zeros((self.size, self.p, self.p))
        row, column = np.divmod(self.entries, self.p)
        mine = np.arange(self.size)
        E[mine, row, column] = E[mine, column, row] = 1.0
        return E

    def coordinates(self, matrices: np.ndarray) -> np.ndarray:
        """The free entries of symmetric matrices, of shape (..., p, p), as `units` takes them."""
        return matrices.reshape(*matrices.shape[:-2], -1)[..., self.entries]

    def lifts(self, lam, size) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Factors L of λλ', and their moves, that tell matrices of a lower rank apart.

        In the axes of λλ' a move has one unit for an axis, or for a pair of them, shared such that
        it turns nothing.

        Parameters
        ----------
        lam : ndarray, shape (p, p)
            λ.
        size : ndarray, shape (p,)
            Sizes of the columns.

        Yields
        ------
        L, A : ndarray, shape (p, p)
            LL' = λλ' in the columns concerned; L + A is moved.
        float
            The variance along the axis, or the mean along both.
        """
        for block in self.blocks:
            axes, root, _ = np.linalg.svd(size[block, None] * lam[np.ix_(block, block)])
            axes /= size[block, None]
            L = np.zeros((self.p, self.p))
            L[np.ix_(block, block)] = axes * root
            for i, j in zip(*np.tril_indices(len(block)), strict=True):
                norm = np.hypot(root[i], root[j])
                share = root[[j, i]] / norm if norm > 0 else np.full(2, np.sqrt(0.5))
                A = np.zeros((self.p, self.p))
                A[block, block[j]] = share[0] * axes[:, i]
                A[block, block[i]] = share[1] * axes[:, j] if i != j else axes[:, i]
                yield L, A, norm**2 / 2

    def fall(self, N, size) -> tuple[float, np.ndarray]:
        """Whether the objective falls beside a singular λ, for a structure that is not free.

        Where θ are the entries the kernels find that out (`blocks.search.certificate`).

        Parameters
        ----------
        N : ndarray, shape (p, p)
            ∂objective/∂(λλ'), symmetric.
        size : ndarray, shape (p,)
            Root mean squares of the columns of Z.

        Returns
        -------
        float
            Negative if it falls, relative to the size of N.
        ndarray, shape (size,)
            The direction in θ, of length one in columns of size one.
        """
        raise NotImplementedError(f"{type(self).__name__} says nothing of its singular fits")

    # ---- its columns ------------------------------------------------------------------------

    @cached_property
    def blocks(self) -> list[list[int]]:
        """Columns that share a lower triangle of λ, triangle by triangle."""
        free = np.zeros(self.p**2, dtype=bool)
        free[self.entries] = True
        leaders = free.reshape(self.p, self.p).argmax(axis=1)
        return [np.flatnonzero(leaders == k).tolist() for k in np.unique(leaders)]

    @property
    def of_one_size(self) -> list[list[int]]:
        """Columns of Z that can be scaled by common factors only, for λ to keep its structure."""
        return [[j] for j in range(self.p)]

    @property
    def parts(self) -> list[tuple[list[int], Structure]]:
        """Independent parts: columns, and their structure."""
        return [(list(range(self.p)), self)]

    @abstractmethod
    def select(self, columns: list[int]) -> Structure:
        """The structure of some of the columns, in the same order."""

    # ---- files ------------------------------------------------------------------------------

    def to_json(self) -> Any:
        """What a file keeps of it, for `registry.from_json`: if it is free its entries alone."""
        return self.entries.tolist() if self.is_free else [self.names[0], self.p]
