"""`GeneralizedLinearMixedModel`: y | b of mean g⁻¹(Xβ + Zb), b = Λ(θ)u, u ~ N(0, I)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm import config
from numbamm import formula as formulas
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.threads import blas_threads
from numbamm.errors import (
    FitError,
    NumbammWarning,
    OptionError,
    OverdispersionWarning,
)
from numbamm.formula.checks import check_generalized
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import LINKS, Link
from numbamm.glm.mode import ModeFinder
from numbamm.glm.quadrature import MOST_NODES
from numbamm.glm.registry import spelled
from numbamm.glm.working import EXPECTED, OBSERVED
from numbamm.models.cells import find_cells
from numbamm.models.curvature import hessian_covariance
from numbamm.models.ending import Ending, is_concave
from numbamm.models.estimates import Estimates
from numbamm.models.inside import slopes_outward
from numbamm.models.laplace import LaplaceObjective
from numbamm.models.mixedmodel import MixedModel, caller_namespace
from numbamm.models.new_response import checked_response
from numbamm.models.own_start import OwnStart
from numbamm.models.parameters import LOG_DISPERSION, LOG_SHAPE, Parameters, Values
from numbamm.models.residuals import GENERALIZED_RESIDUALS, pearson
from numbamm.models.runaway import Runaway, runaway_terms, typical_sd
from numbamm.models.stages import Stages, kernels_for
from numbamm.models.start import find_start
from numbamm.models.varcorr import VarCorr
from numbamm.optimize import OptSummary
from numbamm.options import numbers

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.blocks.layout import Layout

INFORMATION = {"expected": EXPECTED, "observed": OBSERVED}
INITS = ("glm", "lmm")

#: Pearson's statistic over its degrees of freedom from which counts are called overdispersed.
OVERDISPERSED = 1.5
#: From this standard deviation of η on it is asked whether the nodes of a quadrature are enough:
#: whether -2 log-likelihood changes by no more with twice as many.
WIDE, ENOUGH = 2.5, 1.0


class GeneralizedLinearMixedModel(Stages, MixedModel):
    """A generalized linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        ``"r2 ~ Anger + (1 | id) + (1 | item)"``; for binomial counts
        ``"cbind(successes, failures) ~ ..."``, or a proportion with `weights`.
    data : pandas, polars or pyarrow frame, or dict of arrays
    family : str or Family
        ``"bernoulli"``, ``"binomial"``, ``"poisson"``, ``"negativebinomial"``, ``"gamma"``,
        ``"inversegaussian"`` or ``"gaussian"``; or one of your own, see `Family`.
    link : str or Link, optional
        The family's usual link, if not given; ``"identity"``, ``"log"``, ``"logit"``,
        ``"probit"``, ``"cloglog"``, ``"loglog"``, ``"cauchit"``, ``"inverse"``,
        ``"inverse-squared"``, ``"sqrt"``; or one of your own, see `Link`.
    weights : str or array, optional
        Numbers of trials for a binomial proportion; prior weights otherwise.
    offset, contrasts, amalgamate
        As for `LinearMixedModel`.
    init : {"glm", "lmm"}
        Where a fit begins: β of the model without random effects and λ = I, or both from the
        linear mixed model of the working response. Searches that use gradients, which are half
        as long from there, begin at the latter, unless ``optsum.initial`` is set.
    information : {"expected", "observed"}, optional
        Which information about η enters the determinant of the Laplace approximation; they
        agree for canonical links. If not given, the observed one, as in the approximation's
        definition, for families with a dispersion and those of your own, of which no other is
        known; else the expected one, as in lme4.
    shape : float, optional
        Shape of the negative binomial, Var(y) = μ + μ²/shape, or of a family of your own;
        estimated, if not given. At an infinite one, which may be the estimate, too, the negative
        binomial is the Poisson distribution.
    optimizer : str, optional

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work.

    Notes
    -----
    The objective is the Laplace approximation of -2 log-likelihood, with every constant: at the
    conditional mode of u, (-2 log f(y | u) + u'u) / φ + log|Λ'Z'WZΛ + I|. The gamma, inverse
    Gaussian and Gaussian families have a dispersion φ, estimated by maximum likelihood; the
    random effects then have variance φΛΛ'. For the others φ is 1.

    Parameters of the fast fit are θ; of the full fit β, log φ or the logarithm of the negative
    binomial's shape, and θ. An unknown shape is a parameter of the fast fit, too; where it is
    infinite, it is none, and the rest is fitted with the Poisson distribution.

    Binomial and Poisson rows that are equal but for their responses are taken together inside,
    where there are many; results are those of the rows.
    """

    def __init__(
        self,
        formula: str,
        data,
        family: str | Family,
        link: str | Link | None = None,
        *,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        contrasts: Mapping[str, Any] | None = None,
        amalgamate: bool = True,
        init: str = "glm",
        information: str | None = None,
        shape: float | None = None,
        optimizer: str | None = None,
    ) -> None:
        self._family = FAMILIES.of(family)
        self._link = LINKS.of(self._family.link if link is None else link)
        self.family, self.link = self._family.name, self._link.name
        own = self._family.by_density
        usual = "observed" if self._family.dispersed or own else "expected"
        self.information = spelled("information", information or usual, INFORMATION)
        if own and self.information == "expected":
            raise OptionError(
                f"the expected information of the family {self._family} is not known, only its "
                'log-density: information="observed"'
            )
        self.init = spelled("init", init, INITS)
        self._given_shape = _checked_shape(shape, self._family)
        compile_ahead(*kernels_for(optimizer))
        frame = formulas.model_frame(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            context=caller_namespace(),
            two_level_response=self._family.proportions,
        )
        if frame.trials is not None:
            frame.weights = frame.trials * (1.0 if frame.weights is None else frame.weights)
        check_generalized(frame, self._family)
        self._build(frame)
        self._warned = False
        self.fast_optsum: OptSummary | None = None
        self.optsum = self._optsum_of_start()
        self._own_start = OwnStart.put(self.optsum, self.optsum.initial)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    def _build(self, frame) -> None:
        """All that depends on the rows: terms, modes, and where a fit begins."""
        n = len(frame.y)
        prior = np.ones(n) if frame.weights is None else frame.weights
        with blas_threads(config.get("threads")):
            self._prior, self._likelihood = prior, Likelihood(self._family, frame.y, prior)
            super().__init__(frame, self._likelihood.working_root(self._link))
            self._search_for(None)
            self._basis = self.feterm.basis / np.sqrt(prior)[:, None]
            self._offset = np.zeros(n) if frame.offset is None else frame.offset
            # By the columns as they came: products with matrices round equal rows differently.
            self._cells = find_cells(self._family, self.reterms, [*frame.X.T, self._offset])
            if self._cells:
                self._likelihood.merged = self._cells.constant(self._family, frame.y, prior)
            self._modes = self._mode_finder()
            self._start = self._begun = find_start(self, self.theta, self.init)
            # A root of γ's covariance, in whose coordinates a full fit searches.
            self._gamma_root: np.ndarray | None = None

    def _mode_finder(self) -> ModeFinder:
        y, prior, rows, terms = self.frame.y, self._prior, slice(None), self._inside
        if self._cells:
            rows = self._cells.first
            y, prior = self._cells.merged(y, prior)
            terms = [replace(t, refs=t.refs[rows], z=t.z[:, rows]) for t in terms]
        return ModeFinder(
            terms,
            self._basis[rows],
            y,
            prior,
            self._offset[rows],
            self._family,
            self._link,
            INFORMATION[self.information],
            scale=self._likelihood.scale,
        )

    def _in_columns(self, scalings) -> GeneralizedLinearMixedModel:
        """This model, fitted as it is, in other columns inside."""
        twin = self._twin()
        twin.scalings = scalings
        twin._modes = twin._mode_finder()
        return twin

    @property
    def _title(self) -> str:
        nagq = self.estimates.nagq
        how = "Laplace approximation" + (", fast" if self._fast else "")
        if nagq > 1:
            how = f"adaptive Gauss–Hermite quadrature, {nagq} nodes"
        elif not self._canonical:
            how += f", {self.information} information"
        success = self.frame.success_level
        of = f" of {self.frame.response} = {success}" if success is not None else ""
        family = self.family if self.shape is None else f"{self.family}({self.shape:.5g})"
        return (
            f"Generalized linear mixed model fit by maximum likelihood ({how})\n"
            f" Family: {family}{of}, link: {self.link}"
        )

    @property
    def _fast(self) -> bool:
        """Whether β varies inside PIRLS in the fit that `optsum` describes."""
        if self.optsum.fast is None:  # an older file does not say
            return self.optsum.names == self._searched[True].names
        return self.optsum.fast

    @property
    def is_fast(self) -> bool:
        """Whether β was varied inside PIRLS, and θ alone optimised."""
        _ = self.estimates
        return self._fast

    @property
    def _canonical(self) -> bool:
        """Whether expected and observed information agree."""
        return self._family.is_canonical(self._link)

    @property
    def _free_shape(self) -> bool:
        """Whether the family has a shape, which is estimated."""
        return self._family.has_shape and self._given_shape is None

    @property
    def _has_limit(self) -> bool:
        """Whether an estimated shape may be infinite."""
        return self._free_shape and self._family.limit is not None

    def _mean(self, eta) -> np.ndarray:
        return self._link.mean(eta)

    @property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects."""
        return VarCorr(self.reterms, self.sigma, residual=self._likelihood.dispersed)

    @property
    def dispersion(self) -> float:
        """Dispersion φ, Var(y) = φ V(μ) / w: 1 for families that have none."""
        return self.sigma**2

    @property
    def shape(self) -> float | None:
        """Shape of the negative binomial, Var(y) = μ + μ²/shape, or of one's own; None without."""
        if not self._family.has_shape:
            return None
        return self._given_shape or self.estimates.shape

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: rank of X, θ, and dispersion or shape."""
        return super().n_parameters + self._free_shape

    # ---- parameters and the objective -------------------------------------------------------

    def _parameters(self, fast: bool, shape: float | None = None) -> Parameters:
        """What a fast fit or a full one searches over, where the shape is not held at this."""
        dispersed = self._likelihood.dispersed
        nuisance = LOG_DISPERSION if dispersed and not fast else None
        return Parameters(
            beta=[] if fast else self.feterm.kept_names,
            nuisance=LOG_SHAPE if self._free_shape and shape is None else nuisance,
            theta=self.theta_names,
            shape=shape or self._given_shape or 0.0,
            dispersed=dispersed,
            shape_range=self._family.shape_range,
        )

    def _search_for(self, shape: float | None) -> None:
        """Let fits estimate the shape, or hold it at this."""
        known = vars(self).get("_searched")
        if not known or known[True].shape != (shape or self._given_shape or 0.0):
            self._searched = {fast: self._parameters(fast, shape) for fast in (True, False)}

    @property
    def _known_parameters(self) -> list[list[str]]:
        shapes = (None, np.inf) if self._has_limit else (None,)
        return [self._parameters(fast, shape).names for shape in shapes for fast in (True, False)]

    def _expect(self, names: list[str]) -> None:
        """Be ready for parameters of these names: without that of a shape it is infinite."""
        self._search_for(np.inf if self._has_limit and LOG_SHAPE not in names else None)

    def _coordinates(self):
        if self._fast and not any(self.scalings):
            return None
        parameters, to_beta = self._searched[self._fast], self.feterm.to_basis
        if self._gamma_root is not None:
            to_beta = to_beta @ self._gamma_root
        to_gamma = np.linalg.inv(to_beta)

        def inward(x):
            return parameters.changed(x, to_gamma.__matmul__, self._inward)

        def outward(x):
            return parameters.changed(x, to_beta.__matmul__, self._outward)

        return inward, outward

    def _objective(
        self, fast: bool, nagq: int = 1, modes: ModeFinder | None = None, root=None, parameters=None
    ) -> LaplaceObjective:
        """The objective of the parameters inside; from modes of its own, if none are given."""
        modes = self._modes.replaced() if modes is None else modes
        parameters = self._searched[fast] if parameters is None else parameters
        return LaplaceObjective(modes, self._likelihood, parameters, self._begun.gamma, nagq, root)

    def _checked(self, x) -> tuple[np.ndarray, bool]:
        """Parameters of a fast fit or of a full one, inside; and whether of a fast one."""
        x = numbers("parameters", x)
        fast, full = (self._searched[fast].names for fast in (True, False))
        if x.shape not in ((len(fast),), (len(full),)):
            raise OptionError(
                f"expected {len(fast)} values ({', '.join(fast)}) or {len(full)} "
                f"({', '.join(full)}), not {x.shape}"
            )
        is_fast = self._fast if fast == full else len(x) == len(fast)
        to_gamma = partial(np.linalg.solve, self.feterm.to_basis)
        return self._searched[is_fast].changed(x, to_gamma, self._inward), is_fast

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
        """
        inside, fast = self._checked(x)
        with blas_threads(config.get("threads")):
            return self._objective(fast, 1 if fast else self.optsum.nagq)(inside)

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
            With ``optsum.nagq`` above 1: there is no gradient through quadrature.

        Notes
        -----
        One adjoint solve at the mode, and reverse differentiation of the blocked Cholesky factor;
        see `numbamm.glm.gradient`.
        """
        inside, fast = self._checked(x)
        if self.optsum.nagq > 1 and not fast:
            raise OptionError(
                f"there is no gradient through quadrature (nagq={self.optsum.nagq}): nagq=1, or an "
                "optimizer without derivatives"
            )
        with blas_threads(config.get("threads")):
            value, slopes = self._objective(fast).gradient(inside)
        to_beta, theta = np.linalg.inv(self.feterm.to_basis).T, np.asarray(x)[-len(self.theta) :]
        back = partial(slopes_outward, self._inward, theta) if any(self.scalings) else np.asarray
        return value, self._searched[fast].changed(slopes, to_beta.__matmul__, back)

    def _twin(self) -> GeneralizedLinearMixedModel:
        twin = super()._twin()
        twin._modes, twin.frame = self._modes.replaced(), copy(self.frame)
        return twin

    def pirls(
        self, theta: ArrayLike | None = None, *, vary_beta: bool = True, verbose: bool = False
    ) -> float:
        """Find the conditional mode at θ, from the start of a fit; the model is left as it is.

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
        float
            The Laplace approximation of -2 log-likelihood at the mode.

        Raises
        ------
        FitError
            If no mode was found; the message says at which θ.
        """
        theta = self.theta if theta is None else np.asarray(theta, dtype=np.float64)
        if theta.shape != self.theta.shape:
            raise OptionError(
                f"theta has shape {theta.shape}, but this model has {len(self.theta)} parameters: "
                f"{', '.join(self.theta_names)}"
            )
        shape = self.estimates.shape if self.is_fitted else self._start.shape
        return self._pirls(theta, shape, vary_beta, verbose)

    def _pirls(self, theta, shape: float, vary_beta: bool, verbose: bool) -> float:
        modes, gamma = self._modes.replaced(), self._start.gamma.copy()
        trace = np.full((200, 2), np.nan)
        with blas_threads(config.get("threads")):
            mode = modes(self._inward(theta), gamma, vary=vary_beta, shape=shape, trace=trace)
        if not mode.found:
            raise FitError(f"PIRLS found no mode at theta = {theta}")
        phi = self._likelihood.dispersion(mode)
        if verbose:
            shown = trace[: mode.iterations + 1] @ [1 / phi, 1.0]
            shown += self._likelihood.saturated(shape, phi)
            print(f"varyβ = {str(vary_beta).lower()}, obj₀ = {shown[0]:.6f}")
            print(f"β = {self.feterm.to_basis @ gamma}")
            for i, value in enumerate(shown[1:], start=1):
                print(f"{i:4d}: {value:.6f}")
        return self._likelihood.laplace(mode, shape, phi)

    # ---- fitting ----------------------------------------------------------------------------

    def fit(
        self,
        *,
        fast: bool = False,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Estimate the parameters.

        Parameters
        ----------
        fast : bool
            Optimise over θ alone, with β at the penalised mode (lme4's nAGQ = 0); else over β
            and θ together, beginning at the fast fit if the optimiser takes no gradients.
        nagq : int, optional
            Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one
            term; 1 is the Laplace approximation. ``optsum.nagq``, if not given.
        optimizer, progress, verbose
            As for `LinearMixedModel.fit`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model itself.

        Raises
        ------
        FitError
            If the model is fitted already, or the optimiser fails.
        OptionError
            If `nagq` cannot be used: with several terms, or with ``fast=True``.
        """
        if self.is_fitted:
            raise FitError("this model is fitted already; use refit() to fit it again")
        nagq = self.optsum.nagq if nagq is None else nagq
        return self._fit(fast, nagq, optimizer, progress, verbose)

    def refit(
        self,
        y: ArrayLike | None = None,
        *,
        fast: bool | None = None,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Fit again from the start: with a new response, or with other options.

        Parameters
        ----------
        y : array-like, optional
            The new response, for every row of the data or for the rows used, as numbers:
            0 and 1 for two levels, proportions for ``cbind(successes, failures)``. A pandas
            Series is matched to the data by its index.
        fast : bool, optional
        nagq : int, optional
            As for `fit`; as the model was fitted before, if not given.
        optimizer, progress, verbose
            As for `fit`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model itself.

        Raises
        ------
        DataError
            If the new response does not fit the rows or the family; the model stays as it was.
        """
        fast = (self.is_fitted and self._fast) if fast is None else fast
        nagq = (1 if fast else self.optsum.nagq) if nagq is None else nagq
        if y is None:
            return self._fit(fast, nagq, optimizer, progress, verbose)
        before = copy(vars(self))
        try:
            self._replace_response(y)
            return self._fit(fast, nagq, optimizer, progress, verbose)
        except BaseException:
            vars(self).update(before)
            raise

    def _replace_response(self, y) -> None:
        terms = [replace(term, theta=None) for term in self.reterms]
        frame = replace(self.frame, y=checked_response(self.frame, y), reterms=terms)
        check_generalized(frame, self._family)
        self._build(frame)
        self.optsum = self._renewed(self.optsum, self._optsum_of_start().initial)
        self._own_start = OwnStart.put(self.optsum, self.optsum.initial)
        self.fast_optsum = None

    def _fit(self, fast, nagq, optimizer, progress, verbose) -> GeneralizedLinearMixedModel:
        self._check_nagq(fast, nagq)
        kept, theta, options = dict(vars(self)), self.theta, dict(vars(self.optsum))
        shown = {
            "progress": config.get("progress") if progress is None else progress,
            "verbose": verbose,
        }
        try:
            self._search_for(None)
            if self.is_fitted:
                before = self.fast_optsum or self.optsum
                ours = self._own_start.is_in(before)
                self.optsum = self._renewed(self.optsum, before.initial)
                if ours:
                    self._own_start = OwnStart.put(self.optsum, self.optsum.initial)
            self.optsum.nagq, self.fast_optsum = 1 if fast else nagq, None
            if optimizer is not None:
                self.optsum.optimizer = optimizer
            self.optsum.configure()
            self.optsum.validate()
            with blas_threads(config.get("threads")):
                end = self._search_all(fast, nagq, **shown)
                self._estimates = self._estimate(self.optsum.final, float(self.optsum.fmin))
        except BaseException:  # a failed fit loses nothing
            vars(self).clear()
            vars(self).update(kept)
            vars(self.optsum).clear()
            vars(self.optsum).update(options)
            self._set_theta(theta)
            raise
        if not end.is_minimum:
            self._warn_of_end(end)
        elif end.lower > 0:
            warnings.warn(
                f"the objective is lower by {end.lower:.3g} where another search ended, but there "
                "the approximation of the likelihood does not hold: the data say little about "
                f"these random effects; {self._remedy}",
                NumbammWarning,
                stacklevel=3,
            )
        elif end.rivals > 0 and not is_concave(self):
            warnings.warn(
                f"the objective has {end.rivals + 1} minima or more of similar height, of which "
                "the lowest that was found is kept: compare searches by allfit(), and look at "
                "ranova(), since rows may be too few for these random effects",
                NumbammWarning,
                stacklevel=3,
            )
        runaways = runaway_terms(self)
        self._estimates.likelihood_holds = not runaways
        for runaway in runaways:
            self._warn_of_runaway(runaway)
        self._warn_of_nodes()
        self._warn()
        return self

    def _warn_of_end(self, end: Ending) -> None:
        """Tell that the search ended at no minimum, and whether there are standard errors."""
        where = "at a point that is no minimum of the objective"
        if end.at_edge:
            where = f"at the edge of what the link {self.link} allows, no minimum of the objective"
        with blas_threads(config.get("threads")):
            self._estimates.covariance = self._covariance(told=True)
        known = np.isfinite(self.bse).all() and (self.bse > 0).all()
        errors = "nor are their standard errors" if known else "and there are no standard errors"
        warnings.warn(
            f"the search ended {where}: the estimates are not to be relied on, {errors}; "
            f"{self._remedy}",
            NumbammWarning,
            stacklevel=4,
        )

    def _warn_of_runaway(self, runaway: Runaway) -> None:
        """Tell that a standard deviation has run off."""
        term, sd, alike = runaway
        size = "grows without limit, and has reached" if alike == term.nlevels else "is as large as"
        warnings.warn(
            f"the standard deviation of {_shown(term)} {size} {sd:.3g} on the scale of the "
            f"{self.link}: in {alike} of {term.nlevels} levels of {term.group} all responses are "
            "alike. The approximation of the likelihood does not hold there, so that llf, aic and "
            "bic are not given, and neither estimates nor standard errors are to be relied on; "
            "leave the term out, or take larger groups",
            NumbammWarning,
            stacklevel=4,
        )

    def _warn_of_nodes(self) -> None:
        """Tell where a quadrature of more nodes gives another likelihood at the estimates."""
        nagq = self.estimates.nagq
        if nagq == 1 or not self.likelihood_holds or typical_sd(self.reterms[0]) < WIDE:
            return
        more = min(2 * nagq + 1, MOST_NODES)
        x, _ = self._checked(self.optsum.final)
        with blas_threads(config.get("threads")):
            finer = self._objective(False, more)(x)
        if not abs(finer - self.objective) <= ENOUGH:
            warnings.warn(
                f"nagq={nagq} nodes are too few: at the estimates -2 log-likelihood is "
                f"{self.objective:.2f}, and {finer:.2f} with {more} nodes; raise nagq until it "
                "does not change",
                NumbammWarning,
                stacklevel=4,
            )

    @property
    def likelihood_holds(self) -> bool:
        """Whether the approximation of the likelihood holds at the estimates.

        Not so where a standard deviation has run off, since all responses of most levels are
        alike; `llf` and the information criteria are then NaN.
        """
        if self.estimates.likelihood_holds is None:
            self.estimates.likelihood_holds = not runaway_terms(self)
        return self.estimates.likelihood_holds

    @property
    def llf(self) -> float:
        """Log-likelihood, by the approximation; NaN where that does not hold."""
        return super().llf if self.likelihood_holds else np.nan

    def _warn(self) -> None:
        """Warn of what the estimates show about the model, the first time that it is fitted."""
        if self._warned:
            return
        self._warned = True
        ratio = self.pearson_ratio if self._is_counts else 1.0
        if ratio > OVERDISPERSED:
            warnings.warn(
                f"the counts are overdispersed: Pearson's statistic is {ratio:.2f} times its "
                "degrees of freedom, so that standard errors are too small; "
                + (f"a {self._family.wider} family, or " if self._family.wider else "")
                + "a random effect for each row, may serve better",
                OverdispersionWarning,
                stacklevel=4,
            )
        if self._has_limit and np.isinf(self.shape):
            warnings.warn(
                "the negative binomial's shape is infinite: the counts vary no more than a Poisson "
                f"distribution's, of which these are the estimates; family='{self._family.limit}' "
                "fits it with a parameter less",
                NumbammWarning,
                stacklevel=4,
            )

    @property
    def _is_counts(self) -> bool:
        """Whether the family says how much the rows vary, and could be wrong about it."""
        family = self._family
        if family.variance is None:
            return False
        if family.weights == "trials":
            return bool((self._prior > 1).any())
        return family.counts and not family.has_shape

    @property
    def pearson_ratio(self) -> float:
        """Pearson's statistic at the conditional means over its degrees of freedom.

        About one where the family's variance holds; above, counts are overdispersed. NaN where
        there are none.
        """
        if not self._pearson_df > 0:
            return np.nan
        return float((pearson(self) ** 2).sum() / self.dispersion / self._pearson_df)

    @property
    def _pearson_df(self) -> float:
        """`df_resid`, where prior weights of counts are numbers of rows."""
        if not self._family.counts:
            return float(self.df_resid)
        return float(self._prior.sum() - self.n_parameters)

    def _gamma_cov(self, at: Values) -> np.ndarray:
        """Covariance of the coefficients of the basis at known θ, from the factor at the last mode.

        By the expected information, of which that factor has no other than positive pivots.
        """
        root = np.linalg.inv(self._modes.working(at.theta, at.beta, at.shape).x_factor()).T
        return at.phi * root @ root.T

    def _covariance(self, told: bool = False) -> np.ndarray:
        """Covariance of the kept coefficients at the estimates; `told`: without a warning."""
        to_beta, known = self.feterm.to_basis, self._gamma_cov(self._at_estimates())
        cov = known if self._fast else hessian_covariance(self, known)
        if cov is None:
            cov = known
            if not told:
                warnings.warn(
                    "the likelihood cannot be computed all around the estimates: standard errors "
                    "take the random effects' variances as known, and are too small",
                    NumbammWarning,
                    stacklevel=5,
                )
        if not (told or (np.isfinite(cov).all() and (np.diag(cov) > 0).all())):
            warnings.warn(
                f"there are no standard errors: the information at the estimates is not positive "
                f"definite; {self._remedy}",
                NumbammWarning,
                stacklevel=5,
            )
        return to_beta @ cov @ to_beta.T

    def _estimate(self, x, objective: float) -> Estimates:
        """Everything that follows from the final parameters."""
        self._set_theta(x[-len(self.theta) :])
        mode, at = self._objective(self._fast, 1, self._modes).at(self._checked(x)[0])
        self._check_mode(mode, at)
        u, b = self._effects()
        eta = self._eta(at, b)
        return Estimates(
            beta=self.feterm.to_basis @ at.beta,
            covariance=None,
            sigma=float(np.sqrt(at.phi)),
            u=u,
            b=b,
            eta=eta,
            fitted=self._mean(eta),
            objective=objective,
            reml=False,
            sigma_given=not self._likelihood.dispersed,
            shape=at.shape,
            nagq=self.optsum.nagq,
        )

    def _eta(self, at: Values, b: list[np.ndarray]) -> np.ndarray:
        """Linear predictors of the rows at parameters inside and random effects b."""
        eta = self._basis @ at.beta + self._offset
        for term, effects in zip(self.reterms, b, strict=True):
            eta = eta + np.einsum("pn,np->n", term.z, effects[term.refs])
        return eta

    def _effects(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """u and b of the user's columns at the mode that was found last."""
        u_all, b_all = [], []
        for term, scaling, u in zip(
            self.reterms, self.scalings, self._modes.by_term(self._modes.u), strict=True
        ):
            b = u @ term.lambda_.T
            if scaling:
                inside = scaling.inside(term)
                inside.theta = scaling.inward(term.theta)
                u, b = scaling.effects(term.theta, u, u @ inside.lambda_.T)
            u_all.append(u)
            b_all.append(b)
        return u_all, b_all

    # ---- rows and levels --------------------------------------------------------------------

    def _at_estimates(self) -> Values:
        """The parameters inside, with the modes found there."""
        theta, gamma = self._inward(self.theta), np.linalg.inv(self.feterm.to_basis)
        at = Values(
            gamma @ self.estimates.beta, self.estimates.shape, self.estimates.sigma**2, theta
        )
        self._modes(at.theta, at.beta, vary=False, shape=at.shape)
        return at

    def _working(self) -> ModeFinder:
        """The working linear model at the estimates."""
        at = self._at_estimates()
        return self._modes.working(at.theta, at.beta, at.shape)

    def leverage(self) -> pd.Series:
        """Diagonal of the hat matrix of the working model, a pandas Series over the data's rows.

        At the estimates PIRLS' last weighted least-squares problem is a linear mixed model of the
        working response; these are its leverages.
        """
        _ = self.estimates
        with blas_threads(config.get("threads")):
            leverages = self._working().leverages()
            if self._cells:  # a row has a share of its cell's by its weight
                share = self._prior / self._cells.total(self._prior)[self._cells.of_row]
                leverages = share * leverages[self._cells.of_row]
            return self._aligned(leverages, "leverage")

    def _inside_row_variances(self, x, terms) -> np.ndarray:
        """By the working model at the estimates, with the covariance of β̂ that `bse` is of."""
        to_gamma = np.linalg.inv(self.feterm.to_basis)
        cov = to_gamma @ self._cov @ to_gamma.T / self.dispersion
        return self._working().row_variances(terms, x, cov)

    def _conditional_variances(self) -> list[np.ndarray]:
        self._at_estimates()
        return self._modes.conditional_variances()

    _residual_types = GENERALIZED_RESIDUALS


def glmm(
    formula: str,
    data,
    family: str | Family,
    link: str | Link | None = None,
    *,
    fast: bool = False,
    nagq: int = 1,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    amalgamate: bool = True,
    init: str = "glm",
    information: str | None = None,
    shape: float | None = None,
    optimizer: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> GeneralizedLinearMixedModel:
    """Build a `GeneralizedLinearMixedModel` and fit it.

    See `GeneralizedLinearMixedModel` for the parameters of the model and its `fit` for those of
    the fit.
    """
    with blas_threads(config.get("threads")):  # once for all steps
        model = GeneralizedLinearMixedModel(
            formula,
            data,
            family,
            link,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            init=init,
            information=information,
            shape=shape,
            optimizer=optimizer,
        )
        return model.fit(fast=fast, nagq=nagq, progress=progress, verbose=verbose)


def _shown(term) -> str:
    """A term as formulas have it, in short: ``(1 + x | g)``."""
    names = ["1" if name == "Intercept" else name for name in term.cnames]
    names = [*names[:2], "...", names[-1]] if term.p > 4 else names
    return f"({' + '.join(names)} | {term.group})"


def _checked_shape(shape, family: Family) -> float | None:
    if shape is None:
        return None
    if not family.has_shape:
        raise OptionError(
            "shape belongs to the negative binomial and other families that have one, not to "
            f"{family}"
        )
    if isinstance(shape, bool) or not isinstance(shape, Real) or not shape > 0:
        raise OptionError(f"shape must be a positive number, not {shape!r}")
    return float(shape)
