"""`GeneralizedObjective`: -2 log-likelihood of a generalized model at any parameters."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.glm.mode import ModeFinder
from numbamm.models.fitting.penalised_mode import PenalisedMode, find_mode
from numbamm.models.fitting.runaway import runaway_terms
from numbamm.models.generalized_estimates import values_at_estimates
from numbamm.models.spaces.generalized_space import GeneralizedSpace
from numbamm.models.spaces.laplace import LaplaceObjective, gamma_covariance
from numbamm.models.spaces.parameters import LOG_DISPERSION, LOG_SHAPE, Parameters, Values
from numbamm.options import numbers, one_for_each

if TYPE_CHECKING:
    from numbamm.blocks.layout import Layout
    from numbamm.models.streams.fit_by_passes import Passes


class GeneralizedObjective:
    """What fits of a generalized model minimise: value, gradient, search spaces, mode, `llf`."""

    #: What a fit by passes over the rows knows of them; None where it works with cells or rows.
    _passes: Passes | None = None

    def parameters(self, fast: bool, shape: float | None = None) -> Parameters:
        """What a fast fit or a full one searches over, where the shape is not held at this."""
        dispersed = self._likelihood.dispersed
        nuisance = LOG_DISPERSION if dispersed and not fast else None
        return Parameters(
            fast=fast,
            beta=[] if fast else self.feterm.kept_names,
            nuisance=LOG_SHAPE if self.has_free_shape and shape is None else nuisance,
            theta=self.theta_names,
            shape=shape or self.given_shape or 0.0,
            dispersed=dispersed,
            shape_range=self.family_record.shape_range,
            psi=None if self.composition is None else tuple(self.part_lines.names),
        )

    def _search_for(self, shape: float | None) -> None:
        """Let fits estimate the shape, or hold it at this."""
        known = vars(self).get("_searched")
        if not known or known[True].shape != (shape or self.given_shape or 0.0):
            self._searched = {fast: self.parameters(fast, shape) for fast in (True, False)}

    @property
    def _known_parameters(self) -> list[list[str]]:
        shapes = (None, np.inf) if self.shape_has_limit else (None,)
        return [self.parameters(fast, shape).names for shape in shapes for fast in (True, False)]

    def _expect(self, names: list[str]) -> None:
        """Be ready for parameters of these names: without that of a shape it is infinite."""
        self._search_for(np.inf if self.shape_has_limit and LOG_SHAPE not in names else None)
        if self._modes.is_iterative and self.optsum.probes is not None:
            self._modes.probes, self._modes.seed = self.optsum.probes, self.optsum.seed

    def space_of(
        self, parameters: Parameters, nagq: int = 1, *, modes: ModeFinder | None = None, root=None
    ) -> GeneralizedSpace:
        """The search space of a kind of fit.

        Parameters
        ----------
        parameters : Parameters
        nagq : int
        modes : ModeFinder, optional
            Where it looks for modes; by default, it has some of its own.
        root : ndarray, shape (rank, rank), optional
            A root of γ's covariance, by which a full fit whitens γ.
        """
        modes = self._modes.replaced() if modes is None else modes
        laplace = LaplaceObjective(
            modes, self._likelihood, parameters, self._begun.gamma, nagq, root
        )
        to_psi = None if self.composition is None else self.part_lines.to_user
        space = GeneralizedSpace(laplace, self.scaled, self.feterm.to_basis, self._work, to_psi)
        space.has_edges = self._has_edges
        return space

    @property
    def _has_edges(self) -> bool:
        """Whether there are linear predictors that have no mean."""
        return self.link_record.is_bounded(self.family_record.proportions)

    @property
    def space(self) -> GeneralizedSpace:
        """The search space of the fit that `optsum` describes."""
        parameters = self._searched[self._fast]
        return self.space_of(parameters, self.optsum.nagq, root=self._gamma_root)

    def whitened_space(self) -> tuple[GeneralizedSpace, Values]:
        """A search space of the fit's kind, with γ whitened at the estimates, and the estimates.

        Unlike that of `space` it holds the logarithm of a shape that has been found to be infinite.
        """
        twin = self.twin()
        at = values_at_estimates(twin)
        root = None if self.is_fast else np.linalg.cholesky(gamma_covariance(twin._modes, at))
        nagq = self.estimates.nagq
        return self.space_of(self.parameters(self.is_fast), nagq, root=root), at

    def parameters_of(self, x: np.ndarray) -> Parameters:
        """Of which kind of fit these are parameters, by their number.

        Raises
        ------
        OptionError
            There is no fit with so many parameters.
        """
        fast, full = (self._searched[fast] for fast in (True, False))
        if np.shape(x) not in ((len(fast.names),), (len(full.names),)):
            kinds = dict.fromkeys(one_for_each(kind.names) for kind in (fast, full))
            given = shown(np.asarray(x).tolist())
            raise OptionError(f"x must be {' or '.join(kinds)}, not {given}")
        is_fast = self._fast if fast.names == full.names else len(x) == len(fast.names)
        return fast if is_fast else full

    @property
    def layout(self) -> Layout:
        """How A and L of the working model are held; see `blocks.layout`."""
        return self._modes.varied.layout

    def objective_at(self, x: ArrayLike) -> float:
        """-2 log-likelihood at θ, β being at the penalised mode, or at β and θ.

        Parameters
        ----------
        x : array-like, shape (number of parameters,)
            The parameters of a fast fit or of a full one, as ``optsum.final`` has them: θ, or β
            and θ. The logarithm of an unknown shape stands before θ; in a full fit so does
            that of the dispersion.

        Returns
        -------
        float
            NaN where no mode is found. By quadrature if ``optsum.nagq`` is above 1 and β given.

        Raises
        ------
        OptionError
            `x` is as many numbers as neither a fast fit nor a full one has parameters; the message
            names them.

        See Also
        --------
        GeneralizedLinearMixedModel.objective_gradient : With the gradient.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> round(float(g.objective_at(g.optsum.final)), 3)
        184.053
        """
        x = numbers("x", x)
        kind = self.parameters_of(x)
        with blas_threads():
            space = self.space_of(kind, 1 if kind.fast else self.optsum.nagq)
            return space.objective(space.to_scaled(x))

    def objective_gradient(self, x: ArrayLike) -> tuple[float, np.ndarray]:
        """The Laplace approximation of -2 log-likelihood, and its exact gradient.

        Parameters
        ----------
        x : array-like, shape (number of parameters,)
            As for `objective_at`.

        Returns
        -------
        objective : float
        gradient : ndarray, shape (number of parameters,)
            NaN where no mode is found.

        Raises
        ------
        OptionError
            `x` is as many numbers as neither a fast fit nor a full one has parameters; or
            ``optsum.nagq`` is above 1: there is no gradient through quadrature.

        See Also
        --------
        GeneralizedLinearMixedModel.objective_at : The objective alone.

        Notes
        -----
        One adjoint solve at the mode, and reverse differentiation of the blocked Cholesky factor;
        see `numbamm.glm.gradient`.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> value, gradient = g.objective_gradient(g.optsum.final)
        >>> bool(abs(gradient).max() < 1e-3)
        True
        """
        x = numbers("x", x)
        kind = self.parameters_of(x)
        if self.optsum.nagq > 1 and not kind.fast:
            raise OptionError(
                f"there is no gradient through quadrature (nagq={self.optsum.nagq}): nagq=1, or an "
                "optimizer without derivatives"
            )
        with blas_threads():
            space = self.space_of(kind)
            value, slopes = space.gradient(space.to_scaled(x))
        return value, space.user_gradient(x, slopes)

    @names_arguments
    def pirls(
        self, theta: ArrayLike | None = None, *, vary_beta: bool = True, verbose: bool = False
    ) -> PenalisedMode:
        """Find the conditional mode at θ, from the start of a fit; the model is not changed.

        Parameters
        ----------
        theta : array-like, shape (number of θ,), optional
            The current θ, if not given. An estimated shape is that of the fit, or of its start.
        vary_beta : bool
            Minimise over β, too; else β is that of the model without random effects.
        verbose : bool
            Print the objective before the first and after each iteration.

        Returns
        -------
        PenalisedMode
            The objective, coefficients and random effects there, the number of iterations, and
            the objective after each.

        Raises
        ------
        FitError
            If no mode was found; the message says at which θ.
        OptionError
            `theta` is not as many numbers as the model has θ; the message names them.

        See Also
        --------
        GeneralizedLinearMixedModel.fit

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> mode = g.pirls([1.0])
        """
        theta = self.theta if theta is None else self._checked_theta(theta)
        shape = self.estimates.shape if self.is_fitted else self._start.shape
        return self._pirls(theta, shape, vary_beta, verbose)

    def _pirls(self, theta, shape: float, vary_beta: bool, verbose: bool) -> PenalisedMode:
        return find_mode(self, theta, shape, vary_beta, verbose)

    @property
    def _work(self) -> float:
        """Operations of one evaluation, about: rows and factor, in some five iterations."""
        return 1000.0 * len(self._modes.offset) + 5 * self._modes.held.layout.operations

    def _rows_at_hand(self) -> AbstractContextManager:
        """A block in which the rows of the model can be looked through."""
        return nullcontext()

    @property
    def likelihood_holds(self) -> bool:
        """Whether the approximation of the likelihood holds at the estimates.

        Not so where a standard deviation has run off, since all responses of most levels are
        alike; `llf` and the information criteria are then NaN.
        """
        if self.estimates.likelihood_holds is None:
            with self._rows_at_hand():
                self.estimates.likelihood_holds = not runaway_terms(self)
        return self.estimates.likelihood_holds

    @property
    def llf(self) -> float:
        """Log-likelihood, by the approximation; NaN where that does not hold.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        lrtest : Compares those of nested models.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> round(g.llf, 3)
        -92.026
        """
        return super().llf if self.likelihood_holds else np.nan
