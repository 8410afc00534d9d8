"""`NewResiduals`: the residuals of rows that the fit did not have, given those that it had.

With R = DCD and a new row of standard deviation d*, whose correlations with the rows of its group
are c, the mean of its residual given ε is d* c'C⁻¹D⁻¹ε, and σ²d*²(1 - c'C⁻¹c) is left of its
variance (simple kriging: Cressie, 1993, Statistics for Spatial Data, section 3.4.5). Of a Markov
chain the two neighbours in time say all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array

from numbamm.blocks.residual.correlations import Chains
from numbamm.blocks.residual.scales import LogLinear, Scales
from numbamm.errors import DataError, shown
from numbamm.memory import refuse_beyond
from numbamm.models.residual_side.deviations import new_part
from numbamm.models.residual_side.texts import DISPERSION

#: A variance, of one, that is below this is no rounding error.
NEGATIVE = -1e-8
#: The remedy where matrices of new rows would be too large.
FEWER = "take fewer rows at once"


class NewColumns(NamedTuple):
    """Columns of new rows in which nothing is missing, as `deviations.new_part` takes them.

    Attributes
    ----------
    parts : dict of str → ndarray
    names : list of str
        Names of the columns of the part of dispersions.
    part_columns : dict of str → pandas.Series
    """

    parts: dict
    names: list[str]
    part_columns: dict


def needed(side, *, correlated: bool) -> tuple[set[str], tuple[str, ...]]:
    """The columns, and the parts, that residuals of new rows take.

    Parameters
    ----------
    side : ResidualSide
    correlated : bool
        Whether their correlations matter, or their standard deviations alone.
    """
    text, columns = side.texts.residual, set()
    if text is not None and correlated:
        columns |= text.columns
    elif side.reading.cells is not None:
        columns |= {*(text.positions if side.reading.places.kind.heterogeneous else ())}
        columns |= {text.by} if text.by else set()
    columns = columns.union(*(d.columns for d in side.texts.dispersions))
    is_formula = any(d.function is None for d in side.texts.dispersions)
    return columns, (DISPERSION,) if is_formula else ()


@dataclass
class NewResiduals:
    """Residuals of new rows.

    Attributes
    ----------
    side : ResidualSide
    rows : ndarray of int64
        Positions of the rows in which nothing is missing; all else is of these.
    columns : NewColumns
    w : ndarray, shape (rows,)
        Prior weights.
    """

    side: Any
    rows: np.ndarray
    columns: NewColumns
    w: np.ndarray

    @classmethod
    def of(cls, model, new) -> NewResiduals:
        """Those of `NewRows` with the columns that are `needed`."""
        rows = np.flatnonzero(~new.missing)
        names = model.frame.parts[DISPERSION][1] if DISPERSION in new.parts else []
        parts = {name: values[rows] for name, values in new.parts.items()}
        w = np.ones(len(rows)) if new.weights is None else new.weights[rows]
        return cls(model.residual_side, rows, NewColumns(parts, names, new.columns), w)

    # ---- standard deviations ------------------------------------------------------------------

    def deviations(self, means) -> np.ndarray:
        """d of the rows, without weights.

        Parameters
        ----------
        means : ndarray, shape (rows,)
            Means of the rows, on which the standard deviations may depend.
        """
        side, parts = self.side, []
        if not len(self.rows):
            return np.ones(0)
        of_fit, cells = list(side.deviation_parts), side.reading.cells
        if cells is not None:
            W = self._cells()[:, None] == np.arange(1, len(cells.labels))
            parts.append(LogLinear(W, None))
            del of_fit[0]
        for text, own in zip(side.texts.dispersions, of_fit, strict=True):
            parts.append(new_part(text, own, self.columns, means))
        scales = Scales(parts, len(self.rows))
        return np.exp(scales.values(side.phi[: side.scales.size]))

    def _cells(self) -> np.ndarray:
        """The cell of each row, which has a standard deviation of its own."""
        reading = self.side.reading
        places, cells, per_visit = reading.places, reading.cells, reading.places.kind.heterogeneous
        columns = self.columns.part_columns
        stratum = places.strata_of(columns, None)
        visit = places.positions_of(columns)[:, 0] if per_visit else np.zeros(len(stratum), int)
        pairs = stratum * (len(reading.visits) if per_visit else 1) + visit
        at = np.minimum(np.searchsorted(cells.pairs, pairs), len(cells.pairs) - 1)
        unseen = np.flatnonzero(cells.pairs[at] != pairs)
        if len(unseen):
            names = [*places.text.positions, places.text.by]
            values = ", ".join(f"{n} = {shown(columns[n].iloc[unseen[0]])}" for n in names)
            raise DataError(
                f"residual={places.text.text!r}: no row of the fit has {values}, so that nothing "
                "is known of its standard deviation"
            )
        return at

    # ---- correlations -------------------------------------------------------------------------

    @cached_property
    def _where(self) -> tuple[np.ndarray, list, np.ndarray, np.ndarray]:
        """Groups, labels of those that are new, strata and positions of the rows."""
        places, columns = self.side.reading.places, self.columns.part_columns
        if not len(self.rows):
            return np.zeros(0, int), [], np.zeros(0, int), np.zeros((0, 1))
        groups, unseen = places.groups_of(columns)
        return groups, unseen, places.strata_of(columns, groups), places.positions_of(columns)

    @property
    def unseen(self) -> list:
        """Labels of the groups that were not in the fit."""
        return self._where[1]

    @property
    def is_new(self) -> np.ndarray:
        """Whether the group of each row was not in the fit."""
        return self._where[0] >= len(self.side.reading.correlations.start) - 1

    @cached_property
    def shares(self) -> tuple[csr_array, np.ndarray]:
        """C⁻¹c of the rows, and 1 - c'C⁻¹c.

        Returns
        -------
        csr_array, shape (rows, n)
            By the rows of the fit, sorted by group as in `CorrelatedRows`.
        ndarray, shape (rows,)
        """
        correlations = self.side.reading.correlations
        rest = np.ones(len(self.rows))
        known = np.flatnonzero(~self.is_new)
        by = _by_neighbours if isinstance(correlations, Chains) else _by_patterns
        groups, _, stratum, at = self._where
        place, at, values = by(self.side, known, groups, stratum, at, rest)
        if (rest < NEGATIVE).any():
            row = self.rows[int(rest.argmin())]
            raise DataError(
                f"residual={self.side.texts.residual.text!r}: with row {row} of the new data "
                "(counting from 0) its group has more rows than such a correlation allows"
            )
        shape = len(self.rows), int(correlations.start[-1])
        return csr_array((values, (place, at)), shape=shape), np.maximum(rest, 0.0)

    def borrowed(self, residuals, d) -> np.ndarray:
        """Means of the residuals of the rows, given those of the fit; shape (rows,).

        Parameters
        ----------
        residuals : ndarray, shape (n,)
            Of the fit, in the order of the data.
        d : ndarray, shape (rows,)
            The `deviations` of the rows.
        """
        of, at = self.side.rows, self.side.at(self.side.phi)
        return d / np.sqrt(self.w) * (self.shares[0] @ (residuals[of.rows] * at.inverse_sd))

    def noise(self, rng) -> np.ndarray:
        """Residuals of the rows over their standard deviations, drawn as those of new groups are.

        Shape (rows,); rows of a group are correlated with each other.
        """
        drawn = rng.standard_normal(len(self.rows))
        out = drawn.copy()
        for own, root in self._roots:
            out[own] = _chained(root, drawn[own]) if root.ndim == 1 else root @ drawn[own]
        return out

    @cached_property
    def _roots(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows of groups, and a root of their correlations, or those of neighbours in chains."""
        side, found = self.side, []
        if side.texts.residual is None:
            return found
        groups, _, stratum, at = self._where
        order = np.lexsort((*at.T[::-1], groups))
        start = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
        is_chain = isinstance(side.reading.correlations, Chains)
        for a, b in pairwise(start.tolist()):
            own = order[a:b]
            table, phi = _table_of(side, stratum[own[0]])
            if is_chain:
                root = table.between(phi, at[own[:-1]], at[own[1:]])
            else:
                root = _root(table, phi, at[own], side.texts.residual.text)
            found.append((own, root))
        return found


def _table_of(side, stratum: int):
    """The table of correlations of a stratum, and its φ."""
    return side.table.of_stratum(int(stratum), side.phi[side.scales.size :])


def _positions(side) -> np.ndarray:
    """Positions of the rows of the fit, sorted by group."""
    return side.reading.positions[side.reading.rows]


def _by_neighbours(side, known, groups, stratum, at, rest):
    """C⁻¹c of rows in Markov chains, as places and values; `rest` is filled."""
    start, of_fit = side.reading.correlations.start, _positions(side)[:, 0]
    after = np.empty(len(known), dtype=np.int64)
    of_group = groups[known]
    for g in np.unique(of_group):
        own = np.flatnonzero(of_group == g)
        inside = np.searchsorted(of_fit[start[g] : start[g + 1]], at[known[own], 0])
        after[own] = start[g] + inside
    before = after - 1
    first, second = np.zeros(len(known)), np.zeros(len(known))
    has_before, has_after = before >= start[of_group], after < start[of_group + 1]
    for k in np.unique(stratum[known]):
        table, phi = _table_of(side, k)
        for place, there, out in ((before, has_before, first), (after, has_after, second)):
            own = np.flatnonzero(there & (stratum[known] == k))
            out[own] = table.between(phi, of_fit[place[own]][:, None], at[known[own]])
    left = 1 - (first * second) ** 2
    values = np.concatenate([first * (1 - second**2) / left, second * (1 - first**2) / left])
    rest[known] = (1 - first**2) * (1 - second**2) / left
    both = np.concatenate([has_before, has_after])
    places = np.concatenate([before, after])[both]
    return np.tile(known, 2)[both], places, values[both]


def _by_patterns(side, known, groups, stratum, at, rest):
    """C⁻¹c of rows in groups with dense matrices, as places and values; `rest` is filled."""
    correlations, of_fit = side.reading.correlations, _positions(side)
    matrices = side.at(side.phi).matrices
    pattern, found = correlations.pattern[groups[known]], []
    for p in np.unique(pattern):
        own = known[pattern == p]
        L = matrices.root(int(p))
        places = correlations.start[groups[own]][:, None] + np.arange(len(L))
        table, phi = _table_of(side, stratum[own[0]])  # groups of a pattern are of one stratum
        refuse_beyond(24 * places.size, "correlations of new rows with those of the fit", FEWER)
        c = table.between(phi, of_fit[places], at[own][:, None])
        half = solve_triangular(L, c.T, lower=True)
        rest[own] = 1 - (half**2).sum(axis=0)
        values = solve_triangular(L, half, lower=True, trans="T").T
        found.append((np.repeat(own, len(L)), places.ravel(), values.ravel()))
    if not found:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _chained(rho, drawn) -> np.ndarray:
    """A Markov chain of unit variance, from independent noise and correlations of neighbours."""
    out, rest = drawn.copy(), np.sqrt(np.maximum(1 - rho**2, 0.0))
    for t in range(1, len(out)):
        out[t] = rho[t - 1] * out[t - 1] + rest[t - 1] * drawn[t]
    return out


def _root(table, phi, at, text) -> np.ndarray:
    """F with FF' the correlations of rows of a group; two rows at one place may be the same."""
    refuse_beyond(40 * len(at) ** 2, "correlations of new rows", FEWER)
    C = table.between(phi, at[:, None], at[None])
    np.fill_diagonal(C, 1.0)
    values, vectors = np.linalg.eigh(C)
    if values[0] < len(C) * NEGATIVE:
        raise DataError(
            f"residual={text!r}: a group of {len(C)} rows of the new data is larger than such a "
            "correlation allows"
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))
