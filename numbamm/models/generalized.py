"""`GeneralizedLinearMixedModel`: y | b of mean g⁻¹(Xβ + Zb), b = Λ(θ)u, u ~ N(0, I)."""

from __future__ import annotations

from copy import copy
from functools import partial
from numbers import Integral

import numpy as np

from numbamm import config
from numbamm.blocks.jit import announce_compilation
from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, FitError, OptionError, did_you_mean
from numbamm.formula import model_frame
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.glm.mode import Mode, ModeFinder
from numbamm.glm.pirls import EXPECTED, OBSERVED, pirls
from numbamm.models.mixedmodel import Estimates, MixedModel, caller_namespace, check_order
from numbamm.models.varcorr import VarCorr
from numbamm.optimize import OptSummary
from numbamm.optimize.differences import hessian

#: Families that can be fitted, by the names that users write.
FAMILIES = {
    "bernoulli": families.BINOMIAL,
    "binomial": families.BINOMIAL,
    "poisson": families.POISSON,
}
INFORMATION = {"expected": EXPECTED, "observed": OBSERVED}

#: The full fit's first step in a coefficient, in standard errors, and in θ, as a share of it.
BETA_STEP, THETA_STEP, LEAST_STEP = 0.5, 0.2, 0.05
#: Differences for standard errors, in standard errors and as a share of θ.
HESSIAN_STEP = 0.02


class GeneralizedLinearMixedModel(MixedModel):
    """A generalized linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        ``"r2 ~ Anger + (1 | id) + (1 | item)"``; for binomial counts
        ``"cbind(successes, failures) ~ ..."``, or a proportion with `weights`.
    data : pandas, polars or pyarrow frame, or dict of arrays
    family : {"bernoulli", "binomial", "poisson"}
    link : str, optional
        The family's canonical link, if not given: see `numbamm.glm.link.NAMES`.
    weights : str or array, optional
        Numbers of trials for a binomial proportion; prior weights otherwise.
    offset, contrasts
        As for `LinearMixedModel`.
    information : {"expected", "observed"}
        Which information about η enters the determinant of the Laplace approximation; they
        agree for canonical links. Expected, if not given.
    optimizer : str, optional

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work.

    Notes
    -----
    The objective is the Laplace approximation of -2 log-likelihood, with every constant: at the
    conditional mode of u, -2 log f(y | u) + u'u + log|Λ'Z'WZΛ + I|.
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
        information: str | None = None,
        optimizer: str | None = None,
    ) -> None:
        self.family = _known("family", family, FAMILIES)
        code = FAMILIES[self.family]
        default = _name_of(families.DEFAULT_LINK[code])
        self.link = default if link is None else _known("link", link, links.NAMES)
        self.information = _known("information", information or "expected", INFORMATION)
        frame = model_frame(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            context=caller_namespace(),
            two_level_response=code == families.BINOMIAL,
        )
        if frame.trials is not None:
            frame.weights = frame.trials * (1.0 if frame.weights is None else frame.weights)
        _check_response(frame, self.family)
        announce_compilation(pirls)
        n = len(frame.y)
        self._prior = np.ones(n) if frame.weights is None else frame.weights
        with blas_threads(config.get("threads")):
            super().__init__(frame)
            self._basis = self.feterm.basis / np.sqrt(self._prior)[:, None]
            self._modes = ModeFinder(
                self._inside,
                self._basis,
                frame.y,
                self._prior,
                np.zeros(n) if frame.offset is None else frame.offset,
                code,
                links.NAMES[self.link],
                INFORMATION[self.information],
                canonical=self.link == default,
            )
        check_order(self._modes.order, self.reterms)
        self._constant = families.constant(code, frame.y, self._prior, 0.0, 1.0)
        self._glm_start = self._fit_glm()
        self._start = self.theta
        self.optsum = OptSummary(self._start, self._lowerbd, self.theta_names)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    @property
    def _title(self) -> str:
        how = "Laplace approximation" + (", fast" if self._fast else "")
        if self.optsum.nagq > 1:
            how = f"adaptive Gauss–Hermite quadrature, {self.optsum.nagq} nodes"
        success = self.frame.success_level
        of = f" of {self.frame.response} = {success}" if success is not None else ""
        return (
            f"Generalized linear mixed model fit by maximum likelihood ({how})\n"
            f" Family: {self.family}{of}, link: {self.link}"
        )

    @property
    def _fast(self) -> bool:
        return len(self.optsum.initial) == len(self.theta)

    def _mean(self, eta) -> np.ndarray:
        return links.mean(links.NAMES[self.link], np.asarray(eta, dtype=np.float64))

    @property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects."""
        return VarCorr(self.reterms, 1.0, residual=False)

    def _coordinates(self):
        if self._fast:
            return super()._coordinates()
        rank, to_beta = self.feterm.rank, self.feterm.to_basis
        to_gamma = np.linalg.inv(to_beta)

        def inward(x):
            return np.concatenate([to_gamma @ x[:rank], self._inward(x[rank:])])

        def outward(x):
            return np.concatenate([to_beta @ x[:rank], self._outward(x[rank:])])

        return inward, outward

    # ---- the objective ----------------------------------------------------------------------

    def _fit_glm(self) -> np.ndarray:
        """Coefficients, in the basis, of the model without random effects."""
        glm, basis, w = copy(self._modes), self._basis, self._prior
        glm.u = np.zeros(glm.q)
        y = self.frame.y
        inner = (w * y + 0.5) / (w + 1) if self.family != "poisson" else y + 0.1  # off the bounds
        eta = links.forward(links.NAMES[self.link], inner) - glm.offset
        gamma = np.linalg.lstsq(basis, eta, rcond=None)[0]
        if len(gamma) and not glm(0 * self.theta, gamma, vary=True).found:
            raise DataError(
                f"the {self.family} model without random effects has no estimates to start from: "
                "its fixed effects may separate the responses completely, or the link may not suit"
            )
        return gamma

    def _laplace(self, mode: Mode) -> float:
        if not mode.found:
            return np.nan
        return mode.deviance + mode.penalty + mode.logdet + self._constant

    def _fast_objective(self, modes: ModeFinder):
        """The objective of the θ inside, β being varied by PIRLS."""
        gamma = self._glm_start.copy()

        def objective(theta) -> float:
            start = gamma.copy()
            value = self._laplace(modes(theta, start, vary=True))
            if np.isfinite(value):
                gamma[:] = start
            return value

        return objective

    def _full_objective(self, modes: ModeFinder):
        """The objective of γ, the coefficients of the basis, and the θ inside."""
        rank, nagq = self.feterm.rank, self.optsum.nagq

        def objective(x) -> float:
            mode = modes(x[rank:], x[:rank], vary=False)
            if nagq == 1 or not mode.found:
                return self._laplace(mode)
            return modes.quadrature(nagq) + self._constant

        return objective

    def objective_at(self, x) -> float:
        """-2 log-likelihood at θ, β being at the penalised mode, or at β and θ.

        Parameters
        ----------
        x : array-like, shape (number of θ,) or (rank + number of θ,)

        Returns
        -------
        float
            NaN where no mode is found.
        """
        x, n = np.asarray(x, dtype=np.float64), len(self.theta)
        modes, rank = copy(self._modes), self.feterm.rank
        modes.u = np.zeros(modes.q)
        with blas_threads(config.get("threads")):
            if x.shape == (n,):
                return self._fast_objective(modes)(self._inward(x))
            if x.shape == (rank + n,):
                gamma = np.linalg.solve(self.feterm.to_basis, x[:rank])
                return self._full_objective(modes)(np.concatenate([gamma, self._inward(x[rank:])]))
        raise OptionError(f"expected {n} values of θ, or {rank} of β and {n} of θ, not {x.shape}")

    def _twin(self) -> GeneralizedLinearMixedModel:
        twin = super()._twin()
        twin._modes = copy(self._modes)
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
        modes, gamma, trace = copy(self._modes), self._glm_start.copy(), np.full(200, np.nan)
        modes.u = np.zeros(modes.q)
        with blas_threads(config.get("threads")):
            mode = modes(self._inward(theta), gamma, vary=vary_beta, trace=trace)
        if not mode.found:
            raise FitError(f"PIRLS found no mode at theta = {theta}")
        if verbose:
            print(f"varyβ = {str(vary_beta).lower()}, obj₀ = {trace[0] + self._constant:.6f}")
            print(f"β = {self.feterm.to_basis @ gamma}")
            for i in range(1, mode.iterations + 1):
                print(f"{i:4d}: {trace[i] + self._constant:.6f}")
        return self._laplace(mode)

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
        *,
        fast: bool | None = None,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Fit again, from the initial θ, with other options.

        Parameters
        ----------
        fast : bool, optional
        nagq : int, optional
            As for `fit`; as the model was fitted before, if not given.
        optimizer, progress, verbose
            As for `fit`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model itself.
        """
        fast = self._fast if fast is None else fast
        nagq = (1 if fast else self.optsum.nagq) if nagq is None else nagq
        return self._fit(fast, nagq, optimizer, progress, verbose)

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
        return self

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
        """The same options for the fast fit's parameters, θ alone, from its start."""
        fast = copy(optsum)
        fast.names, fast.lowerbd = self.theta_names, self._lowerbd
        fast.initial, fast.initial_step = self._start, None
        fast.upperbd = np.full(len(fast.initial), np.inf)
        return fast

    def _prepare_full(self) -> np.ndarray:
        """An `optsum` for β and θ, begun at the fast fit; first steps from its standard errors."""
        fast, rank = self.optsum, self.feterm.rank
        full, theta = copy(fast), self._inward(fast.final)
        gamma = self._glm_start.copy()
        self._modes(theta, gamma, vary=True)
        full.names = [self.feterm.cnames[j] for j in self.feterm.kept] + self.theta_names
        full.lowerbd = np.concatenate([np.full(rank, -np.inf), fast.lowerbd])
        full.upperbd = np.full(len(full.lowerbd), np.inf)
        full.initial = np.concatenate([self.feterm.to_basis @ gamma, fast.final])
        self.optsum = full
        se = np.sqrt(np.diag(self._gamma_cov(theta, gamma)))
        steps = np.maximum(THETA_STEP * np.abs(theta), LEAST_STEP)
        return np.concatenate([BETA_STEP * se, steps])

    def _gamma_cov(self, theta_inside, gamma) -> np.ndarray:
        """Covariance of the coefficients of the basis at known θ, from the factor at the mode."""
        self._modes(theta_inside, gamma.copy(), vary=False)
        self._modes(theta_inside, gamma.copy(), vary=True, tolerance=np.inf)
        root = np.linalg.inv(self._modes.x_factor()).T
        return root @ root.T

    def _hessian_cov(self, gamma_cov) -> np.ndarray:
        """Covariance of γ by the Hessian in γ and θ, which counts what is not known of θ.

        `gamma_cov`, which takes θ as known, sets the steps, and stands in where the Hessian is
        not positive definite, as at singular fits.
        """
        rank = self.feterm.rank
        x = self._coordinates()[0](self.optsum.final)
        scale = np.concatenate([np.sqrt(np.diag(gamma_cov)), np.maximum(np.abs(x[rank:]), 0.1)])
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
        """Everything that follows from the final parameters: θ, or β and θ."""
        rank, theta = self.feterm.rank, x[-len(self.theta) :]
        self._set_theta(theta)
        if self._fast:
            gamma = self._glm_start.copy()
            self._modes(self._inward(theta), gamma, vary=True)
        else:
            gamma = np.linalg.solve(self.feterm.to_basis, x[:rank])
        gamma_cov = self._gamma_cov(self._inward(theta), gamma)
        u, b = self._effects()
        eta = self._basis @ gamma + self._modes.offset
        for term, effects in zip(self.reterms, b, strict=True):
            eta = eta + np.einsum("pn,np->n", term.z, effects[term.refs])
        return Estimates(
            beta=self.feterm.to_basis @ gamma,
            covariance=partial(self._covariance, gamma_cov),
            sigma=1.0,
            u=u,
            b=b,
            eta=eta,
            fitted=self._mean(eta),
            objective=objective,
            reml=False,
            sigma_given=True,
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
    information: str | None = None,
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
        information=information,
        optimizer=optimizer,
    )
    return model.fit(fast=fast, nagq=nagq, progress=progress, verbose=verbose)


def _known(what: str, name, known) -> str:
    """The name as we spell it, or an error that lists those there are."""
    spelling = str(name).lower().replace("_", "-").replace(" ", "-")
    if spelling not in known:
        raise OptionError(
            f"unknown {what} {name!r}{did_you_mean(spelling, known)}; there are {', '.join(known)}"
        )
    return spelling


def _name_of(link: int) -> str:
    return next(name for name, code in links.NAMES.items() if code == link)


def _check_response(frame, family: str) -> None:
    """Refuse a response outside the family's support, naming rows."""
    y, response = frame.y, frame.response

    def refuse(wrong, words: str) -> None:
        if wrong.any():
            rows = ", ".join(map(str, frame.rows[wrong][:5]))
            raise DataError(
                f"{family} needs {words}; the response '{response}' is not in rows {rows}"
            )

    if family == "poisson":
        refuse(y < 0, "counts of at least 0")
    else:
        refuse((y < 0) | (y > 1), "values from 0 to 1")
    if family == "bernoulli":
        refuse((y != 0) & (y != 1), "values that are 0 or 1")
    if family == "binomial" and frame.weights is None and ((y != 0) & (y != 1)).any():
        raise DataError(
            "binomial proportions need weights, the number of trials of each row; "
            "or write cbind(successes, failures) on the left"
        )
    if np.ptp(y) == 0:
        raise DataError(f"the response '{response}' is constant ({y[0]:g})")
