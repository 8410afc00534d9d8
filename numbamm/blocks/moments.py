"""Covariances of the random effects by moments: the start of linear searches with gradients.

Let r be the residuals of least squares. Their covariance is approximately V = σ²I +
Σ_l Z_l(I ⊗ Σ_l)Z_l' (the estimation of fixed effects is neglected). The expectations of the levels'
cross-products are then linear in all unknowns,

    E r'r = σ²n + Σ_l tr(Z_l(I ⊗ Σ_l)Z_l')
    E Σ_j Z_kj'r r'Z_kj = σ² Z_k'Z_k + Σ_l Σ_ji Z_kj'Z_li Σ_l Z_li'Z_kj

and all terms are sums over the blocks of A. In balanced designs the solution is the optimum.

Source: Rao (1971), J. Multivariate Anal. 1, 445-456, with weights V = I.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NSPARSE,
    NTERM,
    NX,
    ROW,
    ROWS,
    SPARSE,
    P,
)

#: Eigenvalues of a start's Σ, in columns with root mean square 1, are raised to this share of the
#: largest, because a search that starts at a singular λ is slow.
LEAST = 0.02
#: If an eigenvalue is negative and larger than this share of the largest, the solution is not used:
#: the search could end in another optimum than from λ = I.
NEGATIVE = 0.2
#: With more entries of λ the equations take longer than they save.
MOST = 500
#: From these condition numbers on, columns of a term are nearly collinear, or terms nearly
#: confounded; there may then be several optima.
COLLINEAR, CONFOUNDED = 1e8, 30.0


def moment_theta(terms, layout, A, sigma: float) -> np.ndarray | None:
    """θ by moments.

    Parameters
    ----------
    terms : sequence of ReMat
        In the caller's order.
    layout : Layout
    A : ndarray, shape (size_a,)
        The cross-product.
    sigma : float
        The residual standard deviation in A, if it is given; else 0.

    Returns
    -------
    ndarray, shape (number of θ,), or None
        None if the moments' equations have no usable solution.
    """
    if sum(len(term.structure.entries) for term in terms) > MOST or layout.related:
        return None  # with related levels A is not all that the moments depend on
    if any(term.nlevels == 1 and _over_positions(term) for term in terms):
        return None  # one draw of all effects tells nothing about the range of correlations
    try:
        variance, covs, sizes = covariances(terms, layout, A)
    except np.linalg.LinAlgError:
        return None
    variance = sigma**2 if sigma > 0 else variance
    if not variance > 0 or not all(np.isfinite(cov).all() for cov in covs):
        return None
    theta = []
    for term, cov, size in zip(terms, covs, sizes, strict=True):
        lam = _factor(cov / variance, size)
        if lam is None:
            return None
        theta.append(term.structure.nearest(lam))
    return np.concatenate(theta)


def _over_positions(term) -> bool:
    return any(structure.over_positions for _, structure in term.structure.parts)


def covariances(terms, layout, A) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Solve the moments' equations; the covariance matrices need not be positive definite.

    Parameters
    ----------
    terms, layout, A
        As for `moment_theta`.

    Returns
    -------
    variance : float
        σ².
    covs : list of ndarray, shape (p, p) for each term
        Σ, with zeros outside the template.
    sizes : list of ndarray, shape (p,) for each term
        Root mean squares of its columns.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the equations are singular or nearly so.
    """
    table, nx, n = layout.table, int(layout.table[0, NX]), len(terms[0].refs)
    cross = A[table[0, CROSS] : table[0, CROSS] + (nx + 1) ** 2].reshape(nx + 1, nx + 1)
    cross = np.triu(cross) + np.triu(cross, 1).T
    gamma = np.linalg.solve(cross[:nx, :nx], cross[:nx, nx])
    rss = cross[nx, nx] - cross[nx, :nx] @ gamma
    entries = [
        (k, row, column)
        for k, given in enumerate(layout.order)
        for row, column in zip(
            *np.divmod(terms[given].structure.entries, terms[given].p), strict=True
        )
    ]
    own = squares(layout, A)
    matrix, right = _moments(layout, A, entries, own, gamma, rss, n)
    _check_condition(matrix, np.array([-1, *(k for k, _, _ in entries)]))
    variance, *values = np.linalg.solve(matrix, right)
    covs, sizes = ([np.zeros((t.p, t.p)) for t in terms], [np.zeros(t.p) for t in terms])
    for (k, row, column), value in zip(entries, values, strict=True):
        cov = covs[layout.order[k]]
        cov[row, column] = cov[column, row] = value
    for k, given in enumerate(layout.order):
        sizes[given] = np.sqrt(np.diag(own[k]) / n)
    return variance, covs, sizes


def squares(layout, A) -> list[np.ndarray]:
    """Σ_j Z_kj'Z_kj of every term, shape (p, p), in the table's order."""
    return [level_pairs(layout, A, k, k).sum(axis=0) for k in range(layout.nterm)]


def _check_condition(matrix, term) -> None:
    """Refuse equations with nearly collinear columns of a term, or nearly confounded terms."""
    size = np.sqrt(np.diag(matrix))
    size = np.where(size > 0, size, 1.0)  # the condition number of a column of zeros is infinite
    matrix = matrix / np.outer(size, size)
    if (term[1:] == term[:-1]).any():  # else the equations of each term alone are the identity
        own = matrix * (term[:, None] == term)
        if not np.linalg.cond(own) < COLLINEAR:
            raise np.linalg.LinAlgError("columns of a term are nearly collinear")
        matrix = np.linalg.solve(own, matrix)
    if not np.linalg.cond(matrix) < CONFOUNDED:
        raise np.linalg.LinAlgError("terms are nearly confounded")


def _moments(layout, A, entries, own, gamma, rss, n) -> tuple[np.ndarray, np.ndarray]:
    """The equations in σ² and the entries of the Σ's: matrix and right-hand side."""
    nterm = layout.nterm
    observed = _observed(layout, A, gamma)
    products = {}
    for k in range(nterm):
        for i in range(k, nterm):
            blocks = level_pairs(layout, A, k, i)
            _, pi, p = blocks.shape
            flat = blocks.reshape(-1, pi * p)
            products[i, k] = (flat.T @ flat).reshape(pi, p, pi, p)
            products[k, i] = products[i, k].transpose(1, 0, 3, 2)
    matrix, right = np.empty((len(entries) + 1,) * 2), np.empty(len(entries) + 1)
    matrix[0, 0], right[0] = n, rss
    term, row, column = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    places = [np.flatnonzero(term == k) for k in range(nterm)]
    for k, here in enumerate(places):
        c, d = row[here], column[here]
        matrix[1 + here, 0], right[1 + here] = own[k][c, d], observed[k][c, d]
        matrix[0, 1 + here] = own[k][c, d] * np.where(c == d, 1, 2)
        c, d = c[:, None], d[:, None]
        for l, there in enumerate(places):
            a, b, product = row[there], column[there], products[k, l]
            both = product[c, a, d, b] + np.where(a != b, product[c, b, d, a], 0.0)
            matrix[np.ix_(1 + here, 1 + there)] = both
    return matrix, right


def _observed(layout, A, gamma) -> list[np.ndarray]:
    """Σ_j Z_kj'r r'Z_kj of every term."""
    table, out = layout.table, []
    nx = len(gamma)
    for k in range(layout.nterm):
        dense = dense_rows(layout, A, k)
        r = (dense[:, -1] - dense[:, -1 - nx : -1] @ gamma).reshape(-1, table[1 + k, P])
        out.append(r.T @ r)
    return out


def dense_rows(layout, A, k: int) -> np.ndarray:
    """The dense rows below term k, shape (its columns, ND)."""
    row = layout.table[1 + k]
    width = row[P] * row[NLEVEL]
    return A[row[DENSE] : row[DENSE] + row[ND] * width].reshape(width, row[ND])


def level_pairs(layout, A, k: int, i: int) -> np.ndarray:
    """Z_i'Z_k for each pair of levels, shape (pairs, p_i, p_k), for a term i ≥ k."""
    table, row, other = layout.table, layout.table[1 + k], layout.table[1 + i]
    p, pi, nlevel = row[P], other[P], row[NLEVEL]
    if i == k:
        return A[row[DIAG] : row[DIAG] + p * p * nlevel].reshape(nlevel, p, p)
    if i < table[0, NHEAD]:
        start = table[1 + table[0, NTERM] + k * table[0, NHEAD] + i, NESTED]
        return A[start : start + pi * p * nlevel].reshape(nlevel, pi, p)
    stop = other[ROW] + pi * other[NLEVEL]
    if i < table[0, FIRST_DENSE]:
        rows = layout.index[row[ROWS] : row[ROWS] + row[NSPARSE]]
        values = A[row[SPARSE] : row[SPARSE] + row[NSPARSE] * p].reshape(-1, p)
        return values[(rows >= other[ROW]) & (rows < stop)].reshape(-1, pi, p)
    dense = dense_rows(layout, A, k)[:, other[ROW] - row[D0] : stop - row[D0]]
    pairs = dense.reshape(nlevel, p, other[NLEVEL], pi).transpose(0, 2, 3, 1)
    return pairs.reshape(-1, pi, p)


def _factor(cov, size) -> np.ndarray | None:
    """λ of Σ, whose eigenvalues are raised to `LEAST`; None if one is clearly negative."""
    if not (size > 0).all():
        return None
    values, vectors = np.linalg.eigh(cov * np.outer(size, size))
    if not values[0] > -NEGATIVE * values[-1]:
        return None
    values = np.maximum(values, LEAST * values[-1])
    return np.linalg.cholesky((vectors * values) @ vectors.T) / size[:, None]
