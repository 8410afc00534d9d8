"""Separation: a direction of the fixed effects along which the likelihood only rises.

Where a hyperplane divides successes from failures, or zero counts from others, estimates run off
to infinity. A linear programme finds such a direction (Konis 2007, DPhil thesis, Oxford), one that
separates as many rows as any does: the others alone then tell which coefficients stay finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.link import Link


@dataclass
class Separation:
    """What is separated.

    Attributes
    ----------
    columns : list of int
        Fixed-effects columns whose coefficients have no finite estimates.
    rows : ndarray of bool, shape (n,)
        The rows whose means run off to the bounds.
    complete : bool
        Whether it separates every row; else some rows only, and the others not at all.
    """

    columns: list[int]
    rows: np.ndarray
    complete: bool


def is_extreme(family: Family, link: Link, mu) -> bool:
    """Whether means are so close to the bounds that one should look for separation."""
    if not (family.proportions or link.whole_line):
        return False  # the mean comes to its bound at an η that is finite
    return any(bool((np.abs(mu - bound) < link.extreme).any()) for bound in family.bounds)


def find_separation(family: Family, X, y) -> Separation | None:
    """A direction β with x_i'β ≥ 0 at successes, ≤ 0 at failures or zero counts, 0 between.

    With 10⁵ different rows it takes a second or two: look first whether there is a reason.

    Parameters
    ----------
    family : Family
    X : ndarray, shape (n, p)
        Columns of the fixed effects.
    y : ndarray, shape (n,)

    Returns
    -------
    Separation or None
        None where responses overlap, or for a family that cannot be separated.
    """
    if not family.bounds or not X.shape[1]:
        return None
    side = np.zeros(len(y))
    for bound, towards in zip(family.bounds, (-1.0, 1.0), strict=False):
        side[y == bound] = towards
    size = np.abs(X).max(axis=0, initial=0.0)
    scaled = np.column_stack([side, X / np.where(size > 0, size, 1.0)])
    rows, of_row, counts = np.unique(scaled, axis=0, return_inverse=True, return_counts=True)
    side, X, of_row = rows[:, 0], rows[:, 1:], of_row.ravel()
    if (side != 0).all() and (alone := _complete(side, X)):
        return Separation(alone, np.ones(len(of_row), dtype=bool), complete=True)
    apart = _separated(side, X, counts)
    if not apart.any():
        return None
    return Separation(_without_estimate(X[~apart]), apart[of_row], complete=False)


def _separated(side, X, counts) -> np.ndarray:
    """Which rows some direction separates, shape (n,).

    A direction that separates some rows, many times, and one that separates some of the others
    are together one that separates both.
    """
    apart = np.zeros(len(side), dtype=bool)
    while not apart.all():
        left = np.flatnonzero(~apart)
        margins = side[left] * (X[left] @ _direction(side[left], X[left], counts[left]))
        if counts[left] @ margins < 1e-6:
            break
        apart[left[margins > 1e-6]] = True
    return apart


def _direction(side, X, counts) -> np.ndarray:
    """β between -1 and 1 that maximises Σ side_i x_i'β, of which no term may be negative."""
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
    """Columns whose coefficients the rest of the rows leaves open: no combination of them."""
    _, sd, vectors = np.linalg.svd(rest, full_matrices=True)
    rank = int((sd > 1e-9 * max(sd.max(initial=0.0), 1.0)).sum())
    return np.flatnonzero(np.abs(vectors[rank:]).max(axis=0, initial=0.0) > 1e-6).tolist()


def _complete(side, X) -> list[int]:
    """Columns that separate all rows: each by itself, or else together; none if they do not."""
    from scipy.optimize import linprog

    success = side > 0
    if success.all() or not success.any():
        return []
    one, zero = X[success], X[~success]
    apart = (one.min(axis=0) > zero.max(axis=0)) | (one.max(axis=0) < zero.min(axis=0))
    if apart.any():
        return np.flatnonzero(apart).tolist()
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
