"""Satterthwaite's degrees of freedom: a χ² matched to the variance of an estimated variance.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.inference.fixed.parameter_covariance import by_observed
from numbamm.inference.fixed.wald import INFINITE, directions_of, notes

#: Degrees of freedom count as equal up to this relative difference.
EQUAL = 1e-8


class Satterthwaite:
    """df = 2 v² / (g' C g) with v = l'Φl, its gradient g, and C = 2 H⁻¹.

    H is the Hessian of -2 log-likelihood (restricted under REML) by the covariance parameters. On
    a singular fit variances of zero count as known; see `by_observed`.

    References
    ----------
    Fai & Cornelius, 1996, J. Stat. Comput. Simul. 54, 363, for several rows at once;
    Kuznetsova, Brockhoff & Christensen, 2017, J. Stat. Softw. 82(13).
    """

    title = "Satterthwaite"

    def __init__(self, model) -> None:
        self.beta, self.vcov = model.estimates.beta, model.beta_covariance
        self.to_basis = model.feterm.to_basis
        with blas_threads():
            directions = directions_of(model)
        phi = directions.phi
        self.gradient = phi @ directions.P @ phi  # derivative of Φ along each direction
        self.C = by_observed(directions)
        self.notes = notes(model, directions, boundary=True)

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t, shape (rows,)."""
        rows = L @ self.to_basis
        slopes = np.einsum("lx,sxy,ly->ls", rows, self.gradient, rows)
        v = np.einsum("lx,xy,ly->l", L, self.vcov, L)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = 2 * v**2 / np.einsum("ls,st,lt->l", slopes, self.C, slopes)
        return np.where(df > INFINITE, np.inf, df)

    def joint(self, L, rhs) -> tuple[float, float]:
        """F statistic of Lβ = rhs, and its denominator degrees of freedom.

        The rows are rotated so that they are uncorrelated. F is the mean of their t². Its
        expectation, with each t² from an F(1, df), determines the denominator degrees of freedom.
        """
        values, vectors = np.linalg.eigh(L @ self.vcov @ L.T)
        t2 = (vectors.T @ (L @ self.beta - rhs)) ** 2 / values
        return float(t2.mean()), _pooled(self.df(vectors.T @ L))


def _pooled(df) -> float:
    """Denominator degrees of freedom of an F that is a mean of squared t statistics."""
    if np.allclose(df, df[0], rtol=EQUAL, atol=0):  # also if all are infinite
        return float(df[0])
    if (df <= 2).any():
        return 2.0
    excess = (2 / (df - 2)).sum()  # of the expectations df / (df - 2) over 1; 0 for infinite df
    return float(2 * (excess + len(df)) / excess)
