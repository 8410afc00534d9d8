"""`ModelSpace`: the search space of a model, which fits, profiles and reports on them ask.

Its coordinates are θ of scaled columns, and before them what else a model searches for; see
`numbamm.models.spaces.scaled`. `LinearSpace` and `GeneralizedSpace` say what that is.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.optimize.differences import jacobian
from numbamm.optimize.search_space import SearchSpace

#: Half-width of differences of a gradient, in units of `ModelSpace.scales`.
STEP = 1e-3


class ModelSpace(SearchSpace):
    """What the search spaces of linear and of generalized models share.

    Parameters
    ----------
    scaled : ScaledTerms
    before : int
        Number of parameters that stand before θ.

    Attributes
    ----------
    scaled : ScaledTerms
    """

    has_free_signs = True

    def __init__(self, scaled: ScaledTerms, before: int) -> None:
        self.scaled, self._before = scaled, before

    def rectify(self, z: np.ndarray) -> np.ndarray:
        before = self._before
        return np.concatenate([z[:before], self.scaled.structure.rectified(z[before:])])

    def check_bounds(self, lower: np.ndarray, upper: np.ndarray) -> None:
        self.scaled.check_bounds(lower[self._before :], upper[self._before :])

    def gradient_norm(self, z: np.ndarray, free: np.ndarray) -> float:
        with blas_threads():  # it may be asked for long after the fit
            return super().gradient_norm(z, free)

    def scales(self, z: np.ndarray) -> np.ndarray:
        """About the standard error of each coordinate, the scale on which the objective curves."""
        raise NotImplementedError

    def derivatives(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian at z, by differences of the exact gradient.

        Returns
        -------
        gradient : ndarray, shape (n,)
        hessian : ndarray, shape (n, n)
            NaN where the objective cannot be computed all around.
        """
        step = STEP * self.scales(z)
        return self.gradient(z)[1], jacobian(lambda at: self.gradient(at)[1], z, step)

    def user_gradient(self, x: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """The gradient in the user's parameters x, from that in coordinates."""
        return self.scaled.user_gradient(x, slopes)
