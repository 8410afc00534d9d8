"""Satterthwaite's degrees of freedom: a χ² matched to the variance of an estimated variance.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, FitError
from numbamm.inference.fixed.parameter_covariance import NO_MINIMUM, by_observed
from numbamm.inference.fixed.wald import INFINITE, directions_of, notes

#: Steps of differences, in shares of θ.
STEP = 3e-4
#: What is said where derivatives are differences.
DIFFERENCES = "Degrees of freedom by differences of the criterion's gradient."

#: Degrees of freedom count as equal up to this relative difference.
EQUAL = 1e-8


class Satterthwaite:
    """df = 2 v² / (g' C g) with v = l'Φl, its gradient g, and C = 2 H⁻¹.

    H is the Hessian of -2 log-likelihood (restricted under REML) by the covariance parameters. On
    a singular fit variances of zero count as known; see `by_observed`. Where rows connect too many
    levels for matrices of their order, derivatives are differences of the criterion's gradient.

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
            try:
                directions = directions_of(model)
            except DataError:  # too large for dense matrices
                if not _can_differ(model):
                    raise
                self.gradient, self.C = _by_differences(model)
                self.notes = [DIFFERENCES]
                return
        phi = directions.phi
        self.gradient = phi @ directions.P @ phi  # derivative of Φ along each direction
        self.C = by_observed(directions, model.at_bounds)
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


def _can_differ(model) -> bool:
    """Whether θ is inside its range, and gradients of the criterion are exact."""
    return model.blocks.is_exact and model.residual_side is None and not model.is_singular()


def _by_differences(model) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of Φ by (θ, log σ²), and C, from exact gradients beside the estimates.

    The criterion without σ profiled out is log|L|² + d log σ² + r²/σ². With ρ = log σ² its second
    derivatives at the estimates are d by ρ, -∂r²/∂θ / σ² by θ and ρ, and by θ those of the profiled
    criterion plus what profiling takes away. Of Φ = σ² (L_X L_X')⁻¹ those by ρ are Φ itself.

    Raises
    ------
    FitError
        The Hessian is not positive definite.
    """
    blocks, criterion, scaled = model.blocks, model.space.criterion, model.scaled
    theta, sigma2 = scaled.to_scaled(model.theta), model.sigma**2

    def beside(at):
        _, gradient = blocks.objective_gradient(at, *criterion)
        blocks.factorize(at)
        root = np.linalg.inv(blocks.x_factor())
        return gradient, blocks.residual_norm() ** 2, sigma2 * root.T @ root

    steps = STEP * np.maximum(np.abs(theta), 0.1 / scaled.theta_sizes)
    hessian, norms, slopes = [], [], []
    for step, unit in zip(steps, np.eye(len(theta)), strict=True):
        pairs = zip(beside(theta + step * unit), beside(theta - step * unit), strict=True)
        gradient, norm, phi = ((up - down) / (2 * step) for up, down in pairs)
        hessian.append(gradient)
        norms.append(norm)
        slopes.append(phi)
    H, G = np.array(hessian), np.array(slopes)
    _, r2, phi = beside(theta)
    if criterion.sigma == 0:
        d = criterion.degrees[0]
        across = -d / r2 * np.array(norms)
        H = np.block([[H + np.outer(across, across) / d, across[:, None]], [across, d]])
        G = np.concatenate([G, phi[None]])
    H = (H + H.T) / 2
    size = np.sqrt(np.abs(np.diag(H)))
    if not (size > 0).all() or np.linalg.eigvalsh(H / np.outer(size, size))[0] <= 0:
        raise FitError(NO_MINIMUM)
    return G, 2 * np.linalg.inv(H / np.outer(size, size)) / np.outer(size, size)


def _pooled(df) -> float:
    """Denominator degrees of freedom of an F that is a mean of squared t statistics."""
    if np.allclose(df, df[0], rtol=EQUAL, atol=0):  # also if all are infinite
        return float(df[0])
    if (df <= 2).any():
        return 2.0
    excess = (2 / (df - 2)).sum()  # of the expectations df / (df - 2) over 1; 0 for infinite df
    return float(2 * (excess + len(df)) / excess)
