"""`Structure`: how the random effects of one level vary together, as a function of θ.

The covariance matrix of a level's p effects is σ²λλ' with λ lower triangular, and a structure is a
function λ(θ). The kernels take the *entries* of λ, those that can be other than zero, and return
the derivatives of the objective by them. Only structures know θ: `values` gives the entries at a θ,
`slopes` the derivatives by θ from those by the entries, and `matrix` the whole λ.

The methods of the base class are right for structures whose θ are the entries themselves (`us`,
`diag`). A structure whose λ depends on fewer parameters has `is_free` False and its own `values`,
`jacobian`, `nearest`, `labels` and so on; `homdiag` is an example.

See docs/mathematics.md, "Covariance structures".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import numpy as np


class Shape(NamedTuple):
    """A parameter that users see, other than a standard deviation.

    Attributes
    ----------
    name : str
        ``rho``, ``range``, ...
    lower, upper : float
        Its bounds.
    """

    name: str
    lower: float
    upper: float


def from_to(cnames) -> str:
    """Names of columns in short: the first and the last one."""
    return cnames[0] if len(cnames) == 1 else f"{cnames[0]}..{cnames[-1]}"


class Structure(ABC):
    """A covariance structure of p random effects; immutable, and equal if all its fields are.

    Attributes
    ----------
    p : int
        Order of λ.
    reading, correlations_of : str or None
        What residuals are correlated by, and whose correlations it has, if not its own.

    See Also
    --------
    ReMat : Has one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> structure = m.reterms[0].structure
    >>> structure.size, structure.labels(["Intercept", "Days"])
    (3, ['Intercept', 'Days.Intercept', 'Days'])
    >>> structure.matrix(m.theta).round(3).tolist()
    [[0.929, 0.0], [0.018, 0.223]]
    """

    p: int
    #: Its names in formulas, ``name(0 + x | g)``; the first one is that in files.
    names: ClassVar[tuple[str, ...]] = ()
    #: Which columns a smaller model may lack: any one ("each"), any that is not part of an
    #: interaction with others ("marginal"), or only all of them together ("all").
    can_lose: ClassVar[str] = "all"
    #: Names of the structures of the same columns that are special cases, besides itself.
    includes: ClassVar[frozenset[str]] = frozenset()
    #: Its options in formulas, ``name(x | g, d=2)``, and their values where they are not given.
    options: ClassVar[dict[str, int]] = {}
    #: Fewest effects with which it is more than another name of a variance.
    fewest: ClassVar[int] = 1
    #: Whether the distance of effects is that of their columns.
    counts_columns: ClassVar[bool] = False
    #: Whether the order of its columns counts, where their distance does not.
    is_ordered: ClassVar[bool] = False
    #: Whether its effects belong to points, ``name(x, y | g)``, which it takes as `points`.
    over_positions: ClassVar[bool] = False
    #: What residuals of the structure are correlated by: "visits", "lags" of whole numbers,
    #: "distances"; None if it is one of random effects alone.
    reading: ClassVar[str | None] = None
    #: Name of the structure that has its correlations, if that is another one.
    correlations_of: ClassVar[str | None] = None
    #: Whether neighbours decide about all correlations: a first-order Markov chain.
    is_chain: ClassVar[bool] = False
    #: Whether each effect, or each visit, has a standard deviation of its own.
    heterogeneous: ClassVar[bool] = False

    # ---- λ ----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def entries(self) -> np.ndarray:
        """Positions in ``λ.ravel()`` of the entries that can be other than zero, column by column.

        They form full lower triangles of consecutive columns. The columns of a triangle can then be
        changed, and rotated back to triangular form, without an effect on the other triangles.
        """

    @property
    def is_free(self) -> bool:
        """Whether θ are the entries of λ."""
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
        """θ of a lower triangular λ; if λ is not of this structure, of one near it.

        Parameters
        ----------
        matrix : ndarray, shape (p, p)
            Its diagonal is not negative.

        Returns
        -------
        ndarray, shape (size,)
        """
        return matrix.ravel()[self.entries]

    def rectified(self, theta: np.ndarray) -> np.ndarray:
        """θ, of shape (lines, size), with the same λλ' and the first entry of each column positive.

        That is the first entry other than zero.
        """
        if (theta[:, self.is_scale] > 0).all():  # the usual case
            return theta
        theta, column = theta.copy(), self.entries % self.p
        for c in range(self.p):
            here = np.flatnonzero(column == c)
            first = np.argmax(theta[:, here] != 0, axis=1)
            leading = np.take_along_axis(theta[:, here], first[:, None], axis=1)
            theta[:, here] *= np.where(leading < 0, -1.0, 1.0)
        return theta

    # ---- θ ----------------------------------------------------------------------------------

    @cached_property
    def start(self) -> np.ndarray:
        """The θ at which a search begins in columns of ordinary size: λ = I."""
        return self.nearest(np.eye(self.p))

    def of_sds(self, sds: np.ndarray) -> np.ndarray:
        """The θ of these p standard deviations, relative to σ, with the correlations of `start`."""
        return self.nearest(np.diag(sds))

    @cached_property
    def is_scale(self) -> np.ndarray:
        """For each θ, whether it is on the diagonal of λ, a scale of effects of either sign."""
        return self.rows == self.entries % self.p

    @property
    def lowerbd(self) -> np.ndarray:
        """Lower bounds of θ, for optimisers with bounds."""
        return np.where(self.is_scale, 0.0, -np.inf)

    @property
    def rows(self) -> np.ndarray:
        """For each θ, its row in λ; the first one if there are several."""
        return self.entries // self.p

    @property
    def scale_powers(self) -> np.ndarray:
        """The powers of a factor by which θ change where λ is multiplied by it, shape (size,)."""
        return np.ones(self.size)

    def column_sizes(self, sizes: np.ndarray) -> np.ndarray:
        """For each θ, the size of the column of Z that it multiplies, from those of all columns."""
        return sizes[self.rows]

    def labels(self, cnames: list[str]) -> list[str]:
        """Names of θ, from those of the columns: ``x``, or ``x.z`` for a pair."""
        pairs = zip(*np.divmod(self.entries, self.p), strict=True)
        return [cnames[r] if r == c else f"{cnames[r]}.{cnames[c]}" for r, c in pairs]

    # ---- the covariance matrix λλ' ------------------------------------------------------------

    def covariance_slopes(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of λλ' by θ, shape (size, p, p)."""
        moved = self._moves(theta) @ self.matrix(theta).T
        return moved + moved.transpose(0, 2, 1)

    def bend(self, theta: np.ndarray, N: np.ndarray) -> np.ndarray:
        """tr(N ∂²(λλ')) by each pair of θ for a symmetric N of order p, shape (size, size)."""
        moves = self._moves(theta)
        return 2 * np.einsum("sab,tab->st", N @ moves, moves, optimize=True)

    def _moves(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of λ by θ, shape (size, p, p); constant if λ is linear in θ."""
        moves = np.zeros((self.size, self.p * self.p))
        moves[:, self.entries] = self.jacobian(theta).T
        return moves.reshape(-1, self.p, self.p)

    def lacks_rank(self, theta: np.ndarray, size: np.ndarray, tol: float) -> bool:
        """Whether λλ' has a lower rank than the structure lets it have.

        Parameters
        ----------
        theta : ndarray, shape (size,)
        size : ndarray, shape (p,)
            Root mean squares of the columns of Z.
        tol : float
            What counts as zero in columns of size one.
        """
        return bool((np.abs(np.diag(self.matrix(theta))) * size < tol).any())

    def without_effect(self, theta: np.ndarray, size: np.ndarray, tol: float) -> np.ndarray:
        """For each θ, whether λλ' does not depend on it, since other θ are at bounds.

        The arguments are those of `lacks_rank`.
        """
        return np.zeros(self.size, dtype=bool)

    @property
    def shapes(self) -> list[Shape]:
        """What users see of θ besides standard deviations and single correlations."""
        return []

    def shape_labels(self, cnames: list[str]) -> list[str]:
        """Names of `shapes` with the columns that they belong to: ``rho_x..z``."""
        return [f"{shape.name}_{from_to(cnames)}" for shape in self.shapes]

    def bounds_met(self, theta: np.ndarray, tol: float) -> list[str]:
        """Shapes at a bound where λ is singular, in words: ``rho of ar1 is 1``."""
        return []

    def shape_values(self, theta: np.ndarray) -> np.ndarray:
        """Values of `shapes`, of shape (..., number of them) for θ of shape (..., size)."""
        return np.zeros((*np.shape(theta)[:-1], 0))

    @cached_property
    def correlated(self) -> np.ndarray:
        """Which pairs of effects may be correlated, shape (p, p)."""
        free = np.zeros(self.p * self.p, dtype=int)
        free[self.entries] = 1
        free = free.reshape(self.p, self.p)
        return free @ free.T > 0

    def deviations(self, cnames: list[str]) -> list[tuple[int, str]]:
        """The estimated standard deviations: an effect that has each, and its name."""
        return list(enumerate(cnames))

    @property
    def correlations(self) -> list[tuple[int, int]]:
        """Pairs of effects, in order, whose correlations are estimated."""
        return [(i, j) for i, j in combinations(range(self.p), 2) if self.correlated[j, i]]

    @property
    def units(self) -> np.ndarray:
        """Derivatives of λλ' by its free entries, in which it is linear; shape (size, p, p)."""
        if not self.is_free:
            raise NotImplementedError(f"{type(self).__name__} has no free entries of λλ'")
        E = np.zeros((self.size, self.p, self.p))
        row, column = np.divmod(self.entries, self.p)
        each = np.arange(self.size)
        E[each, row, column] = E[each, column, row] = 1.0
        return E

    def coordinates(self, matrices: np.ndarray) -> np.ndarray:
        """The free entries of symmetric matrices, of shape (..., p, p), as `units` takes them."""
        return matrices.reshape(*matrices.shape[:-2], -1)[..., self.entries]

    def lifts(self, lam, size) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Directions A in which a factor L of λλ' changes, one for each coordinate of λλ'.

        A direction changes L along one principal axis of λλ', or along two of them in proportions
        that rotate nothing. It exists for a singular λ, too.

        Parameters
        ----------
        lam : ndarray, shape (..., p, p)
            λ, or many of them.
        size : ndarray, shape (p,) or (..., p)
            Sizes of the columns.

        Yields
        ------
        L, A : ndarray, shape (..., p, p)
            LL' = λλ' in the columns concerned; L + A is the changed factor.
        ndarray, shape (...)
            The variance along the axis, or the mean along both.
        """
        for block in self.blocks:
            rows, columns = np.ix_(block, block)
            axes, root, _ = np.linalg.svd(size[..., block, None] * lam[..., rows, columns])
            axes /= size[..., block, None]
            L = np.zeros(lam.shape)
            L[..., rows, columns] = axes * root[..., None, :]
            for i, j in zip(*np.tril_indices(len(block)), strict=True):
                norm = np.hypot(root[..., i], root[..., j])
                with np.errstate(invalid="ignore"):
                    share = root[..., [j, i]] / norm[..., None]
                share = np.where(norm[..., None] > 0, share, np.sqrt(0.5))
                A = np.zeros(lam.shape)
                A[..., block, block[j]] = share[..., [0]] * axes[..., i]
                second = share[..., [1]] * axes[..., j] if i != j else axes[..., i]
                A[..., block, block[i]] = second
                yield L, A, norm**2 / 2

    def fall(self, theta, N, size) -> tuple[float, Callable[[float], np.ndarray]]:
        """Whether the objective falls in some direction from a singular λ.

        For structures that are not free; for others the kernels compute it, in
        `blocks.search.certificate`.

        Parameters
        ----------
        theta : ndarray, shape (size,)
            Where λ is singular.
        N : ndarray, shape (p, p)
            ∂objective/∂(λλ'), symmetric.
        size : ndarray, shape (p,)
            Root mean squares of the columns of Z.

        Returns
        -------
        float
            Negative if it falls, relative to the size of N; infinite if there is nothing to judge.
        callable
            θ at a distance ε along the direction, in columns of size one.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define fall(), which singular fits need"
        )

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
        """Groups of columns of Z that need a common factor of scale for λ to keep its structure.

        Columns in none of them are not scaled.
        """
        return [[j] for j in range(self.p)]

    @property
    def rank(self) -> int:
        """The rank that λλ' has, where no variance is zero."""
        return self.p

    @property
    def unrestricted(self) -> list[list[int]]:
        """Groups of effects whose covariance matrix can be any."""
        return self.blocks if self.is_free else []

    def some_theta(self) -> np.ndarray:
        """A θ at which λλ' has the directions that it has at nearly every other θ."""
        theta = np.linspace(0.25, 0.55, self.size)
        return np.where(self.is_scale, 0.7 + theta, theta)

    def directions(self, theta: np.ndarray) -> np.ndarray:
        """Matrices that span the changes of λλ' at θ, shape (size, p, p).

        Where λλ' is linear in free entries they do not depend on θ, and are those of `units`.
        """
        return self.units if self.is_linear else self.covariance_slopes(theta)

    @property
    def mixable(self) -> list[list[int]]:
        """Groups of columns that linear combinations of them may replace: λ keeps its structure."""
        return self.blocks if self.is_free else [[j] for j in range(self.p)]

    def has_case(self, other: Structure) -> bool:
        """Whether another structure of the same columns is this one, or a special case."""
        return self == other or bool(self.includes.intersection(other.names))

    @property
    def parts(self) -> list[tuple[list[int], Structure]]:
        """Independent parts: columns, and their structure."""
        return [(list(range(self.p)), self)]

    @abstractmethod
    def select(self, columns: list[int]) -> Structure:
        """The structure of some of the columns, in the same order."""

    # ---- files ------------------------------------------------------------------------------

    @classmethod
    def from_options(cls, p: int, options: dict[str, Any]) -> Structure:
        """The structure that `to_json` describes as ``[name, options]``."""
        return cls(p, **options)  # type: ignore[call-arg]

    def to_json(self) -> Any:
        """A description for files, which `registry.from_json` reads: the entries if it is free."""
        return self.entries.tolist() if self.is_free else [self.names[0], self.p]
