"""`LinearObjective`: -2 log-likelihood of a linear model, or its REML criterion, at any θ."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.design.related_levels import slopes_of_level
from numbamm.models.spaces.coordinates import Coordinates
from numbamm.models.spaces.linear_space import Criterion, LinearSpace
from numbamm.optimize.differences import jacobian

if TYPE_CHECKING:
    from numbamm.blocks.layout import Layout
    from numbamm.models.spaces.residual_space import ResidualSpace


class LinearObjective:
    """What a fit of a linear model minimises: its value and derivatives, and its search space."""

    @property
    def layout(self) -> Layout:
        """How A and L are held; see `blocks.layout`."""
        return self.blocks.layout

    @property
    def degrees(self) -> int:
        """d: nobs under ML, nobs less the rank of X under REML."""
        return self.nobs - (self.feterm.rank if self.optsum.reml else 0)

    def _criterion(self) -> Criterion:
        reml, scale = self.optsum.reml, self.scaled_response.scale
        degrees = np.array([self.degrees, reml], dtype=np.int64)
        constant = 2 * self.degrees * np.log(scale) - self._sum_log_w
        if reml:
            constant -= 2 * self.feterm.logdet_to_basis
        return Criterion(degrees, constant, (self.optsum.sigma or 0.0) / scale)

    @property
    def space(self) -> LinearSpace | ResidualSpace:
        """The search space: the criterion of `optsum` as a function of the scaled θ.

        Before θ come the φ of a residual side.
        """
        return self.space_with(self._criterion())

    def space_with(self, criterion, *options) -> LinearSpace | ResidualSpace:
        """The search space of a criterion; see `LinearSpace` for the options."""
        if self.residual_side is None:
            return LinearSpace(self.scaled, self.blocks, criterion, *options)
        from numbamm.models.spaces.residual_space import ResidualSpace

        side = self.residual_side
        return ResidualSpace(self.scaled, side, side.rows, criterion, *options)

    @cached_property
    def search_coordinates(self) -> Coordinates:
        """Coordinates of the scaled θ; the response does not touch them."""
        return Coordinates(self.scaled.terms, self.layout, self.blocks.A, self.nobs)

    def objective_at(self, theta: ArrayLike) -> float:
        """-2 log-likelihood (or REML criterion) at a given θ; the model is not changed.

        Parameters
        ----------
        theta : array-like, shape (number of θ,)

        Returns
        -------
        float
            NaN or infinite where the factorisation fails.

        Raises
        ------
        OptionError
            `theta` is not as many numbers as the model has θ; the message names them.

        See Also
        --------
        LinearMixedModel.objective_gradient : With the gradient.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> round(m.objective_at([1, 0, 1]), 4)
        1784.6423
        """
        x, space = self._checked_theta(theta), self.space
        with blas_threads():
            return space.objective(space.to_scaled(x))

    def objective_gradient(self, theta: ArrayLike) -> tuple[float, np.ndarray]:
        """The objective and its exact gradient at a given θ; the model is not changed.

        Parameters
        ----------
        theta : array-like, shape (number of θ,)

        Returns
        -------
        objective : float
            As `objective_at`.
        gradient : ndarray, shape (number of θ,)
            Its derivative in each θ; NaN where the factorisation fails.

        Raises
        ------
        OptionError
            `theta` is not as many numbers as the model has θ; the message names them.

        See Also
        --------
        LinearMixedModel.hessian : Second derivatives.

        Notes
        -----
        Reverse differentiation of the blocked Cholesky factor, at about three times the price
        of the objective alone (Murray, 2016, arXiv 1602.07527).

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> value, gradient = m.objective_gradient([1, 0, 1])
        >>> gradient.round(3).tolist()
        [-0.051, 1.012, 33.245]
        """
        theta, space = self._checked_theta(theta), self.space
        with blas_threads():
            value, gradient = space.gradient(space.to_scaled(theta))
        if self.residual_side is not None:
            return value, space.user_gradient(theta, gradient)
        if not self.scaled.is_changed or not np.isfinite(value):
            return value, gradient
        structure, blocks = self.scaled.structure, self.blocks.gradient_blocks()
        blocks = [slopes_of_level(*pair) for pair in zip(self.reterms, blocks, strict=True)]
        of_terms = zip(
            self.scalings, blocks, structure.split(theta), structure.split(gradient), strict=True
        )
        parts = [s.gradient(own, G) if s else slopes for s, G, own, slopes in of_terms]
        return value, structure.join(parts)

    def hessian(self, theta: ArrayLike | None = None) -> np.ndarray:
        """Second derivatives of the objective in θ, by differences of the exact gradient.

        Parameters
        ----------
        theta : array-like, shape (number of θ,), optional
            The estimates, if not given.

        Returns
        -------
        ndarray, shape (number of θ, number of θ)
            Symmetric; exact to about 1e-7 of its largest entry.

        Raises
        ------
        NotFittedError
            `theta` is not given, and the model has no estimates.
        OptionError
            `theta` is not as many numbers as the model has θ; the message names them.

        See Also
        --------
        LinearMixedModel.objective_gradient : First derivatives.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.hessian().round().tolist()
        [[41.0, 32.0, -15.0], [32.0, 461.0, 184.0], [-15.0, 184.0, 868.0]]
        """
        if theta is None:
            _ = self.estimates  # there is a θ of interest only after a fit
            theta = self.x
        step = 1e-4 / self._column_sizes()
        return jacobian(lambda x: self.objective_gradient(x)[1], self._checked_theta(theta), step)

    @property
    def x(self) -> np.ndarray:
        """The parameters as `optsum` has them: θ, and before them the φ of a residual side."""
        side = self.residual_side
        return self.theta if side is None else np.concatenate([side.phi, self.theta])

    def _column_sizes(self) -> np.ndarray:
        """For each θ, the root mean square of the column of Z that its row of λ stands for.

        And for each φ what it is multiplied by to be of ordinary size.
        """
        sizes = [term.root_mean_squares(self.scaled.root) for term in self.reterms]
        own = self.scaled.structure.column_sizes(sizes)
        side = self.residual_side
        return own if side is None else np.concatenate([side.sizes, own])
