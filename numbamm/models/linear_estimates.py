"""What follows from the θ at which the search of a linear fit ended."""

from __future__ import annotations

import numpy as np

from numbamm.design.absent import absent
from numbamm.design.related_levels import WHITENED_WAY, of_levels
from numbamm.models.estimates import Estimates
from numbamm.models.fitting.monte_carlo import errors_at


def estimates_at(model, theta, objective: float) -> Estimates:
    """Everything that follows from θ: β, σ, u, b and the fitted values.

    Parameters
    ----------
    model : LinearMixedModel
        It is left at this θ.
    theta : ndarray, shape (number of θ,)
    objective : float
        The objective there.
    """
    model._set_theta(theta)
    errors = errors_at(model, theta)
    solution = solution_at(model, model.scaled.to_scaled(theta))
    response, fe = model.scaled_response, model.feterm
    u, b = random_effects(model, solution)
    residual_norm = model.blocks.residual_norm()
    sigma = model.optsum.sigma or response.scale * residual_norm / np.sqrt(model.degrees)
    gamma, beta = coefficients(model, solution.gamma)
    root = fe.to_basis @ np.linalg.inv(model.blocks.x_factor()).T
    fitted = _fitted(model, gamma, b)
    return Estimates(
        beta=beta,
        covariance=sigma**2 * root @ root.T,
        sigma=float(sigma),
        u=u,
        b=b,
        eta=fitted,
        fitted=fitted,
        objective=objective,
        reml=model.optsum.reml,
        sigma_given=model.optsum.sigma is not None,
        monte_carlo=errors,
    )


def _fitted(model, gamma, b) -> np.ndarray:
    """Conditional means of the rows, where they are in memory."""
    if model.is_streamed:
        return absent("the fitted values", model.nobs)
    fixed = model.feterm.basis @ gamma
    fitted = model.scaled_response.mean + (
        fixed if model.sqrt_weights is None else fixed / model.sqrt_weights
    )
    if model.frame.offset is not None:
        fitted = fitted + model.frame.offset
    for term, effects in zip(model.reterms, b, strict=True):
        fitted = fitted + np.einsum("pn,np->n", term.z, effects[term.refs])
    return fitted


def solution_at(model, theta):
    """γ, u and b of the scaled columns at a scaled θ."""
    model.blocks.factorize(theta)
    return model.blocks.solve()


def coefficients(model, gamma) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the basis and of the kept columns, in the response's units.

    From γ of `solution_at`, shape (rank,) or (rows, rank), as those returned are.
    """
    response, fe = model.scaled_response, model.feterm
    gamma = response.scale * gamma + response.gamma0
    beta = (fe.to_basis @ gamma.T).T
    if fe.constant is not None:
        at = np.flatnonzero(fe.kept == fe.constant)
        beta[..., at] += response.mean / fe.constant_value
    return gamma, beta


def random_effects(model, solution) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """u and b of the user's columns, in the response's units."""
    pairs = []
    for term, scaling, u, b in zip(
        model.reterms, model.scalings, solution.u, solution.b, strict=True
    ):
        if term.way == WHITENED_WAY:
            u, b = of_levels(term, u, with_root=False), of_levels(term, b, with_root=True)
        pairs.append(scaling.effects(term.theta, u, b) if scaling else (u, b))
    scale = model.scaled_response.scale
    return [scale * u for u, _ in pairs], [scale * b for _, b in pairs]
