"""`newton_finish`: the last digits of a generalized fit whose search had no derivatives."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.optimize.newton_step import newton_step

#: At most so many steps; and the gain of -2 log-likelihood below which none is worth its price.
MOST_STEPS, GAIN = 5, 1e-8


def newton_finish(model) -> None:
    """Take Newton steps from the end of a search that may have stopped short in a narrow valley.

    The Hessian is by differences of the exact gradient. Standard deviations of zero stay zero. It
    ends with a step that does not lower the objective, which is not taken.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Its `optsum` has the end of a full fit by the Laplace approximation, and gets the new one.
    """
    optsum, space = model.optsum, model.space
    z, value = space.to_scaled(optsum.final), float(optsum.fmin)
    free = ~((z == 0) & np.isfinite(optsum.lowerbd))
    with blas_threads():
        for _ in range(MOST_STEPS):
            slopes, curvature = space.derivatives(z)
            slopes, curvature = slopes[free], curvature[np.ix_(free, free)]
            _, gain, condition, _ = newton_step(slopes, curvature)
            if not (gain > GAIN and np.isfinite(condition)):
                break
            ahead = z.copy()
            ahead[free] -= np.linalg.solve(curvature, slopes)
            ahead = np.where(np.isfinite(optsum.lowerbd), np.maximum(ahead, 0.0), ahead)
            there = space.objective(ahead)
            if not there < value:
                break
            z, value = ahead, there
    if value < optsum.fmin:
        optsum.final, optsum.fmin = space.to_user(z), value
