"""`quadrature_steps`: from the minimum by the Laplace approximation to that by quadrature.

The two are near each other and alike in curvature. The exact Hessian of the one is therefore where
the BFGS updates of the other begin, whose gradient is by differences: a few of them suffice, where
a search without derivatives takes a hundred evaluations.
"""

from __future__ import annotations

import numpy as np

from numbamm.models.spaces.model_space import STEP
from numbamm.optimize.differences import slopes
from numbamm.optimize.optsummary import OptSummary

#: At most so many steps; and what the next one would lower -2 log-likelihood by when they end.
MOST_STEPS, GAIN = 10, 1e-8
#: A step that would lower it by more is left to a search that knows how long steps may be.
FAR = 20.0


def quadrature_steps(approximate, exact, optsum: OptSummary) -> bool:
    """Take BFGS steps from the end of a search by the Laplace approximation.

    Parameters
    ----------
    approximate, exact : GeneralizedSpace
        By the Laplace approximation and by quadrature, in the same coordinates.
    optsum : OptSummary
        Has the end of the search, and gets the new one.

    Returns
    -------
    bool
        Whether they led to a minimum; if not, `optsum` is as it was. They are not tried where a
        variance is zero, or where there is no minimum by the Laplace approximation.
    """
    z = exact.to_scaled(optsum.final)
    if (z[np.isfinite(optsum.lowerbd)] <= 0).any():
        return False
    _, curvature = approximate.derivatives(z)
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature)[0] <= 0:
        return False
    inverse, half = np.linalg.inv(curvature), STEP * exact.scales(z)
    value = first = exact.objective(z)
    slope, log = slopes(exact.objective, z, half), [(exact.to_user(z), value)]
    for _ in range(MOST_STEPS):
        step = -inverse @ slope
        gain = -0.5 * float(slope @ step)
        if gain < GAIN:
            break
        ahead = z + step
        trial = exact.objective(ahead) if gain < FAR else np.nan
        if not trial < value:
            return False
        there = slopes(exact.objective, ahead, half)
        inverse = _updated(inverse, step, there - slope)
        z, value, slope = ahead, trial, there
        log.append((exact.to_user(z), value))
    else:
        return False
    if (z[np.isfinite(optsum.lowerbd)] <= 0).any():
        return False
    optsum.final, optsum.fmin, optsum.finitial, optsum.log = exact.to_user(z), value, first, log
    optsum.feval += len(log) * (1 + 2 * len(z))
    optsum.gradient_norm, optsum.certificate = float(np.linalg.norm(slope)), None
    return True


def _updated(inverse, step, change) -> np.ndarray:
    """The BFGS update of an inverse Hessian; none where the objective curves downwards."""
    along = float(step @ change)
    if along <= 0:
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / along
    return left @ inverse @ left.T + np.outer(step, step) / along
