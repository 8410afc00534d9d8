"""`Points`: the distinct points of a term over positions, ``exp(east, north | g)``.

Such a term has one effect for each point that occurs in the data, and each row picks its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.errors import DataError

#: With more points than this, dense matrices of their order are too slow to search with.
MOST = 3000


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

    def indicators(self, coordinates: np.ndarray, text: str) -> np.ndarray:
        """Which point each row is at, as columns of zeros and ones, shape (n, p).

        Raises
        ------
        DataError
            A row is at a point of its own.
        """
        place = {tuple(row): k for k, row in enumerate(self.at.tolist())}
        rows = (np.asarray(coordinates) + 0.0).tolist()
        found = np.array([place.get(tuple(row), -1) for row in rows], dtype=np.int64)
        if (found < 0).any():
            row = rows[int(np.argmax(found < 0))]
            raise DataError(
                f"{text}: the data of the fit have no row at {', '.join(self.names)} = "
                f"{', '.join(f'{x:.6g}' for x in row)}; predict at its points, or "
                'without random effects (re_form="none")'
            )
        out = np.zeros((len(found), len(self.at)))
        out[np.arange(len(found)), found] = 1.0
        return out
