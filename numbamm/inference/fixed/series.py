"""`panels_of`: marginal means arranged for a plot, with observations or partial residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import OptionError
from numbamm.inference.diagnostics.smoothing import binned, has_few_values
from numbamm.options import one_of
from numbamm.report.plots.means_and_bands import Series

POINTS = ("data", "partial")

#: Largest number of points of a plot; of more a random sample is drawn.
MOST_POINTS = 2000


def panels_of(result, points: str | None = None) -> dict[str, list[Series]]:
    """The series of each panel: the first variable is x, the second makes series, others panels.

    Variables of `by` make panels.

    Parameters
    ----------
    result : MarginalMeans
    points : {"data", "partial"}, optional
        Points to draw: the response; or partial residuals, the mean at a row's value of x plus the
        row's residual. If the response has few values, they are averaged in bins.

    Raises
    ------
    OptionError
        `points` is unknown, or the response has no values on the scale of the link.
    """
    if points is not None:
        one_of("points", points, POINTS)
    x, second, others = variables(result)
    labels = result.labels
    numbers = result.frame[[result.value, "lower", "upper"]].to_numpy(dtype=float)
    rows = None if points is None else _Rows(result, points)
    panels: dict[str, list[Series]] = {}
    for title, inner in _split(labels, others):
        panels[title] = []
        for name, members in _split(inner, [second] if second else [], bare=True):
            mean, lower, upper = numbers[members.index].T
            given = None if rows is None else rows.of(members)
            place = positions(result, x, members[x])
            panels[title].append(Series(name, place, mean, lower, upper, given))
    return panels


def variables(result) -> tuple[str, str | None, list[str]]:
    """The variable at the x axis, that of the series, and those of the panels."""
    inside = [name for name in result.labels if name not in result.by]
    return inside[0], (inside[1] if len(inside) > 1 else None), [*inside[2:], *result.by]


def levels(result, name: str) -> list | None:
    """The levels of a factor in the means; None of a covariate."""
    return result.labels[name].drop_duplicates().tolist() if name in result.factors else None


def positions(result, name: str, values) -> np.ndarray:
    """Values of a variable at the x axis: the numbers, or the positions of levels; NaN if none."""
    known = levels(result, name)
    if known is None:
        return np.asarray(values, dtype=float)
    codes = pd.Index(known).get_indexer(pd.Index(values)).astype(float)
    return np.where(codes < 0, np.nan, codes)


def _split(labels: pd.DataFrame, names: list[str], bare: bool = False):
    """The rows of each combination of some variables' values, and its name."""
    if not names:
        yield "", labels
        return
    for values, part in labels.groupby(names, sort=False, observed=True):
        text = zip(names, map(_shown, values), strict=True)
        yield ", ".join(value if bare else f"{name} = {value}" for name, value in text), part


def _shown(value) -> str:
    """A value of a variable: of a number three digits."""
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)


class _Rows:
    """The rows of the data as points.

    Parameters
    ----------
    result : MarginalMeans
    points : {"data", "partial"}
    """

    def __init__(self, result, points: str) -> None:
        model, back = result.model, result.back
        curved = not model.link_record.linear
        if points == "data" and result.type == "link" and curved:
            raise OptionError(
                'points="data" are on the scale of the response: take type="response", or '
                'points="partial"'
            )
        self.result, self.partial = result, points == "partial"
        self.columns = {name: result.columns[name] for name in result.labels}
        self.average = has_few_values(model)
        if self.partial:
            self.values = model.residuals("working").to_numpy()[model.frame.rows]
        else:
            self.values = model.frame.y
            if result.type == "response":
                self.values = back.observed(self.values)

    def of(self, members: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the rows that belong to some of the means, which make a series."""
        result, x = self.result, variables(self.result)[0]
        mine = np.ones(len(self.values), dtype=bool)
        for name in members:
            if name != x:
                mine &= self._nearest(name) == members[name].iloc[0]
        place = positions(result, x, self.columns[x])
        mine &= np.isfinite(place) & np.isfinite(self.values)
        place, values = place[mine], self.values[mine]
        if self.partial:
            values = self._at(members, place) + values
        if self.average and len(place):
            place, values = _averages(place, values, levels(result, x))
        if self.partial and result.type == "response":
            values = result.back.mean(values)
        if len(place) > MOST_POINTS:
            chosen = np.sort(np.random.default_rng(0).choice(len(place), MOST_POINTS, False))
            place, values = place[chosen], values[chosen]
        return place, values

    def _nearest(self, name: str) -> Any:
        """Each row's value of a variable, or the nearest one that means are computed at."""
        column = self.columns[name]
        if name in self.result.factors:
            return column.to_numpy()
        at = np.unique(self.result.labels[name])
        middle = (at[1:] + at[:-1]) / 2
        return at[np.searchsorted(middle, column.to_numpy(dtype=float))]

    def _at(self, members: pd.DataFrame, place) -> np.ndarray:
        """The linear predictor of a series at positions along x."""
        result = self.result
        kept = result.model.feterm.kept
        eta = result.L[members.index][:, kept] @ result.model.estimates.beta
        eta = eta + result.offset[members.index]
        at = positions(result, variables(result)[0], members.iloc[:, 0])
        order = np.argsort(at)
        return np.interp(place, at[order], eta[order])


def _averages(x, y, labels: list | None) -> tuple[np.ndarray, np.ndarray]:
    """Averages of y at each level of a factor, or in bins."""
    if labels is None:
        bins = binned(x, y)
        return bins.x, bins.y
    codes, counts = x.astype(int), np.bincount(x.astype(int))
    some = np.flatnonzero(counts)
    return some.astype(float), np.bincount(codes, y)[some] / counts[some]
