"""Separation: a direction of the fixed effects along which the likelihood never falls.

Where a hyperplane divides successes from failures, or zero counts from others, estimates diverge
to infinity. A linear programme finds such a direction (Konis 2007, DPhil thesis, Oxford). It is
chosen to separate as many rows as possible; the remaining rows then determine which coefficients
stay finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.link import Link


@dataclass
class Separation:
    """The outcome of a search for separation.

    Attributes
    ----------
    columns : list of int
        Fixed-effects columns whose coefficients have no finite estimates.
    rows : ndarray of bool, shape (n,)
        The rows whose means approach the bounds of their range.
    complete : bool
        Whether every row is separated; else some rows are, and the others lie on the hyperplane.
    """

    columns: list[int]
    rows: np.ndarray
    complete: bool


def is_extreme(family: Family, link: Link, mu) -> bool:
    """Whether some mean is so close to a bound that a search for separation is worthwhile."""
    if not (family.proportions or link.whole_line):
        return False  # a finite η gives the mean at the bound
    return any(bool((np.abs(mu - bound) < link.extreme).any()) for bound in family.bounds)


def find_separation(family: Family, X, y) -> Separation | None:
    """Find a direction β with x_i'β ≥ 0 at successes, ≤ 0 at failures or zero counts, else 0.

    With 10⁵ distinct rows it takes a second or two; so ask `is_extreme` first.

    Parameters
    ----------
    family : Family
    X : ndarray, shape (n, p)
        Columns of the fixed effects.
    y : ndarray, shape (n,)

    Returns
    -------
    Separation or None
        None where the responses are not separated, or for a family without bounds.
    """
    if not family.bounds or not X.shape[1]:
        return None
    side = np.zeros(len(y))
    for bound, sign in zip(family.bounds, (-1.0, 1.0), strict=False):
        side[y == bound] = sign
    size = np.abs(X).max(axis=0, initial=0.0)
    scaled = np.column_stack([side, X / np.where(size > 0, size, 1.0)])
    rows, of_row, counts = np.unique(scaled, axis=0, return_inverse=True, return_counts=True)
    side, X, of_row = rows[:, 0], rows[:, 1:], of_row.ravel()
    if (side != 0).all() and (columns := _complete(side, X)):
        return Separation(columns, np.ones(len(of_row), dtype=bool), complete=True)
    separated = _separated(side, X, counts)
    if not separated.any():
        return None
    return Separation(_without_estimate(X[~separated]), separated[of_row], complete=False)


def _separated(side, X, counts) -> np.ndarray:
    """Whether each row is separated by some direction: bool, shape (n,).

    Rows found by several directions are separated by one: a large multiple of the first direction
    plus the second separates the rows of both.
    """
    separated = np.zeros(len(side), dtype=bool)
    while not separated.all():
        rest = np.flatnonzero(~separated)
        margins = side[rest] * (X[rest] @ _direction(side[rest], X[rest], counts[rest]))
        if counts[rest] @ margins < 1e-6:
            break
        separated[rest[margins > 1e-6]] = True
    return separated


def _direction(side, X, counts) -> np.ndarray:
    """β between -1 and 1 that maximises Σ side_i x_i'β, with no term of the sum negative."""
    from scipy.optimize import linprog

    signed, between = X * side[:, None], X[side == 0]
    solution = linprog(
        -(counts @ signed),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        A_eq=between if len(between) else None,
        b_eq=np.zeros(len(between)) if len(between) else None,
        bounds=(-1, 1),
    )
    return solution.x if solution.status == 0 else np.zeros(X.shape[1])


def _without_estimate(rest) -> list[int]:
    """Columns whose coefficients the remaining rows `rest` do not identify."""
    _, sd, vectors = np.linalg.svd(rest, full_matrices=True)
    rank = int((sd > 1e-9 * max(sd.max(initial=0.0), 1.0)).sum())
    return np.flatnonzero(np.abs(vectors[rank:]).max(axis=0, initial=0.0) > 1e-6).tolist()


def _complete(side, X) -> list[int]:
    """Columns that separate all rows: each of them alone, else together; empty if none do."""
    from scipy.optimize import linprog

    success = side > 0
    if success.all() or not success.any():
        return []
    one, zero = X[success], X[~success]
    alone = (one.min(axis=0) > zero.max(axis=0)) | (one.max(axis=0) < zero.min(axis=0))
    if alone.any():
        return np.flatnonzero(alone).tolist()
    signed = X * side[:, None]
    margin = linprog(  # maximise t where every side_i x_i'β is at least t
        np.append(np.zeros(X.shape[1]), -1.0),
        A_ub=np.column_stack([-signed, np.ones(len(signed))]),
        b_ub=np.zeros(len(signed)),
        bounds=[(-1, 1)] * X.shape[1] + [(None, 1)],
    )
    if margin.status != 0 or -margin.fun < 1e-9:
        return []
    return np.flatnonzero(np.abs(margin.x[:-1]) > 1e-6).tolist()
