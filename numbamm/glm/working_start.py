"""The linear mixed model of the working response, which gives starting values of θ and γ."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.search import lbfgs
from numbamm.blocks.search.communication import FAILED
from numbamm.glm.curvature import theta_curvatures
from numbamm.glm.mode import ModeFinder

#: The search ends when the expected fall of the deviance is below this; a start need not be exact.
ENOUGH = 0.01


def fit_working_model(modes: ModeFinder, theta, gamma, shape: float, sigma: float):
    """θ and γ of the linear mixed model of the working response at u and γ.

    Parameters
    ----------
    modes : ModeFinder
        Supplies u, the working point; its u is replaced by the fitted one.
    theta : ndarray, shape (number of θ,)
        Start of the search.
    gamma : ndarray, shape (nx,)
    shape : float
        Shape of the negative binomial.
    sigma : float
        The residual standard deviation at a working weight of 1; 0 to estimate it.

    Returns
    -------
    tuple of two ndarray, or None
        None where the model cannot be fitted. The θ may have any signs.
    """
    working = modes.working(theta, gamma, shape)
    value_and_gradient, solution = working.linear_model(sigma)
    scale = np.sqrt(theta_curvatures(modes.terms, theta, working.working_weights))
    theta, end = lbfgs.minimize(value_and_gradient, theta, scale, ENOUGH, 0.0)
    # The factor is that of the last point; it is needed at the best one.
    if end == FAILED or not np.isfinite(value_and_gradient(theta)[0]):
        return None
    x = solution()
    if not np.isfinite(x).all():
        return None
    modes.u = x[: modes.q].copy()
    return theta, x[modes.q : modes.q + len(gamma)].copy()
