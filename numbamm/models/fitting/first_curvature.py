"""How strongly the deviance curves, about, where a search by gradients begins."""

from __future__ import annotations

import numpy as np

from numbamm.glm.curvature import theta_curvatures
from numbamm.models.spaces.parameters import Values


def first_curvature(model, at: Values, steps, weights) -> np.ndarray:
    """About the second derivatives of a generalized model's deviance where a search begins.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        With the modes at these parameters.
    at : Values
        In scaled coordinates.
    steps : ndarray, shape (number of parameters,)
        First steps, which stand for the scale where nothing better is known.
    weights : ndarray, shape (n,)
        Expected information of the rows at the mode.

    Returns
    -------
    ndarray, shape (number of parameters,)
        In γ, whitened, in the nuisance parameter and in θ.
    """
    rank, ntheta = len(at.beta), len(at.theta)
    curvature = 1 / steps**2
    curvature[:rank] = 2.0
    if model._likelihood.dispersed:
        curvature[rank:-ntheta] = model.nobs
    curvature[-ntheta:] = theta_curvatures(model._modes.terms, at.theta, weights)
    return curvature
