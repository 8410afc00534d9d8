"""`ScaledTerms`: a model's terms in columns of ordinary size, in which it is fitted, and their θ.

A search moves in the scaled θ, and the gradient is found there; users see those of their own
columns. See `design.scaling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from numbamm.blocks.search.certificate import NULL
from numbamm.design.related_levels import as_computed
from numbamm.design.remat import ReMat
from numbamm.design.scaling import Scaling
from numbamm.errors import OptionError
from numbamm.structures.joint import Joint

#: Half-width of differences of the change of coordinates, relative to θ: tiny, since that bends
#: sharply where columns are so far off that θ differ by seven orders of magnitude.
STEP = 1e-8


class ScaledTerms:
    """The terms of a model, and the change of each to columns of ordinary size.

    Parameters
    ----------
    terms : sequence of ReMat
        In the user's columns.
    root : ndarray, shape (n,), or None
        √W of each row.
    scalings : sequence of Scaling or None, optional
        That of each term, None where its columns are fitted as they are; by default those that
        the columns need.

    Attributes
    ----------
    scalings : list of Scaling or None
    root : ndarray, shape (n,), or None
        As given.
    structure : Joint
        The structures of all terms, which are those of the scaled terms, too.
    is_changed : bool
        Whether some term is fitted in other columns than the user's.
    """

    def __init__(
        self,
        terms: Sequence[ReMat],
        root: np.ndarray | None,
        scalings: Sequence[Scaling | None] | None = None,
    ) -> None:
        self._terms, self.root = terms, root
        if scalings is None:
            scalings = [Scaling.of_term(term, root) for term in terms]
        self.scalings = list(scalings)
        self.structure = Joint.of(terms)
        self.is_changed = any(s is not None for s in self.scalings)

    def _by_term(self, theta, change: str) -> np.ndarray:
        parts = zip(self.scalings, self.structure.split(theta), strict=True)
        return self.structure.join([getattr(s, change)(own) if s else own for s, own in parts])

    def to_scaled(self, theta) -> np.ndarray:
        """θ of the scaled columns, from θ of the user's."""
        return self._by_term(theta, "to_scaled")

    def to_user(self, theta) -> np.ndarray:
        """θ of the user's columns, from θ of the scaled ones."""
        return self._by_term(theta, "to_user")

    def user_gradient(self, theta, slopes) -> np.ndarray:
        """The gradient in the user's θ, from that in the scaled θ.

        Parameters
        ----------
        theta : ndarray, shape (number of θ,)
            The user's.
        slopes : ndarray, shape (number of θ,)
            The gradient at ``to_scaled(theta)``.
        """
        if not self.is_changed:
            return slopes
        moves = np.diag(STEP * np.maximum(np.abs(theta), 0.1))
        by_each = [
            (self.to_scaled(theta + h) - self.to_scaled(theta - h)) / (2 * h.max()) for h in moves
        ]
        return np.array(by_each) @ slopes

    @property
    def terms(self) -> list[ReMat]:
        """The terms in scaled columns, as kernels have them; see `design.related_levels`."""
        return [as_computed(term) for term in self._scaled]

    @property
    def _scaled(self) -> list[ReMat]:
        pairs = zip(self.scalings, self._terms, strict=True)
        return [scaling.scaled(term) if scaling else term for scaling, term in pairs]

    @cached_property
    def sizes(self) -> list[np.ndarray]:
        """Root mean squares of the scaled columns, term by term."""
        return [term.root_mean_squares(self.root) for term in self._scaled]

    @property
    def theta_sizes(self) -> np.ndarray:
        """For each scaled θ, the size of the column of Z that its row of λ stands for."""
        sizes = self.structure.column_sizes(self.sizes)
        return np.where(sizes > 0, sizes, 1.0)  # of zeros nothing depends on θ

    def lacks_rank(self, theta) -> bool:
        """Whether some λ of the scaled θ, in columns of size one, is singular."""
        pairs = zip(self.structure.matrices(theta), self.sizes, strict=True)
        return any(_least_singular_value(size[:, None] * lam) < NULL for lam, size in pairs)

    def is_deficient(self, theta, tol: float) -> bool:
        """Whether some λ of the scaled θ has a lower rank than its structure lets it have."""
        parts = zip(self.structure.structures, self.structure.split(theta), self.sizes, strict=True)
        return any(s.lacks_rank(own, size, tol) for s, own, size in parts)

    def largest_sd(self, theta) -> float:
        """The largest standard deviation at the scaled θ, for columns of size one."""
        pairs = zip(self.structure.matrices(theta), self.sizes, strict=True)
        sds = [size * np.sqrt((lam**2).sum(axis=1)) for lam, size in pairs]
        return float(np.concatenate(sds).max(initial=0.0))

    def of_one_sd(self, sd: float) -> np.ndarray:
        """The scaled θ where all effects have this standard deviation, in columns of size one."""
        pairs = zip(self.structure.structures, self.sizes, strict=True)
        parts = [s.of_sds(sd / np.where(size > 0, size, 1.0)) for s, size in pairs]
        return self.structure.join(parts)

    def check_bounds(self, lower, upper) -> None:
        """Refuse bounds on the user's θ, of which scaled columns are mixtures.

        Raises
        ------
        OptionError
            Bounds have been changed, and some term is fitted in other columns.
        """
        usual = np.isinf(upper).all() and np.array_equal(lower, self.structure.lowerbd)
        if usual or not self.is_changed:
            return
        groups = [t.group for t, s in zip(self._terms, self.scalings, strict=True) if s]
        raise OptionError(
            "lowerbd and upperbd cannot be changed where random effects belong to columns far "
            f"from 0, or very large or small (those on {', '.join(groups)}): centre and scale them"
        )


def _least_singular_value(matrix) -> float:
    if len(matrix) == 1:
        return abs(matrix[0, 0])
    return np.linalg.svd(matrix, compute_uv=False)[-1]
