"""Starting values: the coefficients of the model without random effects."""

from __future__ import annotations

import numpy as np

from numbamm.glm.family import FAMILIES
from numbamm.glm.likelihood import SHAPES
from numbamm.glm.mode import ModeFinder

#: The value that the search gets in place of an infinite objective.
LARGE = 1e300


def without_effects(modes: ModeFinder, shape: float) -> np.ndarray | None:
    """Coefficients γ of the generalized linear model, by PIRLS without terms.

    Parameters
    ----------
    modes : ModeFinder
    shape : float
        Shape of the negative binomial.

    Returns
    -------
    ndarray, shape (nx,), or None
        None where the iteration does not converge from either start.
    """
    glm, rows = modes.without_terms(), modes.rows
    # Start from the response itself; if the link does not allow that, from one common mean.
    for means in (modes.kind.family.first_means, _typical):
        gamma, _ = _projected(modes, means(modes.kind.link, rows.y, rows.weights))
        if gamma is None:
            continue
        if len(gamma) == 0 or glm(np.zeros(0), gamma, vary=True, shape=shape).found:
            return gamma
    return None


def single_mean(modes: ModeFinder) -> np.ndarray | None:
    """Coefficients γ at which all means are about that of the response; the last resort.

    It serves where `without_effects` fails: without random effects the estimates may lie on the
    boundary of the η that the link allows, while the model with random effects has a mode.

    Returns
    -------
    ndarray, shape (nx,), or None
        None where the columns of the basis give no mean that the link allows.
    """
    rows = modes.rows
    family, link, *_ = modes.kind
    gamma, eta = _projected(modes, _typical(link, rows.y, rows.weights))
    if gamma is None:
        return None
    deviances = family.deviances(link, 1.0, rows.y, eta)
    return gamma if np.isfinite(deviances).all() else None


def _projected(modes: ModeFinder, mu) -> tuple[np.ndarray | None, np.ndarray]:
    """Least-squares γ for η = g(μ), and the fitted η; γ is None where the link has no η for μ."""
    rows = modes.rows
    with np.errstate(invalid="ignore", divide="ignore"):
        eta = modes.kind.link.eta(mu) - modes.offset
    if not np.isfinite(eta).all():
        return None, eta
    weighted = rows.weights[:, None] * rows.basis
    gamma = np.linalg.lstsq(weighted.T @ rows.basis, weighted.T @ eta, rcond=None)[0]
    return gamma, modes.offset + rows.basis @ gamma


def first_shape(modes: ModeFinder) -> float:
    """A starting value of the shape, for a family that has one.

    It is estimated by moments around the means of the limiting family; or, for families without
    such a formula, by maximum likelihood without random effects.

    Parameters
    ----------
    modes : ModeFinder

    Returns
    -------
    float
        1 where neither estimate exists.
    """
    family, link, *_ = modes.kind
    if family.moment_shape is None or family.limit is None:
        return _best_shape(modes)
    rows, limit = modes.rows, FAMILIES[family.limit]
    gamma = without_effects(modes.replaced(kind=modes.kind._replace(family=limit)), 0.0)
    if gamma is None:
        return 1.0
    means = link.mean(modes.offset + rows.basis @ gamma)
    if not np.isfinite(means).all():  # a predictor at the edge of the link's range
        return 1.0
    return family.moment_shape(rows.y, rows.weights, means)


def _best_shape(modes: ModeFinder) -> float:
    """The shape that roughly maximises the likelihood without random effects; 1 if none can."""
    from scipy.optimize import minimize_scalar

    glm, rows, best = modes.without_terms(), modes.rows, (np.inf, 0.0, None)

    def objective(log_shape: float) -> float:
        nonlocal best
        shape, gamma = float(np.exp(log_shape)), best[2]
        if gamma is None:
            gamma = without_effects(modes, shape)
            if gamma is None:
                return np.inf
        gamma = gamma.copy()
        mode = glm(np.zeros(0), gamma, vary=len(gamma) > 0, shape=shape)
        value = np.inf
        if mode.found:
            value = mode.deviance + modes.kind.family.constant(rows.y, rows.weights, shape, 1.0)
        if value < best[0]:
            best = value, log_shape, gamma
        return value if np.isfinite(value) else LARGE

    for log_shape in SHAPES:
        objective(log_shape)
    around = best[1] - SHAPES.step, best[1] + SHAPES.step
    if best[2] is not None:
        minimize_scalar(objective, bounds=around, options={"xatol": 0.05})
    return float(np.exp(best[1]))


def _typical(link, y, w) -> np.ndarray:
    """The weighted mean of the response, for all rows."""
    return np.full_like(y, np.average(y, weights=w))
