"""`LinearMixedModel`: y | b ~ N(Xβ + Zb, σ²W⁻¹), b = Λ(θ)u, u ~ N(0, σ²I).

Most of its lines say what the public methods take and give; the objective stands in
`spaces.linear_space`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm import config
from numbamm import formula as formulas
from numbamm.blocks.blocks import Blocks
from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.moments import moment_theta
from numbamm.blocks.search import differences, newton
from numbamm.blocks.solve import solve
from numbamm.blocks.threads import blas_threads
from numbamm.design.femat import FeMat
from numbamm.design.magnitude import sums_of_squares
from numbamm.errors import DataError, FitError, OptionError
from numbamm.formula.checks import check_gaussian
from numbamm.glm.families import gaussian
from numbamm.glm.links import identity
from numbamm.models.default_start import DefaultStart
from numbamm.models.estimates import Estimates
from numbamm.models.light_starts import TINY, LightStarts
from numbamm.models.mixedmodel import MixedModel, caller_namespace
from numbamm.models.new_response import checked_response
from numbamm.models.residual import check_residual_variance, is_unbounded
from numbamm.models.rollback import all_or_nothing
from numbamm.models.spaces.coordinates import Coordinates
from numbamm.models.spaces.linear_space import Criterion, LinearSpace
from numbamm.models.spaces.scaled import ScaledTerms, root_mean_squares
from numbamm.models.without_rows import linear_without
from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.auto import AUTO, FEW, LIGHT
from numbamm.optimize.differences import jacobian
from numbamm.optimize.run import gradient_demand
from numbamm.options import flag, numbers

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.blocks.layout import Layout

#: Valleys are looked for in so many scales, and, with more parameters than a search by differences
#: takes, where an evaluation has so few operations: some microseconds.
MOST_SCALES, LIGHTER = 8, 1e4


@dataclass
class _Response:
    """The response as it enters A: less what X explains of it, and scaled.

    With basis = X to_basis, y = offset + mean + basis @ gamma0 + scale * values / √w.
    """

    values: np.ndarray
    scale: float
    mean: float
    gamma0: np.ndarray

    @classmethod
    def centred(cls, y, offset, fe: FeMat, sqrtw) -> _Response:
        y = y if offset is None else y - offset
        weights = np.ones(len(y)) if sqrtw is None else sqrtw**2
        mean = 0.0
        if fe.constant is not None:
            mean = weights @ y / weights.sum()
            mean += weights @ (y - mean) / weights.sum()
        size = np.sqrt(sums_of_squares(y[:, None], lambda _: "the response", weights)[0] / len(y))
        values = (y - mean) * np.sqrt(weights)
        gamma0 = fe.basis.T @ values / len(y)
        rest = values - fe.basis @ gamma0
        scale = float(np.sqrt(rest @ rest / len(y)))
        if not scale > 1e-13 * size:
            raise DataError(
                "the fixed effects explain the response exactly: nothing is left to model"
            )
        return cls(rest / scale, scale, float(mean), gamma0)


class LinearMixedModel(MixedModel):
    """A linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        For example ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in used columns are dropped and counted.
    reml : bool
        Minimise the restricted criterion by default.
    weights : str or array, optional
        Case weights w: the residual variance of row i is σ²/w_i. Rows of weight zero are
        dropped and counted. With unknown σ and a random effect for each row, only weights that
        vary tell the two variances apart; constant ones are refused.
    offset : str or array, optional
        Added to the linear predictor with coefficient one.
    contrasts : dict, optional
        Coding of categorical columns, ``{"f": "sum"}``.
    sigma : float, optional
        The residual standard deviation, if it is known. With it and ``weights`` the inverse
        of each row's variance, a random effect for each row is the model of meta-analysis.
    amalgamate : bool
        Join terms that share a grouping factor into one with a block-diagonal λ.
    optimizer : str, optional
        Name of the optimiser, as in ``optsum.optimizer``.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work; the message names the column, term or option.

    Notes
    -----
    θ is estimated by minimising the profiled deviance or REML criterion, whose value at a θ
    takes one blocked Cholesky factorisation (Bates, Mächler, Bolker & Walker, 2015, J. Stat.
    Softw. 67(1)). The search begins at λ = I, in columns of ordinary size; if the optimiser uses
    gradients, where moments put θ; by default, where evaluations are light, in every valley that
    `optimize.valleys` finds. ``optsum.initial``, once set, is where it begins.

    A residual standard deviation some 1e-5 times that of the response, or less, drowns in rounding
    errors: the fit warns, or is refused by a `FitError`. It warns, too, where there are nearly as
    many random effects as rows and the likelihood is highest without residuals.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> round(m.fit().objective, 5)
    327.32706
    """

    family, link = "gaussian", "identity"
    is_linear, default_ddf = True, "satterthwaite"
    family_record, link_record = gaussian.FAMILY, identity.LINK

    def __init__(
        self,
        formula: str,
        data,
        *,
        reml: bool = False,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        contrasts: Mapping[str, Any] | None = None,
        sigma: float | None = None,
        amalgamate: bool = True,
        optimizer: str | None = None,
    ) -> None:
        if sigma is not None and not _is_positive(sigma):
            raise OptionError(f"sigma must be a positive number, not {sigma!r}")
        by_newton = optimizer == "newton"
        search = (newton.begin, newton.advance) if by_newton else (differences.objective,)
        compile_ahead(crossprod, solve, *search)
        frame = formulas.model_frame(
            formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            context=caller_namespace(),
        )
        check_gaussian(frame, sigma_known=sigma is not None)
        self._build(frame, reml, sigma)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    @property
    def layout(self) -> Layout:
        """How A and L are held; see `blocks.layout`."""
        return self.blocks.layout

    @classmethod
    def of_frame(cls, frame, *, reml: bool = False, sigma: float | None = None) -> LinearMixedModel:
        """A model of a frame that exists already."""
        model = cls.__new__(cls)
        model._build(frame, reml, sigma)
        return model

    def of_other_frame(self, frame) -> LinearMixedModel:
        check_gaussian(frame, sigma_known=self.criterion["sigma"] is not None)
        return LinearMixedModel.of_frame(frame, **self.criterion)

    def without_rows(self, rows) -> LinearMixedModel:
        return linear_without(self, rows)

    def working_model(self) -> LinearMixedModel:
        """The linear model in which random effects are estimated: a copy."""
        return self.twin()

    @property
    def residual_variance(self) -> float:
        """σ², which the response has besides that of the random effects."""
        return self.sigma**2

    def _build(self, frame, reml: bool, sigma: float | None) -> None:
        self._sum_log_w = 0.0 if frame.weights is None else float(np.log(frame.weights).sum())
        with blas_threads():
            MixedModel.__init__(self, frame)
            feterm = self.feterm
            self.scaled_response = _Response.centred(
                frame.y, frame.offset, feterm, self.sqrt_weights
            )
            xy = np.column_stack([feterm.basis, self.scaled_response.values])
            self.blocks = Blocks(self.scaled.terms, xy, self.sqrt_weights)
        feterm.basis = self.blocks.xy[:, :-1]  # one copy is enough
        self.optsum = OptSummary(
            self.theta,
            self.scaled.structure.lowerbd,
            self.theta_names,
            reml=flag("reml", reml),
            sigma=sigma,
        )
        self._usual_start = self.theta.copy()
        self._default_start = DefaultStart.put(self.optsum, self._usual_start)

    def in_columns(self, scalings) -> LinearMixedModel:
        """This model, fitted as it is, in other scaled columns."""
        twin = self.twin()
        twin.scaled = ScaledTerms(twin.reterms, self.scaled.root, scalings)
        twin.blocks = Blocks(twin.scaled.terms, self.blocks.xy, self.sqrt_weights)
        return twin

    @property
    def title(self) -> str:
        return "Linear mixed model fit by " + (
            "REML" if self.estimates.reml else "maximum likelihood"
        )

    # ---- the objective ----------------------------------------------------------------------

    @property
    def degrees(self) -> float:
        """d: nobs under ML, nobs less the rank of X under REML."""
        return self.nobs - (self.feterm.rank if self.optsum.reml else 0)

    def _criterion(self) -> Criterion:
        reml, scale = self.optsum.reml, self.scaled_response.scale
        degrees = np.array([self.degrees, float(reml)])
        constant = 2 * self.degrees * np.log(scale) - self._sum_log_w
        if reml:
            constant -= 2 * self.feterm.logdet_to_basis
        return Criterion(degrees, constant, (self.optsum.sigma or 0.0) / scale)

    @property
    def space(self) -> LinearSpace:
        """The search space: the criterion of `optsum` as a function of the scaled θ."""
        return LinearSpace(self.scaled, self.blocks, self._criterion())

    def _search_space(self) -> LinearSpace:
        """The space of a fit, in which the search begins where the user has said, or by default.

        Where evaluations are light, the default search has starts in several valleys. Other
        searches by gradients begin where moments put θ.
        """
        optsum, start = self.optsum, self._usual_start
        work, ntheta, is_free = self.layout.operations, len(start), self.scaled.structure.is_free
        by_differences = optsum.optimizer == AUTO and is_free and ntheta <= FEW and work <= LIGHT
        space = LinearSpace(
            self.scaled,
            self.blocks,
            self._criterion(),
            (optsum.ftol_abs, optsum.ftol_rel),
            self._search_coordinates if by_differences else None,
        )
        if not self._default_start.is_in(optsum):
            return space
        if self._bounds_are_usual():
            scales = sum(term.p for term in self.reterms)
            light = work <= (LIGHT if ntheta <= FEW else LIGHTER) and is_free
            if optsum.optimizer == AUTO and light and scales <= MOST_SCALES:
                # where the likelihood is unbounded, a lower end is no better an estimate
                thorough = self.nobs <= TINY and not is_unbounded(self)
                space.starts = LightStarts(self._search_coordinates, thorough)
            elif self._takes_gradients(ntheta, work):
                theta = moment_theta(
                    self.scaled.terms, self.layout, self.blocks.A, space.criterion.sigma
                )
                start = start if theta is None else self.scaled.to_user(theta)
        self._default_start = DefaultStart.put(optsum, start)
        return space

    def _takes_gradients(self, ntheta: int, work: float) -> bool:
        return gradient_demand(self.optsum, ntheta, has_gradient=True, work=work) != "none"

    @cached_property
    def _search_coordinates(self) -> Coordinates:
        """Coordinates of the scaled θ; the response does not touch them."""
        return Coordinates(self.scaled.terms, self.layout, self.blocks.A, self.nobs)

    def _checked(self, theta) -> np.ndarray:
        """θ as the user gave it, of the right length."""
        theta = numbers("theta", theta)
        if theta.shape != self.theta.shape:
            raise OptionError(
                f"theta has shape {theta.shape}, but this model has {len(self.theta)} parameters: "
                f"{', '.join(self.theta_names)}"
            )
        return theta

    def objective_at(self, theta: ArrayLike) -> float:
        """-2 log-likelihood (or REML criterion) at a given θ; the model is left as it is.

        Parameters
        ----------
        theta : array-like, shape (number of θ,)

        Returns
        -------
        float
            NaN or infinite where the factorisation fails.
        """
        theta = self._checked(theta)
        with blas_threads():
            return self.space.objective(self.scaled.to_scaled(theta))

    def objective_gradient(self, theta: ArrayLike) -> tuple[float, np.ndarray]:
        """The objective and its exact gradient at a given θ; the model is left as it is.

        Parameters
        ----------
        theta : array-like, shape (number of θ,)

        Returns
        -------
        objective : float
            As `objective_at`.
        gradient : ndarray, shape (number of θ,)
            Its derivative in each θ; NaN where the factorisation fails.

        Notes
        -----
        Reverse differentiation of the blocked Cholesky factor, at about three times the price
        of the objective alone (Murray, 2016, arXiv 1602.07527).
        """
        theta = self._checked(theta)
        with blas_threads():
            value, gradient = self.space.gradient(self.scaled.to_scaled(theta))
        if not self.scaled.is_changed or not np.isfinite(value):
            return value, gradient
        structure, blocks = self.scaled.structure, self.blocks.gradient_blocks()
        of_terms = zip(
            self.scalings, blocks, structure.split(theta), structure.split(gradient), strict=True
        )
        parts = [s.gradient(mine, G) if s else slopes for s, G, mine, slopes in of_terms]
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
        """
        if theta is None:
            _ = self.estimates  # there is a θ of interest only after a fit
            theta = self.theta
        step = 1e-4 / self._column_sizes()
        return jacobian(lambda x: self.objective_gradient(x)[1], self._checked(theta), step)

    def _column_sizes(self) -> np.ndarray:
        """For each θ, the root mean square of the column of Z that its row of λ stands for."""
        sizes = [root_mean_squares(term, self.scaled.root) for term in self.reterms]
        return self.scaled.structure.column_sizes(sizes)

    # ---- fitting ----------------------------------------------------------------------------

    def fit(
        self,
        *,
        reml: bool | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> LinearMixedModel:
        """Estimate the parameters.

        Parameters
        ----------
        reml : bool, optional
            Minimise the REML criterion instead of -2 log-likelihood; as built, if not given.
        optimizer : str, optional
            Name of the optimiser; ``optsum.optimizer``, if not given.
        progress : bool, optional
            Show progress of long fits; on a terminal by default.
        verbose : bool
            Print each evaluation of the objective.

        Returns
        -------
        LinearMixedModel
            The model itself.

        Raises
        ------
        FitError
            If the model is fitted already (use `refit`), or the optimiser fails; the model can
            be used and fitted again.
        """
        if self.is_fitted:
            raise FitError("this model is fitted already; use refit() to fit it again")
        return self._fit(reml, optimizer, progress, verbose)

    def _fit(self, reml=None, optimizer=None, progress=None, verbose=False) -> LinearMixedModel:
        optsum = self.optsum
        with all_or_nothing(self), blas_threads():
            if reml is not None:
                optsum.reml = flag("reml", reml)
            if optimizer is not None:
                optsum.optimizer = optimizer
            optsum.configure()
            progress = config.get("progress") if progress is None else progress
            minimize(self._search_space(), optsum, verbose=verbose, progress=progress)
            estimates = self._estimate(optsum.final, float(optsum.fmin))
            check_residual_variance(self, (estimates.sigma / self.scaled_response.scale) ** 2)
            self._estimates = estimates
        return self

    def refit(
        self,
        y: ArrayLike | None = None,
        *,
        reml: bool | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> LinearMixedModel:
        """Fit again, from the initial θ: with a new response, or with other options.

        Parameters
        ----------
        y : array-like, optional
            The new response, for every row of the data or for the rows used; on the scale of
            the model (after any transformation in the formula). A pandas Series is matched to
            the data by its index.
        reml, optimizer, progress, verbose
            As for `fit`.

        Returns
        -------
        LinearMixedModel
            The model itself.

        Raises
        ------
        DataError
            If the new response does not fit the rows; the model stays as it was.

        Notes
        -----
        A model holds one response and one set of estimates: threads that refit need a model
        each (``copy.deepcopy``, or one built in each thread).
        """
        fit_options = (reml, optimizer, progress, verbose)
        if y is None:
            return self._fit(*fit_options)
        with all_or_nothing(self):
            self._replace_response(y)
            return self._fit(*fit_options)

    def _replace_response(self, y) -> None:
        self.frame = replace(self.frame, y=checked_response(self.frame, y))
        self.scaled_response = _Response.centred(
            self.frame.y, self.frame.offset, self.feterm, self.sqrt_weights
        )
        self.blocks.new_response(self.scaled_response.values)

    def _rolled_back(self) -> None:
        """Let A hold the response again that the model had."""
        if not np.array_equal(self.blocks.xy[:, -1], self.scaled_response.values):
            self.blocks.new_response(self.scaled_response.values)

    # ---- estimates --------------------------------------------------------------------------

    def _estimate(self, theta, objective: float) -> Estimates:
        """Everything that follows from θ: β, σ, u, b and the fitted values."""
        self._set_theta(theta)
        blocks, response, fe = self.blocks, self.scaled_response, self.feterm
        blocks.factorize(self.scaled.to_scaled(theta))
        solution = blocks.solve()
        u, b = self._effects(solution)
        sigma = self.optsum.sigma or response.scale * blocks.residual_norm() / np.sqrt(self.degrees)
        gamma, beta = self._coefficients(solution)
        root = fe.to_basis @ np.linalg.inv(blocks.x_factor()).T
        fixed = fe.basis @ gamma
        fitted = response.mean + (fixed if self.sqrt_weights is None else fixed / self.sqrt_weights)
        if self.frame.offset is not None:
            fitted = fitted + self.frame.offset
        for term, effects in zip(self.reterms, b, strict=True):
            fitted = fitted + np.einsum("pn,np->n", term.z, effects[term.refs])
        return Estimates(
            beta=beta,
            covariance=sigma**2 * root @ root.T,
            sigma=float(sigma),
            u=u,
            b=b,
            eta=fitted,
            fitted=fitted,
            objective=objective,
            reml=self.optsum.reml,
            sigma_given=self.optsum.sigma is not None,
        )

    def _coefficients(self, solution) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the basis and of the kept columns, in the response's units."""
        response, fe = self.scaled_response, self.feterm
        gamma = response.scale * solution.gamma + response.gamma0
        beta = fe.to_basis @ gamma
        if fe.constant is not None:
            at = np.flatnonzero(fe.kept == fe.constant)
            beta[at] += response.mean / fe.x[0, fe.constant]
        return gamma, beta

    def coefficients_at(self, theta) -> np.ndarray:
        """Coefficients of the kept columns at a given θ; the model stays as it is."""
        self.blocks.factorize(self.scaled.to_scaled(theta))
        return self._coefficients(self.blocks.solve())[1]

    def effects_at(self, theta) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """u and b at a given θ, with β estimated there; the model is left at this θ."""
        self._set_theta(theta)
        self.blocks.factorize(self.scaled.to_scaled(theta))
        return self._effects(self.blocks.solve())

    def _effects(self, solution) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """u and b of the user's columns, in the response's units."""
        pairs = [
            scaling.effects(term.theta, u, b) if scaling else (u, b)
            for term, scaling, u, b in zip(
                self.reterms, self.scalings, solution.u, solution.b, strict=True
            )
        ]
        scale = self.scaled_response.scale
        return [scale * u for u, _ in pairs], [scale * b for _, b in pairs]

    def leverage(self) -> pd.Series:
        """Diagonal of the hat matrix, a pandas Series over the rows of the data.

        The derivative of each fitted value by its own response at the estimated θ; their sum
        is the effective number of parameters.
        """
        _ = self.estimates
        with blas_threads():
            self.blocks.factorize(self.scaled.to_scaled(self.theta))
            return self.aligned(self.blocks.leverage(), "leverage")

    def _scaled_row_variances(self, x, terms) -> np.ndarray:
        self.blocks.factorize(self.scaled.to_scaled(self.theta))
        return self.blocks.row_variances(terms, x)

    def _conditional_variances(self) -> list[np.ndarray]:
        self.blocks.factorize(self.scaled.to_scaled(self.theta))
        return self.blocks.conditional_variances()


def _is_positive(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < np.inf


def lmm(
    formula: str,
    data,
    *,
    reml: bool = False,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    sigma: float | None = None,
    amalgamate: bool = True,
    optimizer: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> LinearMixedModel:
    """Build a `LinearMixedModel` and fit it.

    See `LinearMixedModel` for the parameters of the model and `LinearMixedModel.fit` for
    those of the fit.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> round(m.objective, 4)
    1751.9393
    """
    with blas_threads():  # once for both steps
        model = LinearMixedModel(
            formula,
            data,
            reml=reml,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            sigma=sigma,
            amalgamate=amalgamate,
            optimizer=optimizer,
        )
        return model.fit(progress=progress, verbose=verbose)
