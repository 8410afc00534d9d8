"""`Points`: the distinct points of a term over positions, ``exp(east, north | g)``.

Such a term has one effect for each point that occurs in the data, and each row picks its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.errors import DataError

#: With more points than this, dense matrices of their order are too slow to search with.
MOST = 1500
#: Most operations (levels × p³) of terms whose levels have different points.
MOST_OPERATIONS = 1e10


@dataclass(frozen=True)
class Points:
    """Points in lexical order, learnt from the data of the fit.

    Attributes
    ----------
    names : tuple of str
        The coordinates.
    at : ndarray, shape (p, number of coordinates)
    """

    names: tuple[str, ...]
    at: np.ndarray

    @classmethod
    def of(cls, coordinates: np.ndarray, names: list[str], text: str) -> Points:
        """The distinct rows of coordinates, shape (n, number of coordinates).

        Raises
        ------
        DataError
            There are too many of them, or only one.
        """
        at = np.unique(coordinates + 0.0, axis=0)
        if len(at) == 1:
            raise DataError(f"{text}: all rows are at one point, so that there is no distance")
        if len(at) > MOST:
            raise DataError(
                f"{text}: the rows are at {len(at)} distinct points, more than {MOST}: round the "
                "coordinates, or take them in groups"
            )
        return cls(tuple(names), at)

    @property
    def labels(self) -> list[str]:
        """Names of the effects: ``time[3]``, ``east,north[1.5,2]``."""
        return [f"{','.join(self.names)}[{','.join(f'{x:.12g}' for x in row)}]" for row in self.at]

    def refuse_many(self, text: str, refs: np.ndarray) -> None:
        """Refuse points of which each level has few, but all together are many.

        Raises
        ------
        DataError
            An evaluation would take minutes.
        """
        levels, p = int(refs.max()) + 1, len(self.at)
        if levels > 1 and levels * p**3 > MOST_OPERATIONS:
            raise DataError(
                f"{text}: the rows of {levels} levels are at {p} distinct points, each of which is "
                f"an effect in every level. A linear model has the same covariance by "
                f'residual="{_as_residuals(text)}", where each level has its own points; or round '
                f"{', '.join(self.names)} to a coarser grid, so that levels share them"
            )

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


def _as_residuals(text: str) -> str:
    """A term beside independent residuals, written as correlated residuals."""
    name, _, inside = text.partition("(")
    return f"{'exp' if name == 'ou' else name}({inside.removesuffix(')')}, nugget=True)"
