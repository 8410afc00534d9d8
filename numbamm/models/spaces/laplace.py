"""`LaplaceObjective`: what a generalized fit minimises, as a function of scaled coordinates.

See docs/mathematics.md, "The generalized linear mixed model".
"""

from __future__ import annotations

import numpy as np

from numbamm.glm.likelihood import Likelihood
from numbamm.glm.mode import Mode, ModeFinder
from numbamm.models.spaces.parameters import LOG_SHAPE, Parameters, Values

#: Differences of the objective below this come from its gradient, where both are estimates.
NEAR = 1.0


class LaplaceObjective:
    """-2 log-likelihood by the Laplace approximation, or by quadrature, and its gradient.

    Parameters
    ----------
    modes : ModeFinder
        Its modes are kept from one evaluation to the next: each starts at the last one.
    likelihood : Likelihood
    parameters : Parameters
        Of a fast fit, in which PIRLS varies γ, or of a full one.
    gamma : ndarray, shape (rank,)
        Where γ starts if it varies.
    nagq : int
        Nodes a dimension of the quadrature; 1 for the Laplace approximation.
    root : ndarray, shape (rank, rank), optional
        The coefficients that are searched for are root⁻¹γ, which a root of γ's covariance makes
        about independent, with variance one; γ itself, if not given.
    """

    def __init__(
        self,
        modes: ModeFinder,
        likelihood: Likelihood,
        parameters: Parameters,
        gamma: np.ndarray,
        nagq: int = 1,
        root: np.ndarray | None = None,
    ) -> None:
        self.modes, self.likelihood, self.parameters = modes, likelihood, parameters
        self.gamma, self.nagq, self.root = gamma.copy(), nagq, root
        self.vary = not parameters.beta and len(gamma) > 0
        self.succeeded = False  # whether an evaluation has
        self._lowest, self._state = np.inf, modes.state
        self._anchor: tuple | None = None

    def at(self, x) -> tuple[Mode, Values]:
        """The mode at x, and the parts of x with γ and φ filled in."""
        values = self.parameters.split(np.asarray(x, dtype=np.float64))
        gamma = self.gamma.copy() if self.vary else values.beta
        if self.root is not None:
            gamma = self.root @ gamma
        mode = self.modes(values.theta, gamma, vary=self.vary, shape=values.shape)
        if mode.found and self.vary:
            self.gamma = gamma
        phi = self.likelihood.dispersion(mode) if values.phi is None and mode.found else values.phi
        return mode, values._replace(beta=gamma, phi=phi)

    def __call__(self, x) -> float:
        """The objective; NaN where there is no mode, or no φ."""
        mode, values = self.at(x)
        if self.nagq == 1 or not mode.found:
            value = self.likelihood.laplace(mode, values.shape, values.phi)
        else:
            constant = self.likelihood.saturated(values.shape, values.phi)
            value = float(self.modes.quadrature(self.nagq, values.shape, values.phi) + constant)
        self.succeeded |= bool(np.isfinite(value))
        self._remember(value)
        return value

    def certify(self, x):
        """The certificate at x, by the Laplace approximation; see `ModeFinder.certify`.

        Returns
        -------
        float, float, callable
            NaN where there is no mode; the callable gives whole vectors of parameters.
        """
        mode, values = self.at(x)
        if not mode.found:
            return np.nan, np.nan, None
        value, whole, escape = self.modes.certify(
            values.theta, values.beta, vary=self.vary, shape=values.shape, phi=values.phi
        )
        head = np.asarray(x)[: len(x) - len(values.theta)]
        return value, whole, lambda epsilon: np.concatenate([head, escape(epsilon)])

    def gradient(self, x) -> tuple[float, np.ndarray]:
        """The Laplace approximation, and its gradient; NaN where there is no mode.

        Nor is there one where the gradient is not finite: the deviance curves downwards.
        """
        mode, values = self.at(x)
        value = self.likelihood.laplace(mode, values.shape, values.phi)
        if not np.isfinite(value):
            return value, np.full(len(x), np.nan)
        rank, nuisance = len(values.beta), self.parameters.nuisance
        slopes = self.modes.gradient(
            values.theta, values.beta, vary=self.vary, shape=values.shape, phi=values.phi
        )
        if nuisance:
            slopes[rank] += self.likelihood.log_slope(mode, values.shape, values.phi)
        if nuisance == LOG_SHAPE and values.shape in self.parameters.shape_range:
            slopes[rank] = 0.0  # beyond the range of shapes nothing changes
        if self.root is not None:
            slopes[:rank] = self.root.T @ slopes[:rank]
        parts = [slopes[:0] if self.vary else slopes[:rank]]
        between = len(self.parameters.between)
        parts += [slopes[rank : rank + between]]
        gradient = np.concatenate([*parts, slopes[len(slopes) - len(values.theta) :]])
        if not np.isfinite(gradient).all():
            return np.nan, np.full(len(x), np.nan)
        self.succeeded = True
        if self.modes.is_iterative:
            value = self._consistent(np.array(x, dtype=np.float64), value, gradient)
        self._remember(value)
        return value, gradient

    def _consistent(self, x, value: float, gradient) -> float:
        """A value of which an estimated gradient is the slope, near the lowest point so far.

        The change from there is by the trapezoid rule: the estimate of the value has other errors
        than that of the gradient, whose root a search is to find.
        """
        if self._anchor is not None:
            at, lowest, slopes = self._anchor
            if abs(value - lowest) < NEAR:
                value = lowest + float((x - at) @ (slopes + gradient)) / 2
            if not value < lowest:
                return value
        self._anchor = x, value, gradient
        return value

    def forget(self) -> None:
        """Take values as they are estimated again, not as changes from the lowest point."""
        self._anchor = None

    def _remember(self, value: float) -> None:
        if value < self._lowest:
            self._lowest, self._state = value, self.modes.state

    def recall(self) -> None:
        """Go back to the mode of the lowest value: near an edge not every start leads there."""
        self.modes.state = self._state


def gamma_covariance(modes: ModeFinder, at: Values) -> np.ndarray:
    """Covariance of the coefficients of the basis at known θ, from the factor at the last mode.

    By the expected information, of which that factor has no other than positive pivots.
    """
    root = np.linalg.inv(modes.working(at.theta, at.beta, at.shape).x_factor()).T
    return at.phi * root @ root.T
