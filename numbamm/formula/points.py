"""`Points`: the distinct points of a term over positions, ``exp(east, north | g)``.

Such a term has one effect for each point that occurs in the data, and each row picks its own. In
many groups whose points are their own there is one for each point of each group: these are the
effects of one level, of which those of a group are correlated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.errors import DataError
from numbamm.formula.grouping import Grouping

#: With more points than this, dense matrices of their order are too slow to search with.
MOST = 1500
#: Most operations (levels × p³) of terms of which every level has an effect at every point.
MOST_OPERATIONS = 1e10
#: From so many on, effects at the points of each level alone are preferred if there are some
#: times as few operations.
OPERATIONS, GAIN = 1e8, 8


@dataclass(frozen=True)
class Points:
    """Points in lexical order, learnt from the data of the fit.

    Attributes
    ----------
    names : tuple of str
        The coordinates.
    at : ndarray, shape (p, number of coordinates)
    within : Grouping or None
        The groups that have points of their own; the first coordinate is then that of the group.
    """

    names: tuple[str, ...]
    at: np.ndarray
    within: Grouping | None = None

    @classmethod
    def of(
        cls, coordinates: np.ndarray, names: list[str], text: str, factors=(), columns=None
    ) -> Points:
        """The distinct rows of coordinates, shape (n, number of coordinates).

        Of groups that are many and share few of their points they are those of each group.

        Parameters
        ----------
        coordinates, names
        text : str
            The term, for messages.
        factors : tuple of str
            The columns whose interaction is the group; none for one group of all rows.
        columns : dict of str → pandas.Series
            With these.

        Raises
        ------
        DataError
            There are too many of them, or only one.
        """
        coordinates = coordinates + 0.0
        at, groups = np.unique(coordinates, axis=0), Grouping(factors)
        if len(at) == 1:
            raise DataError(f"{text}: all rows are at one point, so that there is no distance")
        if factors:
            refs = groups.learn(columns)
            operations = groups.nlevels * len(at) ** 3
            own = np.unique(np.column_stack([refs, coordinates]), axis=0)
            if operations > OPERATIONS and GAIN * len(own) ** 3 < operations and len(own) <= MOST:
                return cls(tuple(names), own, groups)
            if operations > MOST_OPERATIONS and groups.nlevels > 1:
                raise DataError(_too_many(text, groups.nlevels, len(at), names))
        if len(at) > MOST:
            raise DataError(
                f"{text}: the rows are at {len(at)} distinct points, more than {MOST}: round the "
                "coordinates, or take them in groups"
            )
        return cls(tuple(names), at)

    @property
    def labels(self) -> list[str]:
        """Names of the effects: ``time[3]``, ``east,north[1.5,2]``, and in groups ``time[b,3]``."""
        own = [] if self.within is None else [self.within.levels[int(g)] for g in self.at[:, 0]]
        rest = self.at[:, len(own) > 0 :]
        texts = [",".join(f"{x:.12g}" for x in row) for row in rest]
        texts = [f"{g},{text}" for g, text in zip(own, texts, strict=True)] if own else texts
        return [f"{','.join(self.names)}[{text}]" for text in texts]

    def located(self, coordinates: np.ndarray, columns) -> np.ndarray:
        """Coordinates as the points have them: with the number of the group, where it matters."""
        if self.within is None:
            return coordinates
        return np.column_stack([self.within.code(columns)[0], coordinates])

    def found(self, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which point each row is at, shape (n,), and the points that are not among these.

        The others, of shape (m, number of coordinates), are numbered after these.
        """
        place = {tuple(row): k for k, row in enumerate(self.at.tolist())}
        rows = [tuple(row) for row in (np.asarray(coordinates) + 0.0).tolist()]
        which = [place.setdefault(row, len(place)) for row in rows]
        others = list(place)[len(self.at) :]
        return np.array(which, dtype=np.int64), np.reshape(others, (-1, self.at.shape[1]))

    def indicators(self, coordinates: np.ndarray, text: str) -> np.ndarray:
        """Which point each row is at, as columns of zeros and ones, shape (n, p).

        Raises
        ------
        DataError
            A row is at another point.
        """
        which, others = self.found(coordinates)
        if len(others):
            raise DataError(
                f"{text}: the data of the fit have no row at {', '.join(self.names)} = "
                f"{', '.join(f'{x:.6g}' for x in others[0])}; take its points, or "
                'no random effects (re_form="none")'
            )
        return self.columns(which)

    def columns(self, which: np.ndarray) -> np.ndarray:
        """Columns of zeros and ones, shape (n, p), of rows at these points; zeros at others."""
        return (which[:, None] == np.arange(len(self.at))).astype(np.float64)


def _too_many(text: str, levels: int, p: int, names: list[str]) -> str:
    return (
        f"{text}: the rows of {levels} levels are at {p} distinct points, too many for an effect "
        f"at every point. A linear model has the same covariance by "
        f'residual="{_as_residuals(text)}", where each level has its own points; or round '
        f"{', '.join(names)} to a coarser grid, so that levels share them"
    )


def _as_residuals(text: str) -> str:
    """A term beside independent residuals, written as correlated residuals."""
    name, _, inside = text.partition("(")
    return f"{'exp' if name == 'ou' else name}({inside.removesuffix(')')}, nugget=True)"
