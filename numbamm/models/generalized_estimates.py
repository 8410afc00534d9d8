"""What follows from the parameters at which the search of a generalized fit ended."""

from __future__ import annotations

import numpy as np

from numbamm.design.absent import absent
from numbamm.design.related_levels import WHITENED_WAY, of_levels
from numbamm.errors import FitError
from numbamm.glm.mode import Mode, ModeFinder
from numbamm.models.estimates import Estimates
from numbamm.models.spaces.parameters import Values


class NoMode(FitError):
    """There is no mode where a search would begin."""


def estimates_at(model, x, objective: float) -> Estimates:
    """Everything but the covariance of β̂, for which more evaluations are needed.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Its θ and its modes are left at these parameters.
    x : ndarray, shape (number of parameters,)
        As ``optsum.final``.
    objective : float
        The objective there.
    """
    model._set_theta(x[-len(model.theta) :])
    space = model.space_of(model._searched[model._fast], modes=model._modes)
    mode, at = space.laplace.at(space.to_scaled(x))
    check_mode(model, mode, at)
    u, b = effects_at_mode(model)
    if model.is_streamed:
        eta = fitted = absent("the fitted values", model.nobs)
    else:
        eta = linear_predictors(model, at, b)
        fitted = model.mean(eta) if model.composition is None else means_of_parts(model, at, eta, b)
    return Estimates(
        beta=model.feterm.to_basis @ at.beta,
        covariance=None,
        sigma=float(np.sqrt(at.phi)),
        u=u,
        b=b,
        eta=eta,
        fitted=fitted,
        objective=objective,
        reml=False,
        sigma_given=not model._likelihood.dispersed,
        shape=at.shape,
        nagq=model.optsum.nagq,
    )


def linear_predictors(model, at: Values, b: list[np.ndarray]) -> np.ndarray:
    """η of the rows at scaled parameters and random effects b."""
    eta = model._basis @ at.beta + model._offset
    for term, effects in zip(model.reterms, b, strict=True):
        if term.part:
            continue
        eta = eta + np.einsum("pn,np->n", term.z, effects[term.refs])
    return eta


def means_of_parts(model, at: Values, eta, b: list[np.ndarray]) -> np.ndarray:
    """Means of the rows of a model of several parts."""
    nu = model.part_lines.values(at.shape)
    for term, effects in zip(model.reterms, b, strict=True):
        if term.part:
            nu[-1] += np.einsum("pn,np->n", term.z, effects[term.refs])
    return model.distribution_at(eta, nu).mean()


def effects_at_mode(model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """u and b of the user's columns at the mode that was found last."""
    u_all, b_all = [], []
    modes = model._modes.by_term(model._modes.u)
    for term, scaling, u in zip(model.reterms, model.scalings, modes, strict=True):
        held = term
        if scaling:
            held = scaling.scaled(term)
            held.theta = scaling.to_scaled(term.theta)
        if term.way == WHITENED_WAY:
            u = u.reshape(-1, term.p)
            b = of_levels(held, u @ held.lambda_.T, with_root=True)
            u = of_levels(held, u, with_root=False)
        else:
            b = u @ held.lambda_.T
        if scaling:
            u, b = scaling.effects(term.theta, u, b)
        u_all.append(u)
        b_all.append(b)
    return u_all, b_all


def values_at_estimates(model) -> Values:
    """The scaled parameters of a fitted model, whose modes are found there."""
    estimates, gamma = model.estimates, np.linalg.inv(model.feterm.to_basis)
    theta = model.scaled.to_scaled(model.theta)
    at = Values(gamma @ estimates.beta, estimates.shape, estimates.sigma**2, theta)
    model._modes(at.theta, at.beta, vary=False, shape=at.shape)
    return at


def working_at_estimates(model) -> ModeFinder:
    """The working linear model of a fitted model."""
    at = values_at_estimates(model)
    return model._modes.working(at.theta, at.beta, at.shape)


def leverages(model) -> np.ndarray:
    """Diagonal of the hat matrix of the working model, shape (rows used,)."""
    values, cells = working_at_estimates(model).leverages(), model._cells
    if not cells:
        return values
    weights = model.prior_weights  # by which a row has a share of its cell's leverage
    return weights / cells.total(weights)[cells.of_row] * values[cells.of_row]


def check_mode(model, mode: Mode, at: Values) -> None:
    """Refuse parameters without a mode, or at which φ is next to nothing.

    Raises
    ------
    FitError
    """
    if not mode.found:
        theta = model.scaled.to_user(at.theta)
        raise NoMode(f"PIRLS found no mode at theta = {theta}; {model._remedy}")
    if model._likelihood.dispersed and model._likelihood.is_perfect(at.phi):
        raise FitError(
            "the random effects fit the responses perfectly: there is no dispersion to estimate"
        )
