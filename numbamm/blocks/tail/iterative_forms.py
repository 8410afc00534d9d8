"""Variances of rows and of random effects where the tail is iterative, by solutions for each."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import COLUMN, NTERM, P
from numbamm.blocks.tail.sparse_solutions import tail_vectors

#: Quadratic forms of more rows than this are refused: each takes solutions of its own. And how many
#: are found at once.
MOST_FORMS, BATCH = 5000, 64


def forms_of_rows(found, terms, x, cov=None) -> np.ndarray:
    """Variances over σ² of x'γ̂ + z'b̂ - z'b; see `variances.row_variances`.

    Parameters
    ----------
    found : Approximation
    terms : list of (refs, z)
        In the table's order.
    x : ndarray, shape (n, nx)
    cov : ndarray, shape (nx, nx), optional
        Covariance of γ̂; that which follows from Ω, if not given.
    """
    refs = np.stack([np.asarray(refs, dtype=np.int32) for refs, _ in terms])
    z = np.concatenate([z for _, z in terms]).T.copy()
    return _forms(found, refs, z, np.ascontiguousarray(x, dtype=np.float64), cov)


def chosen_variances(found, terms, order, levels: dict) -> dict[int, np.ndarray] | int:
    """Variances of b over σ² of chosen levels, by term; of all, if none are.

    Parameters
    ----------
    found : Approximation
    terms : list of ReMat
        In the caller's order.
    order : list of int
        The table's order, as positions in the caller's list.
    levels : dict of int to ndarray of int

    Returns
    -------
    dict of int to ndarray, shape (levels, p, p); or int
        Their number, if they are too many.
    """
    chosen = levels or {k: np.arange(t.nlevels) for k, t in enumerate(terms)}
    number = sum(len(own) * terms[k].p * (terms[k].p + 1) // 2 for k, own in chosen.items())
    if number > MOST_FORMS:
        return number
    return {k: _level_variances(found, order.index(k), own) for k, own in chosen.items()}


def _level_variances(found, k: int, levels) -> np.ndarray:
    """Those of levels of term k of the table, shape (levels, p, p)."""
    table = found.design.table
    nterm, nx = int(table[0, NTERM]), found.design.nx
    p, at = int(table[1 + k, P]), int(table[1 + k, COLUMN])
    pairs = [(a, b) for a in range(p) for b in range(a + 1)]
    refs = np.full((nterm, len(levels) * len(pairs)), -1, dtype=np.int32)
    refs[k] = np.repeat(levels, len(pairs))
    z = np.zeros((refs.shape[1], int(table[1 : 1 + nterm, P].sum())))
    for i, (a, b) in enumerate(pairs):
        z[i :: len(pairs), at + a] += 1.0
        z[i :: len(pairs), at + b] += float(a != b)
    forms = _forms(found, refs, z, np.zeros((len(z), nx)), np.zeros((nx, nx)))
    of = dict(zip(pairs, forms.reshape(len(levels), len(pairs)).T, strict=True))
    out = np.empty((len(levels), p, p))
    for a, b in pairs:  # by polarisation
        both = of[a, b] if a == b else (of[a, b] - of[a, a] - of[b, b]) / 2
        out[:, a, b] = out[:, b, a] = both
    return out


def _forms(found, refs, z, x, cov) -> np.ndarray:
    """Quadratic forms of rows; see `solve.quadratic_forms`."""
    design, out = found.design, np.empty(len(z))
    m, e = design.order + design.order_d, np.zeros(design.head_order)
    for start in range(0, len(z), BATCH):
        rows = slice(start, start + BATCH)
        T, part = np.zeros((len(z[rows]), m)), np.empty(len(z[rows]))
        data = np.ascontiguousarray(refs[:, rows]), z[rows], x[rows]
        tail_vectors(*data, design.table, design.index, found.schur.work, e, T, part)
        out[rows] = part + found.forms(T, cov)
    return out
