"""`MonteCarloErrors`: how far the estimates by random probes may be from the exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.tail.probes import standard_error
from numbamm.shortrepr import ShortRepr

#: Half-width of differences by θ, relative to it.
STEP = 1e-5


@dataclass(repr=False)
class MonteCarloErrors(ShortRepr):
    """Monte-Carlo standard errors, which add to the standard errors of the estimates.

    Attributes
    ----------
    probes, seed : int
        Number of random probes, and what they were drawn from.
    length : int
        Number of random effects that a probe stands for.
    share : float
        The greatest error of a θ, as a share of its standard error.
    deviations : ndarray, shape (probes, number of θ)
        For each probe, how θ̂ would differ if all probes were as it is.
    log_sigma : ndarray, shape (number of θ,)
        Derivatives of log σ̂ by θ.
    by_theta : ndarray, shape (rank, number of θ)
        Derivatives of β̂ by θ.
    objectives : ndarray, shape (probes,)
        The criterion by each probe.
    full : ndarray, shape (probes, ...), optional
        As `deviations`, of parameters that the search of a generalized model had before θ.
    """

    probes: int
    seed: int
    length: int
    share: float
    deviations: np.ndarray
    log_sigma: np.ndarray
    by_theta: np.ndarray
    objectives: np.ndarray
    full: np.ndarray | None = None

    def are_paired_with(self, other: MonteCarloErrors) -> bool:
        """Whether another fit had the same probes."""
        return (self.probes, self.seed, self.length) == (other.probes, other.seed, other.length)

    def error_of(self, derivatives) -> np.ndarray:
        """Errors of what has these derivatives by θ, shape (..., number of θ)."""
        moves = self.deviations @ np.asarray(derivatives).reshape(-1, self.deviations.shape[1]).T
        return standard_error(moves)

    @property
    def theta(self) -> np.ndarray:
        """Errors of θ̂."""
        return self.error_of(np.eye(self.deviations.shape[1]))

    @property
    def beta(self) -> np.ndarray:
        """Errors of β̂."""
        return self.error_of(self.by_theta)

    @property
    def parameters(self) -> np.ndarray:
        """Errors of all parameters of the search."""
        before = np.zeros(0) if self.full is None else standard_error(self.full)
        return np.concatenate([before, self.theta])

    @property
    def objective(self) -> float:
        """Error of the criterion."""
        return float(standard_error(self.objectives - self.objectives.mean()))


def errors_at(model, theta) -> MonteCarloErrors | None:
    """The Monte-Carlo errors of a linear fit that ended at θ; None where the tail is exact."""
    blocks, scaled = model.blocks, model.scaled
    if blocks.is_exact:
        return None
    found = blocks.monte_carlo(scaled.to_scaled(theta), *model._criterion(), measured=True)
    by_user = differences(scaled.to_scaled, theta)  # of scaled θ
    by_scaled = np.linalg.pinv(by_user) if scaled.is_changed else np.eye(len(theta))
    gamma = model.scaled_response.scale * found.gamma
    return MonteCarloErrors(
        found.probes,
        found.seed,
        found.length,
        found.share,
        found.theta @ by_scaled.T,
        found.sigma @ by_user,
        model.feterm.to_basis @ gamma @ by_user,
        found.objectives,
    )


def differences(function, theta) -> np.ndarray:
    """Derivatives of a smooth function of θ, shape (values, number of θ)."""
    columns = []
    for i, value in enumerate(theta):
        h = np.zeros(len(theta))
        h[i] = STEP * max(abs(value), 0.1)
        columns.append((function(theta + h) - function(theta - h)) / (2 * h[i]))
    return np.array(columns).reshape(len(theta), -1).T


def component_errors(model) -> list[np.ndarray] | None:
    """Errors of the random effects' standard deviations (on the diagonal) and correlations.

    A matrix of shape (p, p) for each term, then one of shape (1, 1) for σ.
    """
    errors = model.estimates.monte_carlo
    if errors is None:
        return None
    structure, held = model.scaled.structure, model.estimates.sigma_given

    def values(theta):
        out = []
        for lam in structure.matrices(theta):
            sd = np.linalg.norm(lam, axis=1)
            rows = lam / np.where(sd > 0, sd, 1.0)[:, None]
            both = rows @ rows.T
            np.fill_diagonal(both, sd)
            out.append(both.ravel())
        return np.concatenate(out)

    theta = model.theta
    by_theta = differences(values, theta)
    at, parts = 0, []
    log_sigma = np.zeros(len(theta)) if held else errors.log_sigma
    for lam in structure.matrices(theta):
        p = len(lam)
        own = by_theta[at : at + p * p].reshape(p, p, -1)
        for i in range(p):
            sd = np.linalg.norm(lam[i])
            own[i, i] = model.sigma * (own[i, i] + sd * log_sigma)
        parts.append(errors.error_of(own).reshape(p, p))
        at += p * p
    return [*parts, errors.error_of(model.sigma * log_sigma).reshape(1, 1)]
