"""The linear mixed model of the working response: where θ and γ of a generalized one begin."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.search import lbfgs
from numbamm.blocks.solve import solve
from numbamm.glm.curvature import theta_curvatures
from numbamm.glm.mode import ModeFinder

#: The search ends when the deviance promises to fall by no more: it is but a start.
ENOUGH = 0.01


def fit_working_model(modes: ModeFinder, theta, gamma, shape: float, sigma: float):
    """θ and γ of the linear mixed model of the working response at u and γ.

    Parameters
    ----------
    modes : ModeFinder
        With u, which is changed to the model's.
    theta : ndarray, shape (number of θ,)
        Where the search begins.
    gamma : ndarray, shape (nx,)
    shape : float
        Shape of the negative binomial.
    sigma : float
        The residual standard deviation in working weights; 0 to estimate it.

    Returns
    -------
    tuple of two ndarray, or None
        None where there is no such model. The θ may have any signs.
    """
    working = modes.working(theta, gamma, shape)
    rows, (adjoint, _) = working.rows, working.varied.for_gradient()
    table, index, degrees = rows.table, rows.index, np.array([len(rows.y), 0.0])

    def value_and_gradient(at):
        out = np.empty(len(at))
        return objective_gradient(
            at, table, index, rows.A, rows.work, adjoint, degrees, 0.0, sigma, out
        ), out

    scale = np.sqrt(theta_curvatures(modes.terms, theta, working.working_weights))
    theta, end = lbfgs.minimize(value_and_gradient, theta, scale, ENOUGH, 0.0)
    # The search need not have ended with the factor of its best point.
    if end == lbfgs.FAILED or not np.isfinite(value_and_gradient(theta)[0]):
        return None
    x, b = np.zeros((2, modes.q + len(gamma) + 1))
    solve(table, index, rows.work, x, b)
    if not np.isfinite(x).all():
        return None
    modes.u = x[: modes.q].copy()
    return theta, x[modes.q : modes.q + len(gamma)].copy()
