"""Starting values: the coefficients of the model without random effects."""

from __future__ import annotations

import numpy as np

from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.glm.mode import ModeFinder

#: Links whose inverse is defined for positive means only.
_POSITIVE = (links.LOG, links.INVERSE_SQUARED, links.SQRT)


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
        None where the iteration finds no estimates.
    """
    glm, rows = modes.without_terms(), modes.rows
    family, link = (int(code) for code in rows.model[:2])
    # From the response itself; or, where no mean is allowed there, from a single mean.
    for means in (_inner, _typical):
        gamma, _ = _projected(modes, means(family, link, rows.y, rows.weights))
        if gamma is None:
            continue
        if len(gamma) == 0 or glm(np.zeros(0), gamma, vary=True, shape=shape).found:
            return gamma
    return None


def single_mean(modes: ModeFinder) -> np.ndarray | None:
    """Coefficients γ at which all means are about the response's: for where there are no better.

    Without random effects the estimates may lie at the edge of what the link allows, and yet there
    are modes with them.

    Returns
    -------
    ndarray, shape (nx,), or None
        None where the columns of the basis give no mean that the link allows.
    """
    rows = modes.rows
    family, link = (int(code) for code in rows.model[:2])
    gamma, eta = _projected(modes, _typical(family, link, rows.y, rows.weights))
    if gamma is None:
        return None
    deviances = families.unit_deviances(family, link, 1.0, rows.y, eta)
    return gamma if np.isfinite(deviances).all() else None


def _projected(modes: ModeFinder, mu) -> tuple[np.ndarray | None, np.ndarray]:
    """The coefficients nearest to means μ, and the η that they give; None where there is no η."""
    rows = modes.rows
    with np.errstate(invalid="ignore", divide="ignore"):
        eta = links.forward(int(rows.model[1]), mu) - modes.offset
    if not np.isfinite(eta).all():
        return None, eta
    weighted = rows.weights[:, None] * rows.basis
    gamma = np.linalg.lstsq(weighted.T @ rows.basis, weighted.T @ eta, rcond=None)[0]
    return gamma, modes.offset + rows.basis @ gamma


def moment_shape(modes: ModeFinder) -> float:
    """The negative binomial's shape by moments about the means of a Poisson model.

    Parameters
    ----------
    modes : ModeFinder
        Of a negative binomial model.

    Returns
    -------
    float
        Between 0.05 and 1000: a start, not an estimate.
    """
    rows = modes.rows
    link = int(rows.model[1])
    poisson = modes.replaced(model=np.array([families.POISSON, *rows.model[1:]]))
    gamma = without_effects(poisson, 0.0)
    if gamma is None:
        return 1.0
    y, w, mu = rows.y, rows.weights, links.mean(link, modes.offset + rows.basis @ gamma)
    excess = w @ ((y - mu) ** 2 - mu)  # w'μ²/shape, expected
    return float(np.clip(w @ mu**2 / max(excess, 1e-300), 0.05, 1e3))


def _typical(family: int, link: int, y, w) -> np.ndarray:
    """A single mean."""
    return np.full_like(y, np.average(y, weights=w))


def _inner(family: int, link: int, y, w) -> np.ndarray:
    """Means close to the response, and off the bounds of what the link allows."""
    if family == families.BINOMIAL:
        return (w * y + 0.5) / (w + 1)
    if family in (families.POISSON, families.NEGATIVE_BINOMIAL):
        return y + 0.1
    mean = np.average(y, weights=w)
    if link in _POSITIVE:
        return np.where(y > 0, y, mean)
    if link == links.INVERSE:
        return np.where(y * mean > 0, y, mean)
    return y
