"""`Places`: where rows of other data are among those of the fit: group, stratum, and position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, shown
from numbamm.formula.levels import as_array, positions, type_hint

if TYPE_CHECKING:
    from numbamm.formula.grouping import Grouping
    from numbamm.formula.parts.residual_text import ResidualText

#: Lags beyond this are none of whole numbers that somebody counted.
LONGEST_LAG = 100_000


@dataclass
class Places:
    """How the groups, strata and positions of rows were read.

    Attributes
    ----------
    text : ResidualText
    kind : type of Structure
    grouping : Grouping
    labels : pandas.Index or None
        Of visits, or of categories that are counted; None where positions are numbers.
    origin : float
        The first of the whole numbers, from which lags are counted.
    strata : pandas.Index or None
        Labels of the strata.
    stratum_of : ndarray of int64, shape (groups,)
        The stratum of each group.
    """

    text: ResidualText
    kind: Any
    grouping: Grouping
    labels: pd.Index | None
    origin: float
    strata: pd.Index | None
    stratum_of: np.ndarray

    def groups_of(self, columns) -> tuple[np.ndarray, list]:
        """Groups of rows, those that were not in the fit numbered after its own; their labels."""
        some = columns if self.text.group else {"": next(iter(columns.values()))}
        refs, unseen = self.grouping.code(some)
        return refs.astype(np.int64), unseen

    def strata_of(self, columns, groups) -> np.ndarray:
        """The stratum of each row.

        Raises
        ------
        DataError
            A stratum, or a group in another stratum than in the fit, was never seen.
        """
        if self.strata is None:
            return np.zeros(len(next(iter(columns.values()))), dtype=np.int64)
        codes = self._codes(columns, self.text.by, self.strata)
        if groups is None:
            return codes
        seen = groups < len(self.stratum_of)
        other = np.flatnonzero(seen & (self.stratum_of[np.where(seen, groups, 0)] != codes))
        if len(other):
            raise DataError(
                f"residual={self.text.text!r}: the group "
                f"{shown(self.grouping.levels[groups[other[0]]])} has {self.text.by} = "
                f"{shown(self.strata[codes[other[0]]])} in the new data, and another value in "
                "those of the fit"
            )
        return codes

    def positions_of(self, columns) -> np.ndarray:
        """Positions as the fit has them, shape (n, coordinates).

        Raises
        ------
        DataError
            A visit was never seen, or times are none of the structure's.
        """
        names = self.text.positions
        if not names:
            return np.zeros((len(next(iter(columns.values()))), 1), dtype=np.int64)
        if self.labels is not None:
            return self._codes(columns, names[0], self.labels)[:, None]
        at = np.column_stack([self._numbers(columns, name) for name in names])
        if self.kind.reading != "lags":
            return at
        lags = at - self.origin
        if (lags != np.round(lags)).any():
            raise DataError(
                f"residual={self.text.text!r} needs whole numbers, and '{names[0]}' has others in "
                "the new data"
            )
        if np.abs(lags).max(initial=0) > LONGEST_LAG:
            raise DataError(
                f"residual={self.text.text!r}: a row of the new data has {names[0]} = "
                f"{at.flat[np.abs(lags).argmax()]:g}, more than {LONGEST_LAG:,} steps from those "
                "of the fit"
            )
        return lags.astype(np.int64)

    def _numbers(self, columns, name: str) -> np.ndarray:
        values = as_array(columns[name])
        if hasattr(columns[name], "cat") or values.dtype.kind not in "iufb":
            raise DataError(
                f"residual={self.text.text!r}: '{name}' must be numbers in the new data"
            )
        return values.astype(np.float64)

    def _codes(self, columns, name: str, labels: pd.Index) -> np.ndarray:
        codes = positions(columns[name], labels)
        unseen = columns[name][codes < 0].drop_duplicates().tolist()
        if unseen:
            more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
            raise DataError(
                f"residual={self.text.text!r}: no row of the fit has {name} = "
                f"{', '.join(map(shown, unseen[:5]))}{more}{type_hint(unseen, labels)}, so that "
                "nothing is known of its residuals; it has "
                f"{', '.join(map(shown, labels[:8]))}{', ...' if len(labels) > 8 else ''}"
            )
        return codes.astype(np.int64)
