"""Weights of the residuals of clusters in the robust covariances of β.

The adjustment of CR2 is the symmetric A with A S A = V, S = V - XMX', the covariance of residuals:
A = D'B^(-1/2)D with V = D'D and B = DSD'. Directions in which S vanishes, which X explains, are
left out of B^(-1/2).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import ellipk, ellipkm1

from numbamm.inference.robust.cluster_rows import ClusterRows

#: X explains directions of which no larger share of the variance is left.
EXPLAINED = 1e-10
#: The error of the quadrature.
PRECISION = 1e-16
#: Bounds of eigenvalues whose ratio is larger are widened, so that the nome is small.
WIDEST = 0.1


def dense_weights(rows: ClusterRows, M, adjusted: bool) -> tuple[np.ndarray, np.ndarray]:
    """P = A V⁻¹ X M of clusters, and P'VP, from V as matrices.

    Parameters
    ----------
    rows : ClusterRows
    M : ndarray, shape (rank, rank)
        (X'V⁻¹X)⁻¹ of all rows, for V over σ² as in `rows`.
    adjusted : bool
        Whether A is that of CR2; else I.

    Returns
    -------
    P : ndarray, shape (clusters, n, rank)
    variances : ndarray, shape (clusters, rank, rank)
    """
    D = np.linalg.cholesky(rows.covariances).transpose(0, 2, 1)
    scaled = np.linalg.solve(D.transpose(0, 2, 1), rows.x)
    P = np.linalg.solve(D, scaled @ M)
    if adjusted:
        # B = E'E with E = (I - HH')^(1/2) DD': singular values of E lose half the digits only.
        H, shares, _ = np.linalg.svd(scaled @ np.linalg.cholesky(M), full_matrices=False)
        left = 1.0 - shares**2
        change = np.sqrt(np.maximum(left, 0.0)) - 1.0
        E = D @ D.transpose(0, 2, 1)
        E = E + (H * change[:, None, :]) @ (H.transpose(0, 2, 1) @ E)
        _, values, turned = np.linalg.svd(E)
        n = values.shape[1]
        known = np.arange(n) < n - (left < EXPLAINED).sum(axis=1)[:, None]
        inverse = np.where(known, 1.0 / np.where(known, values, 1.0), 0.0)
        half = turned @ D
        P = half.transpose(0, 2, 1) @ (inverse[:, :, None] * (half @ P))
    half = D @ P
    return P, half.transpose(0, 2, 1) @ half


def low_rank_weights(rows: ClusterRows, M, adjusted: bool) -> tuple[np.ndarray, np.ndarray]:
    """As `dense_weights`, of one large cluster with variances R: no matrix of n × n is made.

    With A = D'B^(-1/2)D and the quadrature B^(-1/2) = Σ c(B + s²I)⁻¹ of Hale, Higham & Trefethen,
    A = Σ c(S + s²V⁻¹)⁻¹: a diagonal and few columns.

    References
    ----------
    Hale, Higham & Trefethen, 2008, SIAM J. Numer. Anal. 46, 2505, method 3.
    """
    x, U, R = rows.x[0], rows.U[0], rows.R[0]
    inner = np.linalg.cholesky(np.eye(U.shape[1]) + U.T @ (U / R[:, None]))
    inverse = solve_triangular(inner, (U / R[:, None]).T, lower=True).T  # V⁻¹ = 1/R - its square

    def solved(right):
        return right / R[:, None] - inverse @ (inverse.T @ right)

    root = np.linalg.cholesky(M)
    explained = x @ root
    weights = solved(explained)
    P = weights @ root.T
    if adjusted:
        shares, directions = np.linalg.eigh(explained.T @ weights)
        left = 1.0 - shares
        whole = left >= EXPLAINED
        # Bounds of the eigenvalues of B.
        least = R.min() ** 2 * left[whole].min(initial=1.0)
        greatest = (R.max() + np.linalg.norm(U, 2) ** 2) ** 2
        middle = np.sqrt(least * greatest)
        W = weights @ directions[:, ~whole]  # S vanishes there: B has the eigenvalue `middle`
        V_W = solved(W)
        scale = np.linalg.cholesky(W.T @ V_W)
        W, V_W = (solve_triangular(scale, side.T, lower=True).T for side in (W, V_W))
        columns = np.hstack([U, explained, V_W, inverse])
        sizes = [U.shape[1], explained.shape[1], V_W.shape[1], inverse.shape[1]]
        total = -W @ (W.T @ P) / np.sqrt(middle)
        for shift, factor in _inverse_root(least, greatest):
            signs = np.repeat([1.0, -1.0, middle, -shift], sizes)
            diagonal = (R + shift / R)[:, None]
            scaled, right = columns / diagonal, P / diagonal
            core = np.eye(len(signs)) + signs[:, None] * (columns.T @ scaled)
            inner_part = np.linalg.solve(core, signs[:, None] * (columns.T @ right))
            total += factor * (right - scaled @ inner_part)
        P = total
    half = U.T @ P
    return P[None], (P.T @ (R[:, None] * P) + half.T @ half)[None]


def _inverse_root(least: float, greatest: float) -> list[tuple[float, float]]:
    """Shifts s² and factors c: λ^(-1/2) = Σ c / (λ + s²) for λ between two bounds.

    Elliptic functions at imaginary points, by theta functions of a small nome.
    """
    ratio = min(least / greatest, WIDEST)
    count = int(np.ceil((3.0 - np.log(ratio)) * -np.log(PRECISION) / (2 * np.pi**2)))
    period, other = ellipkm1(ratio), ellipk(ratio)
    nome, n = np.exp(-np.pi * period / other), np.arange(4)[:, None]
    at = (np.arange(count) + 0.5) * np.pi * period / (2 * other * count)
    odd, even = nome ** (n * (n + 1)), nome ** ((n + 1) ** 2)
    one = (odd * (-1.0) ** n * np.sinh((2 * n + 1) * at)).sum(axis=0)
    two = (odd * np.cosh((2 * n + 1) * at)).sum(axis=0)
    three = 1.0 + 2 * (even * np.cosh(2 * (n + 1) * at)).sum(axis=0)
    four = 1.0 - 2 * (even * (-1.0) ** n * np.cosh(2 * (n + 1) * at)).sum(axis=0)
    two_0, three_0 = odd.sum(), 1.0 + 2 * even.sum()
    four_0 = 1.0 - 2 * (even * (-1.0) ** n).sum()
    sn, cn = three_0 / two_0 * one / four, four_0 / two_0 * two / four
    dn = four_0 / three_0 * three / four
    factors = 2 * period * np.sqrt(least) / (np.pi * count) * cn * dn
    return list(zip(least * sn**2, factors, strict=True))
