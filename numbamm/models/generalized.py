"""`GeneralizedLinearMixedModel`: y | b of mean g⁻¹(Xβ + Zb), b = Λ(θ)u, u ~ N(0, I)."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np

from numbamm import config
from numbamm.blocks.jit import announce_compilation
from numbamm.blocks.threads import blas_threads
from numbamm.errors import (
    DataError,
    FitError,
    NumbammWarning,
    OptionError,
    OverdispersionWarning,
    did_you_mean,
)
from numbamm.formula import check_gaussian, check_generalized, model_frame
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.mode import ModeFinder
from numbamm.glm.pirls import EXPECTED, OBSERVED, pirls
from numbamm.glm.separation import find_separation, is_extreme
from numbamm.glm.start import moment_shape, without_effects
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import Estimates, MixedModel, caller_namespace, check_order
from numbamm.models.varcorr import VarCorr
from numbamm.optimize import OptSummary
from numbamm.optimize.differences import hessian

INFORMATION = {"expected": EXPECTED, "observed": OBSERVED}
INITS = ("glm", "lmm")

#: The full fit's first step in a coefficient, in standard errors, and in θ, as a share of it.
BETA_STEP, THETA_STEP, LEAST_STEP = 0.5, 0.2, 0.05
#: The scale on which log shape and log φ are looked at, and their first step in the full fit.
LOG_SCALE, LOG_STEP = 0.3, 0.1
#: Differences for standard errors, in standard errors and as a share of θ.
HESSIAN_STEP = 0.02
#: Pearson's statistic over its degrees of freedom from which counts are called overdispersed.
OVERDISPERSED = 1.5
#: The negative binomial's shape stays between these: beyond, it is a Poisson distribution.
SHAPE_RANGE = 1e-6, 1e8
#: θ at which a fit begins is at least this on the diagonals, whatever `init` finds.
LEAST_START = 0.05


class GeneralizedLinearMixedModel(MixedModel):
    """A generalized linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        ``"r2 ~ Anger + (1 | id) + (1 | item)"``; for binomial counts
        ``"cbind(successes, failures) ~ ..."``, or a proportion with `weights`.
    data : pandas, polars or pyarrow frame, or dict of arrays
    family : str
        ``"bernoulli"``, ``"binomial"``, ``"poisson"``, ``"negativebinomial"``, ``"gamma"``,
        ``"inversegaussian"`` or ``"gaussian"``.
    link : str, optional
        The family's usual link, if not given: see `numbamm.glm.link.NAMES`.
    weights : str or array, optional
        Numbers of trials for a binomial proportion; prior weights otherwise.
    offset, contrasts, amalgamate
        As for `LinearMixedModel`.
    init : {"glm", "lmm"}
        Where a fit begins: β of the model without random effects and θ = 1, or both from a
        linear mixed model of that model's working response.
    information : {"expected", "observed"}, optional
        Which information about η enters the determinant of the Laplace approximation; they
        agree for canonical links. If not given, the observed one, as in the approximation's
        definition, for families with a dispersion; else the expected one, as in lme4.
    shape : float, optional
        Shape of the negative binomial, Var(y) = μ + μ²/shape; estimated, if not given.
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
    binomial's shape, and θ. An unknown shape is a parameter of the fast fit, too.
    """

    def __init__(
        self,
        formula: str,
        data,
        family: str,
        link: str | None = None,
        *,
        weights=None,
        offset=None,
        contrasts=None,
        amalgamate: bool = True,
        init: str = "glm",
        information: str | None = None,
        shape: float | None = None,
        optimizer: str | None = None,
    ) -> None:
        self.family = _known("family", family, families.NAMES)
        code = families.NAMES[self.family]
        default = _name_of(families.DEFAULT_LINK[code])
        self.link = default if link is None else _known("link", link, links.NAMES)
        usual = "observed" if code in families.DISPERSED else "expected"
        self.information = _known("information", information or usual, INFORMATION)
        self.init = _known("init", init, INITS)
        self._given_shape = _checked_shape(shape, code)
        frame = model_frame(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            context=caller_namespace(),
            two_level_response=code == families.BINOMIAL,
        )
        if frame.trials is not None:
            frame.weights = frame.trials * (1.0 if frame.weights is None else frame.weights)
        check_generalized(frame, self.family)
        if code == families.GAUSSIAN:
            check_gaussian(frame)
        announce_compilation(pirls)
        n = len(frame.y)
        self._prior = np.ones(n) if frame.weights is None else frame.weights
        with blas_threads(config.get("threads")):
            self._likelihood = Likelihood(code, frame.y, self._prior)
            super().__init__(frame, self._likelihood.working_root(links.NAMES[self.link]))
            self._basis = self.feterm.basis / np.sqrt(self._prior)[:, None]
            canonical = self.link == default and code != families.NEGATIVE_BINOMIAL
            self._modes = ModeFinder(
                self._inside,
                self._basis,
                frame.y,
                self._prior,
                np.zeros(n) if frame.offset is None else frame.offset,
                code,
                links.NAMES[self.link],
                INFORMATION[self.information],
                canonical=canonical,
                scale=self._likelihood.scale,
            )
            check_order(self._modes.order, self.reterms)
            self._theta0 = self.theta
            self._begin()
        self._warned = False
        self.optsum = OptSummary(*self._parameters(fast=True))
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    @property
    def _title(self) -> str:
        how = "Laplace approximation" + (", fast" if self._fast else "")
        if self.optsum.nagq > 1:
            how = f"adaptive Gauss–Hermite quadrature, {self.optsum.nagq} nodes"
        success = self.frame.success_level
        of = f" of {self.frame.response} = {success}" if success is not None else ""
        family = self.family if self.shape is None else f"{self.family}({self.shape:.5g})"
        return (
            f"Generalized linear mixed model fit by maximum likelihood ({how})\n"
            f" Family: {family}{of}, link: {self.link}"
        )

    @property
    def _fast(self) -> bool:
        return len(self.optsum.initial) != len(self._parameters(fast=False)[0])

    @property
    def _family_code(self) -> int:
        return self._likelihood.family

    @property
    def _free_shape(self) -> bool:
        """Whether the negative binomial's shape is estimated."""
        return self.family == "negativebinomial" and self._given_shape is None

    def _mean(self, eta) -> np.ndarray:
        return links.mean(links.NAMES[self.link], np.asarray(eta, dtype=np.float64))

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
        """Shape of the negative binomial, Var(y) = μ + μ²/shape; None for other families."""
        if self.family != "negativebinomial":
            return None
        if self._given_shape is not None:
            return self._given_shape
        _ = self.estimates
        return self._values(self.optsum.final, self._fast)[1]

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: rank of X, θ, and dispersion or shape."""
        return super().n_parameters + self._free_shape

    # ---- parameters -------------------------------------------------------------------------

    def _nuisance(self, fast: bool) -> list[str]:
        """What is searched for besides β and θ."""
        if self._free_shape:
            return ["log(shape)"]
        return ["log(dispersion)"] if self._likelihood.dispersed and not fast else []

    def _parameters(self, fast: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Initial values, lower bounds and names of the parameters, for an `OptSummary`."""
        nuisance = self._nuisance(fast)
        names = nuisance + self.theta_names
        initial = np.concatenate([np.full(len(nuisance), np.log(self._start_shape)), self._start])
        if not fast:
            names = [self.feterm.cnames[j] for j in self.feterm.kept] + names
            initial = np.concatenate([self.feterm.to_basis @ self._glm_start, initial])
        free = np.full(len(names) - len(self._start), -np.inf)
        return initial, np.concatenate([free, self._lowerbd]), names

    @property
    def _known_parameters(self) -> list[list[str]]:
        return [self._parameters(fast)[2] for fast in (True, False)]

    def _values(self, x, fast: bool) -> tuple[np.ndarray, float, float | None, np.ndarray]:
        """Coefficients (none in the fast fit), shape, φ (None: the best one), and θ."""
        rank = 0 if fast else self.feterm.rank
        theta = x[len(x) - len(self._start) :]
        shape, phi = self._given_shape or 0.0, None if self._likelihood.dispersed else 1.0
        if self._free_shape:
            shape = float(np.clip(np.exp(np.clip(x[rank], -99, 99)), *SHAPE_RANGE))
        elif self._nuisance(fast):
            phi = float(np.exp(np.clip(x[rank], -700, 700)))
        return x[:rank], shape, phi, theta

    def _coordinates(self):
        if self._fast:
            return super()._coordinates()
        rank, ntheta, to_beta = self.feterm.rank, len(self.theta), self.feterm.to_basis
        to_gamma = np.linalg.inv(to_beta)

        def inward(x):
            return np.concatenate([to_gamma @ x[:rank], x[rank:-ntheta], self._inward(x[-ntheta:])])

        def outward(x):
            return np.concatenate([to_beta @ x[:rank], x[rank:-ntheta], self._outward(x[-ntheta:])])

        return inward, outward

    # ---- where a fit begins -----------------------------------------------------------------

    def _begin(self) -> None:
        """β, the shape and θ at which a fit begins."""
        ntheta, modes = len(self._theta0), self._modes
        self._start = self._theta0
        self._start_shape = moment_shape(modes, ntheta) if self._free_shape else 1.0
        gamma = without_effects(modes, ntheta, self._given_shape or self._start_shape)
        self._check_separation(gamma)
        self._glm_start = gamma
        if self.init == "lmm":
            self._begin_by_lmm()

    def _check_separation(self, gamma) -> None:
        """Refuse responses that the fixed effects separate; warn where they do so in part."""
        code, frame, modes = self._likelihood.family, self.frame, self._modes
        eta = modes.offset + self._basis @ gamma if gamma is not None else None
        if gamma is not None and not is_extreme(code, self._mean(eta)):
            return
        kept = self.feterm.kept
        separation = find_separation(code, frame.X[:, kept], frame.y)
        if separation is not None:
            columns = [self.feterm.cnames[kept[c]] for c in separation.columns]
            named = ", ".join(c for c in columns if c != "Intercept") or columns[0]
            if separation.complete:
                raise DataError(
                    f"the fixed effects separate the responses completely, so that their "
                    f"coefficients have no finite estimates: {named}"
                )
            warnings.warn(
                "the fixed effects separate some of the responses from the others: coefficients "
                f"of {named} grow without limit, and their standard errors mean nothing",
                NumbammWarning,
                stacklevel=5,
            )
        if gamma is None:
            raise DataError(
                f"the {self.family} model without random effects has no estimates to start from: "
                f"the link {self.link} may not suit the response"
            )

    def _begin_by_lmm(self) -> None:
        """β and θ by a linear mixed model of the working response, with σ² = 1 where φ is."""
        modes, y, w = self._modes, self.frame.y, self._prior
        code, link = (int(c) for c in modes.model[:2])
        shape = self._given_shape or self._start_shape
        eta = modes.offset + self._basis @ self._glm_start
        slope = links.slope(link, eta)
        mu = self._mean(eta)
        working = replace(
            self.frame,
            y=eta + (y - mu) / slope,
            weights=w * slope**2 / families.variance(code, shape, mu),
        )
        sigma = None if self._likelihood.dispersed else 1.0
        lmm = LinearMixedModel.of_frame(working, sigma=sigma).fit(progress=False)
        floor = np.where(self._lowerbd == 0, LEAST_START, -np.inf)
        self._start = np.maximum(lmm.theta, floor)
        self._glm_start = np.linalg.solve(self.feterm.to_basis, lmm.estimates.beta)

    # ---- the objective ----------------------------------------------------------------------

    def _fast_objective(self, modes: ModeFinder):
        """The objective of the θ inside (and log shape), β being varied by PIRLS."""
        gamma, known = self._glm_start.copy(), False

        def objective(x) -> float:
            nonlocal known
            start = gamma.copy()
            _, shape, _, theta = self._values(x, fast=True)
            value = self._likelihood.laplace(modes(theta, start, vary=True, shape=shape), shape)
            if np.isfinite(value):
                gamma[:] = start
            elif not known:
                raise FitError(
                    f"PIRLS found no mode at theta = {self._outward(theta)}, where the search "
                    "would begin; another link, init or optsum.initial may help"
                )
            known = True
            return value

        return objective

    def _full_objective(self, modes: ModeFinder):
        """The objective of γ, the coefficients of the basis, log φ or shape, and the θ inside."""
        nagq = self.optsum.nagq

        def objective(x) -> float:
            gamma, shape, phi, theta = self._values(x, fast=False)
            mode = modes(theta, gamma, vary=False, shape=shape)
            if nagq == 1 or not mode.found:
                return self._likelihood.laplace(mode, shape, phi)
            return modes.quadrature(nagq, shape, phi) + self._likelihood.constant(shape, phi)

        return objective

    def objective_at(self, x) -> float:
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
            NaN where no mode is found.
        """
        x = np.asarray(x, dtype=np.float64)
        modes, rank, ntheta = copy(self._modes), self.feterm.rank, len(self._start)
        modes.u = np.zeros(modes.q)
        fast, full = self._known_parameters
        if x.shape not in ((len(fast),), (len(full),)):
            raise OptionError(
                f"expected {len(fast)} values ({', '.join(fast)}) or {len(full)} "
                f"({', '.join(full)}), not {x.shape}"
            )
        inside = np.concatenate([x[:-ntheta], self._inward(x[-ntheta:])])
        with blas_threads(config.get("threads")):
            if len(x) == len(full):
                inside[:rank] = np.linalg.solve(self.feterm.to_basis, x[:rank])
                return self._full_objective(modes)(inside)
            try:
                return self._fast_objective(modes)(inside)
            except FitError:
                return np.nan

    def _twin(self) -> GeneralizedLinearMixedModel:
        twin = super()._twin()
        twin._modes, twin.frame = copy(self._modes), copy(self.frame)
        return twin

    def pirls(self, theta=None, *, vary_beta: bool = True, verbose: bool = False) -> float:
        """Find the conditional mode at θ, from the start of a fit; the model is left as it is.

        Parameters
        ----------
        theta : array-like, shape (number of θ,), optional
            The current θ, if not given.
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
        shape = self.shape if self.is_fitted else self._given_shape or self._start_shape
        modes, gamma, trace = copy(self._modes), self._glm_start.copy(), np.full((200, 2), np.nan)
        modes.u = np.zeros(modes.q)
        with blas_threads(config.get("threads")):
            mode = modes(self._inward(theta), gamma, vary=vary_beta, shape=shape, trace=trace)
        if not mode.found:
            raise FitError(f"PIRLS found no mode at theta = {theta}")
        phi = self._likelihood.dispersion(mode)
        if verbose:
            shown = trace[: mode.iterations + 1] @ [1 / phi, 1.0]
            shown += self._likelihood.constant(shape, phi)
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
        nagq: int = 1,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Estimate the parameters.

        Parameters
        ----------
        fast : bool
            Optimise over θ alone, with β at the penalised mode (lme4's nAGQ = 0); else over β
            and θ together, beginning at the fast fit.
        nagq : int
            Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one
            term; 1 is the Laplace approximation.
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
        return self._fit(fast, nagq, optimizer, progress, verbose)

    def refit(
        self,
        y=None,
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
        frame = replace(self.frame, y=self._checked_response(y))
        check_generalized(frame, self.family)
        self.frame, self._modes = frame, copy(self._modes)
        self._likelihood = Likelihood(self._likelihood.family, frame.y, self._prior)
        self._modes.y, self._modes.scale = frame.y, self._likelihood.scale
        self._begin()
        self.optsum = self._of_theta(self.optsum)

    def _fit(self, fast, nagq, optimizer, progress, verbose) -> GeneralizedLinearMixedModel:
        self._check_nagq(fast, nagq)
        before, theta, options = self.optsum, self.theta, dict(vars(self.optsum))
        shown = {
            "progress": config.get("progress") if progress is None else progress,
            "verbose": verbose,
        }
        try:
            if self.is_fitted:
                self.optsum = self._of_theta(self.optsum)
            self.optsum.nagq = nagq
            if verbose:
                self.pirls(self._start, verbose=True)
            if optimizer is not None:
                self.optsum.optimizer = optimizer
            with blas_threads(config.get("threads")):
                self._modes.u = np.zeros(self._modes.q)
                self._minimize(self._fast_objective(self._modes), **shown)
                if not fast:
                    step = self._prepare_full()
                    self._minimize(self._full_objective(self._modes), step, **shown)
                self._estimates = self._estimate(self.optsum.final, float(self.optsum.fmin))
        except BaseException:  # a failed fit loses nothing
            self.optsum = before
            vars(before).update(options)
            self._set_theta(theta)
            raise
        self._warn()
        return self

    def _warn(self) -> None:
        """Warn of what the estimates show about the model, the first time that it is fitted."""
        if self._warned:
            return
        self._warned = True
        ratio = self.pearson_ratio if self._is_counts else 1.0
        if ratio > OVERDISPERSED:
            warnings.warn(
                f"the counts are overdispersed: Pearson's statistic is {ratio:.2f} times its "
                "degrees of freedom, so that standard errors are too small; a negative binomial "
                "family, or a random effect for each row, may serve better",
                OverdispersionWarning,
                stacklevel=4,
            )
        if self._free_shape and self.shape > np.sqrt(SHAPE_RANGE[1]):
            warnings.warn(
                "the negative binomial's shape grows without limit: the counts vary no more than "
                "a Poisson distribution's",
                NumbammWarning,
                stacklevel=4,
            )

    @property
    def _is_counts(self) -> bool:
        """Whether the family says how much the rows vary, and could be wrong about it."""
        if self.family == "binomial":
            return bool((self._prior > 1).any())
        return self.family == "poisson"

    @property
    def pearson_ratio(self) -> float:
        """Pearson's statistic at the conditional means over `df_resid`.

        About one where the family's variance holds; above, counts are overdispersed.
        """
        return float(self.residuals("pearson").pow(2).sum() / self.dispersion / self.df_resid)

    def _check_nagq(self, fast, nagq) -> None:
        if isinstance(nagq, bool) or not isinstance(nagq, Integral) or nagq < 1:
            raise OptionError(f"nagq must be an integer of at least 1, not {nagq!r}")
        if nagq == 1:
            return
        if fast:
            raise OptionError("nagq above 1 belongs to the full fit: fast=True is for nagq=1 alone")
        if len(self.reterms) > 1:
            raise OptionError(
                f"nagq={nagq} needs a model with one random-effects term, scalar or vector-valued; "
                f"this one has {len(self.reterms)}: nagq=1, the Laplace approximation, is possible"
            )

    def _of_theta(self, optsum: OptSummary) -> OptSummary:
        """The same options for the fast fit's parameters, from their start."""
        fast = copy(optsum)
        fast.initial, fast.lowerbd, fast.names = self._parameters(fast=True)
        fast.initial_step, fast.upperbd = None, np.full(len(fast.initial), np.inf)
        return fast

    def _prepare_full(self) -> np.ndarray:
        """An `optsum` for all parameters, begun at the fast fit; first steps inside."""
        x, ntheta = self.optsum.final, len(self._start)
        theta, log_shape = x[-ntheta:], x[:-ntheta]
        inside, gamma = self._inward(theta), self._glm_start.copy()
        shape = self._values(x, fast=True)[1]
        mode = self._modes(inside, gamma, vary=True, shape=shape)
        phi = self._likelihood.dispersion(mode)
        nuisance = [np.log(phi)] if self._likelihood.dispersed else log_shape
        full = copy(self.optsum)
        _, full.lowerbd, full.names = self._parameters(fast=False)
        full.upperbd = np.full(len(full.lowerbd), np.inf)
        full.initial = np.concatenate([self.feterm.to_basis @ gamma, nuisance, theta])
        self.optsum = full
        se = np.sqrt(np.diag(self._gamma_cov(inside, gamma, shape, phi)))
        steps = np.maximum(THETA_STEP * np.abs(inside), LEAST_STEP)
        return np.concatenate([BETA_STEP * se, np.full(len(nuisance), LOG_STEP), steps])

    def _gamma_cov(self, theta_inside, gamma, shape: float, phi: float) -> np.ndarray:
        """Covariance of the coefficients of the basis at known θ, from the factor at the mode.

        By the expected information, of which that factor has no other than positive pivots.
        """
        self._modes(theta_inside, gamma.copy(), vary=False, shape=shape)
        self._working_factor(theta_inside, gamma, shape)
        root = np.linalg.inv(self._modes.x_factor()).T
        return phi * root @ root.T

    def _working_factor(self, theta_inside, gamma, shape: float) -> ModeFinder:
        """The factor of PIRLS' working model at u and γ, both as they are."""
        working = copy(self._modes)
        working.model = np.array([*self._modes.model[:2], EXPECTED])
        working(theta_inside, gamma.copy(), vary=True, shape=shape, tolerance=np.inf)
        return working

    def _hessian_cov(self, gamma_cov) -> np.ndarray:
        """Covariance of γ by the Hessian in all parameters, which counts what is not known of θ.

        `gamma_cov`, which takes θ as known, sets the steps, and stands in where the Hessian is
        not positive definite, as at singular fits.
        """
        rank, ntheta = self.feterm.rank, len(self._start)
        x = self._coordinates()[0](self.optsum.final)
        scale = np.full(len(x), LOG_SCALE)
        scale[:rank] = np.sqrt(np.diag(gamma_cov))
        scale[-ntheta:] = np.maximum(np.abs(x[-ntheta:]), 0.1)
        with blas_threads(config.get("threads")):
            objective = self._full_objective(copy(self._modes))
            curvature = hessian(objective, x, HESSIAN_STEP * scale) / 2
        try:
            np.linalg.cholesky(curvature)
        except np.linalg.LinAlgError:
            return gamma_cov
        return np.linalg.inv(curvature)[:rank, :rank]

    def _covariance(self, gamma_cov) -> np.ndarray:
        """Covariance of the kept coefficients."""
        to_beta = self.feterm.to_basis
        return to_beta @ (gamma_cov if self._fast else self._hessian_cov(gamma_cov)) @ to_beta.T

    def _estimate(self, x, objective: float) -> Estimates:
        """Everything that follows from the final parameters."""
        beta, shape, phi, theta = self._values(x, self._fast)
        self._set_theta(theta)
        inside = self._inward(theta)
        if self._fast:
            gamma = self._glm_start.copy()
            mode = self._modes(inside, gamma, vary=True, shape=shape)
            phi = self._likelihood.dispersion(mode)
        else:
            gamma = np.linalg.solve(self.feterm.to_basis, beta)
        gamma_cov = self._gamma_cov(inside, gamma, shape, phi)
        u, b = self._effects()
        eta = self._basis @ gamma + self._modes.offset
        for term, effects in zip(self.reterms, b, strict=True):
            eta = eta + np.einsum("pn,np->n", term.z, effects[term.refs])
        return Estimates(
            beta=self.feterm.to_basis @ gamma,
            covariance=partial(self._covariance, gamma_cov),
            sigma=float(np.sqrt(phi)),
            u=u,
            b=b,
            eta=eta,
            fitted=self._mean(eta),
            objective=objective,
            reml=False,
            sigma_given=not self._likelihood.dispersed,
        )

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

    def _at_estimates(self) -> tuple[np.ndarray, np.ndarray, float]:
        """θ and γ inside, and the shape, with the modes found there."""
        inside = self._inward(self.theta)
        gamma = np.linalg.solve(self.feterm.to_basis, self.estimates.beta)
        shape = self.shape or 0.0
        self._modes(inside, gamma, vary=False, shape=shape)
        return inside, gamma, shape

    def leverage(self):
        """Diagonal of the hat matrix of the working model, a pandas Series over the data's rows.

        At the estimates PIRLS' last weighted least-squares problem is a linear mixed model of the
        working response; these are its leverages.
        """
        _ = self.estimates
        with blas_threads(config.get("threads")):
            working = self._working_factor(*self._at_estimates())
            return self._aligned(working.leverages(), "leverage")

    def _conditional_variances(self) -> list[np.ndarray]:
        self._at_estimates()
        return self._modes.conditional_variances()

    def _pearson_residuals(self) -> np.ndarray:
        mu = self.estimates.fitted
        V = families.variance(self._likelihood.family, self.shape, mu)
        return (self.frame.y - mu) * np.sqrt(self._prior / V)

    def _deviance_residuals(self) -> np.ndarray:
        y, mu = self.frame.y, self.estimates.fitted
        d = families.unit_deviance(self._likelihood.family, self.shape, y, mu)
        return np.sign(y - mu) * np.sqrt(self._prior * np.maximum(d, 0.0))

    def _working_residuals(self) -> np.ndarray:
        slope = links.slope(links.NAMES[self.link], self.estimates.eta)
        return (self.frame.y - self.estimates.fitted) / slope

    _residual_types = {
        "response": MixedModel._response_residuals,
        "pearson": _pearson_residuals,
        "deviance": _deviance_residuals,
        "working": _working_residuals,
    }


def glmm(
    formula: str,
    data,
    family: str,
    link: str | None = None,
    *,
    fast: bool = False,
    nagq: int = 1,
    weights=None,
    offset=None,
    contrasts=None,
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


def _known(what: str, name, known) -> str:
    """The name as we spell it, or an error that lists those there are."""
    spelling = _bare(name)
    for ours in known:
        if _bare(ours) == spelling:
            return ours
    raise OptionError(
        f"unknown {what} {name!r}{did_you_mean(spelling, known)}; there are {', '.join(known)}"
    )


def _bare(name) -> str:
    """Letters in lower case: NegativeBinomial and negative_binomial are one name."""
    return "".join(c for c in str(name).lower() if c.isalnum())


def _checked_shape(shape, family: int) -> float | None:
    if shape is None:
        return None
    if family != families.NEGATIVE_BINOMIAL:
        raise OptionError("shape belongs to the negative binomial family alone")
    if isinstance(shape, bool) or not isinstance(shape, Real) or not 0 < shape < np.inf:
        raise OptionError(f"shape must be a positive number, not {shape!r}")
    return float(shape)


def _name_of(link: int) -> str:
    return next(name for name, code in links.NAMES.items() if code == link)
