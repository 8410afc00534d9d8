"""`ResidualSide`: the covariance of the residuals of a linear model, Cov(ε) = σ²R(φ)."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from numbamm.blocks.residual.correlated_rows import CorrelatedRows, RowsAt
from numbamm.blocks.residual.scales import Scales
from numbamm.blocks.residual.strata import Strata, strata_of
from numbamm.blocks.tail.choice import check_size
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.protocol import Choice, Request
from numbamm.models.residual_side.correlated_groups import Reading, independent, read_residual
from numbamm.models.residual_side.deviations import Deviations, of_cells, read_dispersion
from numbamm.models.residual_side.texts import DISPERSION, Texts

#: A correlation counts as one where less than the square of this is left to it.
BOUND = 1e-2
#: Where log d of rows differ by more, some of them have hardly any variance.
EDGE = 6.0
#: A standard deviation is zero below this share of the median of all rows.
NO_DEVIATION = 1e-3
#: Tables of more visits than this leave out correlations that follow from the parameters.
WIDE = 6


class Line(NamedTuple):
    """A line of a table of variance components.

    Attributes
    ----------
    name : str
    sd : float or None
        None for a line of another parameter, whose value stands in `values`.
    values : list of float
        Correlations with the lines before, or the value of a parameter.
    """

    name: str
    sd: float | None
    values: list[float]


class ResidualSide:
    """R(φ), with names and values of its parameters.

    Parameters
    ----------
    texts : Texts
    frame : ModelFrame
    fitted : ndarray, shape (n,), optional
        Fitted means, where they are a covariate.

    Attributes
    ----------
    texts : Texts
    reading : Reading
        Groups, patterns and visits.
    scales : Scales
        Standard deviations of the rows in the order of the data; their φ come first.
    phi : ndarray, shape (size,)
        φ of the model: the start, or the estimates.
    names : list of str
    start, sizes : ndarray, shape (size,)
        Where searches begin, and what φ are multiplied by to be of ordinary size.
    """

    def __init__(self, texts: Texts, frame, fitted=None) -> None:
        self.texts = texts
        columns = frame.part_columns
        none = texts.residual is None
        self.reading: Reading = (
            independent(frame.nobs) if none else read_residual(texts.residual, columns)
        )
        cells = self.reading.cells
        self._deviations: list[Deviations] = [] if cells is None else [of_cells(*_both(cells))]
        self._deviations += [read_dispersion(text, frame, fitted) for text in texts.dispersions]
        self.scales = Scales([d.part for d in self._deviations], frame.nobs)
        self.table = self.reading.correlations.table
        own = [name for d in self._deviations for name in d.names]
        self.names = [f"residual.{name}" for name in [*own, *self.table.names]]
        self.start = np.concatenate([*(d.start for d in self._deviations), self.table.start])
        sizes = [d.sizes for d in self._deviations]
        self.sizes = np.concatenate([*sizes, np.ones(self.table.size)])
        self.phi = self.start.copy()

    @property
    def size(self) -> int:
        """Number of φ."""
        return len(self.start)

    @property
    def has_one_deviation(self) -> bool:
        """Whether all rows have the standard deviation σ, but for weights."""
        return not self._deviations

    @property
    def deviation_parts(self) -> list[Deviations]:
        """What log d is the sum of: that of visits first, then those of `texts.dispersions`."""
        return self._deviations

    def copy(self) -> ResidualSide:
        """With φ of its own."""
        other = copy(self)
        other.phi = self.phi.copy()
        return other

    # ---- A(φ) ---------------------------------------------------------------------------------

    def build(self, terms, xy, sqrtw, request: Request) -> None:
        """Take the rows of a model; arguments as for `CorrelatedRows`."""
        order = self.reading.rows
        scales, correlations = self.scales.take(order), self.reading.correlations
        arguments = terms, xy, sqrtw, order, scales, correlations
        found = None if self.texts.residual is not None else strata_of(scales, len(order))
        if found is None:
            self.rows = CorrelatedRows(*arguments)
        else:
            self.rows = Strata(*arguments, codes=found[0], first=found[1])
        self._request = request
        check_size(self.rows.layout, terms)

    def with_means(self, frame, means) -> ResidualSide:
        """The same rows with other fitted means as a covariate."""
        other = ResidualSide(self.texts, frame, means)
        xy = np.empty_like(self.rows.xy)
        xy[self.rows.rows] = self.rows.xy
        other.phi = self.phi.copy()
        other.build(self.rows.terms, xy, self.rows.sqrtw, self._request)
        return other

    def in_columns(self, terms, sqrtw) -> DenseTail:
        """Take the same rows with the terms in other columns; returns A(φ) of these."""
        xy = np.empty_like(self.rows.xy)
        xy[self.rows.rows] = self.rows.xy
        self.build(terms, xy, sqrtw, self._request)
        return self.blocks

    def at(self, phi) -> RowsAt | None:
        """What follows from φ: A and its factor, R, derivatives; None where there is no R."""
        return self.rows.at(phi)

    @property
    def groups(self) -> np.ndarray:
        """The group of each row, in the order of the data."""
        return self.reading.groups

    @property
    def blocks(self) -> DenseTail:
        """A(φ) at the model's φ, and what follows from it at any θ."""
        at = self.rows.at(self.phi)
        if at is None:
            raise FloatingPointError(f"the residuals have no covariance matrix at phi = {self.phi}")
        tail = at.tail
        tail.request = self._request
        tail.choice = Choice("dense", "residuals are correlated", is_obvious=True)
        return tail

    @property
    def response(self) -> np.ndarray:
        """y (times the square root of the weights) as A holds it."""
        y = np.empty(len(self.rows.rows))
        y[self.rows.rows] = self.rows.xy[:, -1]
        return y

    def new_response(self, y) -> None:
        """Replace y (times the square root of the weights)."""
        self.rows.new_response(y)

    def rectified(self, phi) -> np.ndarray:
        """The φ of least size with the same R."""
        k = self.scales.size
        return np.concatenate([phi[:k], self.table.rectified(phi[k:])])

    def shift(self, phi) -> float:
        """The mean of log d, which relates σ to the standard deviation of a typical row."""
        return float(self.scales.values(phi[: self.scales.size]).mean())

    @property
    def typical_deviation(self) -> float:
        """The standard deviation of a typical row over σ, at the model's φ."""
        return float(np.exp(self.shift(self.phi)))

    def shift_slopes(self, phi) -> np.ndarray:
        """Its derivatives by φ."""
        own = self.scales.slopes(phi[: self.scales.size]).mean(axis=1)
        return np.concatenate([own, np.zeros(self.table.size)])

    def at_rows(self, rows) -> np.ndarray:
        """R of some rows, at the model's φ."""
        rows, at = np.asarray(rows), self.rows.at(self.phi)
        place = np.empty(len(self.reading.rows), dtype=np.int64)
        place[self.reading.rows] = np.arange(len(place))
        own, start = place[rows], self.reading.correlations.start
        group = np.searchsorted(start, own, side="right") - 1
        R = np.zeros((len(rows), len(rows)))
        for g in np.unique(group):
            here = np.flatnonzero(group == g)
            inside = own[here] - start[g]
            R[np.ix_(here, here)] = at.matrices.matrix(g)[np.ix_(inside, inside)]
        d = np.exp(at.log_sd[own])
        if self.rows.sqrtw is not None:
            d = d / self.rows.sqrtw[rows]
        return R * np.outer(d, d)

    def of_visits(self, stratum: int = 0) -> np.ndarray:
        """R of all visits, of one stratum, by the standard deviations of visits alone."""
        p, cells = len(self.reading.visits), self.reading.cells
        values = self.table.values(self.phi[self.scales.size :]).reshape(-1, p, p)
        d = np.ones(p)
        if cells is not None:
            own, found = self.reading.strata[stratum : stratum + 1], self.parameters(self.phi, 1.0)
            suffix = "".join(f"[{label}]" for label in own)
            for j, visit in enumerate(self.reading.visits):
                own_sd = found.get(f"sd_{visit}{suffix}", np.nan)
                d[j] = found.get(f"sd_{''.join(own)}", own_sd)
        return values[stratum] * np.outer(d, d)

    def deviations(self) -> np.ndarray:
        """d of the rows in the order of the data."""
        return np.exp(self.scales.values(self.phi[: self.scales.size]))

    def uncorrelated(self, rows) -> np.ndarray:
        """L⁻¹ rows, C = LL', of the rows in the order of the data, shape (n,) or (n, columns)."""
        return self._by_group("whiten", rows)

    def correlated(self, rows) -> np.ndarray:
        """L rows, C = LL': noise as the residuals have it, from independent noise."""
        return self._by_group("colour", rows)

    def _by_group(self, method: str, rows) -> np.ndarray:
        rows, order = np.asarray(rows, dtype=np.float64), self.rows.rows
        matrices, out = self.rows.at(self.phi).matrices, np.empty_like(rows)
        turned = getattr(matrices, method)(rows[order].reshape(len(rows), -1))
        out[order] = turned.reshape(rows.shape)
        return out

    # ---- what users see -----------------------------------------------------------------------

    def parameters(self, phi, sigma: float) -> dict[str, float]:
        """Standard deviations by visit, correlations, ranges, powers, ... at some φ and σ."""
        found, at = {}, 0
        cells = self.reading.cells
        for k, d in enumerate(self._deviations):
            own = phi[at : at + d.part.size]
            at += d.part.size
            if cells is not None and k == 0:
                sds = sigma * np.exp(np.append(0.0, own))
                found |= {f"sd_{label}": sd for label, sd in zip(cells.labels, sds, strict=True)}
            else:
                found |= dict(zip(d.shown, d.parameters(own), strict=True))
        shapes = [shape.name for shape in self.table.shapes]
        found |= dict(zip(shapes, self.table.shape_values(phi[at:]), strict=True))
        return {name: float(value) for name, value in found.items()}

    @property
    def text(self) -> str:
        """What the user wrote, in one line."""
        parts = [d.text for d in self.texts.dispersions]
        own = [] if self.texts.residual is None else [self.texts.residual.text]
        return ", ".join([*own, *(["dispersion " + " * ".join(parts)] if parts else [])])

    def lines(self, sigma: float) -> list[Line]:
        """The lines of a table of variance components, for the residuals."""
        phi, cells = self.phi, self.reading.cells
        found = self.parameters(phi, sigma)
        shown = [(name, value) for name, value in found.items() if not name.startswith("sd_")]
        if cells is None:
            lines = [Line("", sigma, [])]
        else:
            lines = self._visit_lines(found)
            shown = [] if self._has_all_correlations else shown
        kind = "" if self.texts.residual is None else f" ({self.texts.residual.structure})"
        own = {shape.name for shape in self.table.shapes}
        for name, value in shown:
            suffix = kind if name in own else " (log sd)" if name.startswith(DISPERSION) else ""
            label = name.removeprefix(f"{DISPERSION}.") + suffix
            lines.append(Line(label, None, [value]))
        return lines

    @property
    def notes(self) -> list[str]:
        """What users must know of σ."""
        places = [words for d in self._deviations for words in d.typical]
        return [f"sigma is the standard deviation where {' and '.join(places)}."] if places else []

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds of those of `parameters` that have some."""
        found: dict[str, tuple[float, float]] = {}
        if self.reading.cells is not None:
            found |= {f"sd_{label}": (0.0, np.inf) for label in self.reading.cells.labels}
        for d in self._deviations[self.reading.cells is not None :]:
            positive = np.broadcast_to(d.are_positive, len(d.shown))
            found |= {n: (0.0, np.inf) for n, p in zip(d.shown, positive, strict=True) if p}
        return found | {shape.name: (shape.lower, shape.upper) for shape in self.table.shapes}

    @property
    def _has_all_correlations(self) -> bool:
        """Whether the correlations of visits are the parameters themselves."""
        tables = getattr(self.table, "tables", [self.table])
        return all(t.size == t.structure.p * (t.structure.p - 1) // 2 for t in tables)

    def _visit_lines(self, found) -> list[Line]:
        """A line for each visit, with its correlations with those before."""
        visits, cells = self.reading.visits, self.reading.cells
        if not visits:
            return [Line(label, found[f"sd_{label}"], []) for label in cells.labels]
        p, lines = len(visits), []
        values = self.table.values(self.phi[self.scales.size :]).reshape(-1, p, p)
        for stratum, C in enumerate(values):
            suffix = f"[{self.reading.strata[stratum]}]" if self.reading.strata else ""
            named = [(j, f"{visit}{suffix}") for j, visit in enumerate(visits)]
            there = [(j, label) for j, label in named if label in cells.labels]
            for k, (j, label) in enumerate(there):
                corr = [float(C[j, i]) for i, _ in there[:k]]
                wide = p > WIDE and not self._has_all_correlations
                lines.append(Line(label, found[f"sd_{label}"], [] if wide else corr))
        return lines

    def is_at_edge(self, phi) -> bool:
        """Whether a correlation at φ is at a bound, or some rows have hardly any variance."""
        k = self.scales.size
        if k and np.ptp(self.scales.values(phi[:k])) > EDGE:
            return True
        return self.table.size > 0 and self.table.at_bound(phi[k:], BOUND)

    def bounds_met(self, tol: float = BOUND) -> list[str]:
        """Correlations at a bound, and standard deviations of zero, in words."""
        at, found = self.phi[self.scales.size :], self._zeros()
        if not self.table.size or not self.table.at_bound(at, tol):
            return found
        pairs = zip(self.table.shapes, self.table.shape_values(at), strict=True)
        values = ", ".join(f"{shape.name} is {value:.3g}" for shape, value in pairs)
        return [f"{values} ({self.texts.residual.text})", *found]

    def _zeros(self) -> list[str]:
        """Standard deviations of zero, of cells or of strata, in words."""
        cells, d = self.reading.cells, self.deviations()
        small = d < NO_DEVIATION * np.median(d)
        if not small.any():
            return []
        if cells is not None:
            named = [f"sd_{cells.labels[k]}" for k in np.unique(cells.codes[small])]
            return [f"{name} is 0 ({self.texts.residual.text})" for name in named]
        formulas = [t.text for t in self.texts.dispersions if t.function is None]
        return [f"the standard deviation of {small.sum():,} rows is 0 ({t})" for t in formulas]


def _both(cells) -> tuple:
    return cells.codes, cells.labels
