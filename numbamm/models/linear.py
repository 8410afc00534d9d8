"""`LinearMixedModel`: y | b ~ N(Xβ + Zb, σ²W⁻¹), b = Λ(θ)u, u ~ N(0, σ²I).

The file is long by docstrings: a public method of a class has no other place for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm import config, sources
from numbamm import formula as formulas
from numbamm.blocks import cholesky
from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search import by_differences, newton
from numbamm.blocks.solve import solve
from numbamm.blocks.tail.choice import build_tail, tail_of_product
from numbamm.blocks.tail.protocol import CrossProduct, Request
from numbamm.blocks.tail.tail_request import tail_request, warn_of_unused
from numbamm.blocks.threads import blas_threads
from numbamm.design.related_levels import variances_by_level
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.formula.caller import caller_namespace
from numbamm.glm.families import gaussian
from numbamm.glm.links import identity
from numbamm.models.centred_response import CentredResponse
from numbamm.models.estimates import Estimates
from numbamm.models.fitting.approximate_fit import note_errors, search
from numbamm.models.fitting.call import Call
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.residual_variance import check_residual_variance
from numbamm.models.fitting.rollback import all_or_nothing
from numbamm.models.linear_estimates import (
    coefficients,
    estimates_at,
    random_effects,
    solution_at,
)
from numbamm.models.linear_objective import LinearObjective
from numbamm.models.mixedmodel import BETWEEN_ROOMS, MixedModel
from numbamm.models.new_response import checked_response
from numbamm.models.residual_side.chosen_side import refuse_stream, refuse_tail, side_of
from numbamm.models.residual_side.fitted_means import settle
from numbamm.models.residual_side.identified import warn_of_undetermined
from numbamm.models.residual_side.refusals import refuse_structure
from numbamm.models.residual_side.texts import Texts
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.models.streams.rowless import with_scalings
from numbamm.models.without_rows import linear_without
from numbamm.optimize import OptSummary
from numbamm.options import flag
from numbamm.relations.arguments import refuse_streamed, relations_of
from numbamm.sources.opening import open_source

if TYPE_CHECKING:
    import pandas as pd


class LinearMixedModel(LinearObjective, MixedModel):
    """A linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        For example ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in used columns are dropped and counted.
        They may stream: from a path to a Parquet file or folder, a pyarrow data set, a polars
        LazyFrame, an iterable of frames or a function that begins one, or a Dask frame.
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
    cov, precision : dict, optional
        Known covariances between the levels of grouping factors, ``cov={"animal": K}``: the
        effects of the levels have covariance K ⊗ σ²λλ'. K is a DataFrame with the levels as its
        index and columns, an array in the order of the data's levels, a pair (matrix, labels), or
        a result of `pedigree` or `phylogeny`; `precision` has its inverse, usually sparse. K may
        have levels that the data lack, and may be singular. Beside `residual` or `dispersion` up
        to 3,000 levels are possible.
    optimizer : str, optional
        Name of the optimiser, as in ``optsum.optimizer``.
    tail : {"auto", "dense", "sparse", "iterative"}, optional
        How the random effects that are not eliminated level by level are held; as configured, if
        not given, which is ``"auto"``: chosen by predicted time and memory. `block_description`
        shows which, and why.
    probes, seed : int, optional
        Number of random probes of an approximate tail, and what they are drawn from; a warning
        says if the tail is exact.
    residual : str, optional
        How residuals of a group are correlated: ``"ar1(time | subject)"``,
        ``"us(visit | subject)"``, ``"us(visit | subject, by=arm)"``,
        ``"exp(east, north | field, nugget=True)"``, ``"homcs(1 | plot)"``, ... With it, or with
        `dispersion`, the formula may have no random effects; the rows are in memory, and the tail
        is the dense one.
    dispersion : str or list of str, optional
        Standard deviations of the residuals: ``"~ x + f"`` for a log-linear model, in which a
        factor has one for each level; ``"power(x)"``, ``"power(x, by=f)"``, ``"exp(x)"``,
        ``"constpower(x)"``, ``"fixed(x)"``, ``"power(fitted)"``. Several of a list multiply, and
        so do those of `residual` and the 1/√w of `weights`. σ is that of a row where ``x`` is 0,
        which therefore should not be far away: centre years and time stamps.

    Attributes
    ----------
    formula : str
        The formula, as it was understood.
    frame : ModelFrame
        Response, fixed-effects columns and terms of the rows that are used.
    feterm : FeMat
        The fixed-effects columns.
    reterms : list of ReMat
        The random-effects terms, by decreasing number of random effects; for reading, since
        estimates do not follow what is written into them.
    family, link : str
        Names of family and link: ``"gaussian"`` and ``"identity"``.
    optsum : OptSummary
        How the model is, or was, optimised.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work; the message names the column, term or option.

    See Also
    --------
    lmm : Builds a model and fits it.
    GeneralizedLinearMixedModel : Other families.

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
    >>> m.formula, m.feterm.cnames, m.reterms[0].group, m.optsum.names
    ('Yield ~ 1 + (1 | Batch)', ['Intercept'], 'Batch', ['Batch.Intercept'])
    """

    _between_rooms = BETWEEN_ROOMS | {"shape", "given_shape", "is_fast"}  # which it lacks

    blocks: Any
    family, link = "gaussian", "identity"
    is_linear, default_ddf = True, "satterthwaite"
    family_record, link_record = gaussian.FAMILY, identity.LINK

    @names_arguments
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
        cov: Mapping[str, Any] | None = None,
        precision: Mapping[str, Any] | None = None,
        optimizer: str | None = None,
        tail: str | None = None,
        probes: int | None = None,
        seed: int | None = None,
        residual: str | None = None,
        dispersion: str | list[str] | None = None,
    ) -> None:
        request = tail_request(tail, probes, seed)
        check_sigma(sigma)
        texts = Texts.of(residual, dispersion)
        refuse_tail(texts, tail)
        by_newton = optimizer == "newton"
        differences = cholesky.objective, by_differences.search
        compile_ahead(crossprod, solve, *((newton.advance,) if by_newton else differences))
        options: dict[str, Any] = {
            "weights": weights,
            "offset": offset,
            "contrasts": contrasts,
            "amalgamate": amalgamate,
        }
        relations = relations_of(cov, precision)
        tail_options = {"tail": tail, "probes": probes, "seed": seed}
        sides = {"residual": residual, "dispersion": dispersion}
        scope = caller_namespace()
        if (source := open_source(data)) is None:
            wanted = {} if texts is None else texts.frame_options
            frame = formulas.model_frame(
                formula, data, **options, **wanted, relations=relations, context=scope
            )
            self._build(frame, reml, sigma, request, side_of(frame, texts, sigma))
        else:
            refuse_streamed(relations)
            refuse_stream(texts)
            streamed = sources.stream_linear(
                formula,
                source,
                **options,
                context=scope,
                tail=request,
                sigma_known=sigma is not None,
            )
            self._build_streamed(streamed, reml, sigma, request)
        known = {"cov": cov, "precision": precision}
        warn_of_unused(self.blocks.choice, self.blocks.is_exact, probes, seed)
        self._call = Call(data, options | known | tail_options | sides)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    @property
    def options(self) -> dict:
        return self.criterion

    @classmethod
    def of_frame(
        cls,
        frame,
        *,
        reml: bool = False,
        sigma: float | None = None,
        tail: Request = Request(),  # noqa: B008  immutable
        texts: Texts | None = None,
    ) -> LinearMixedModel:
        """A model of a frame that exists already."""
        model = cls.__new__(cls)
        side = None if texts is None else side_of(frame, texts, sigma)
        model._build(frame, reml, sigma, tail, side)
        return model

    def of_other_frame(self, frame) -> LinearMixedModel:
        texts = None if self.residual_side is None else self.residual_side.texts
        if texts is None:
            side_of(frame, None, self.criterion["sigma"])  # checks the frame
        tail = self.blocks.request._replace(or_other=True)
        return LinearMixedModel.of_frame(frame, **self.criterion, tail=tail, texts=texts)

    def without_rows(self, rows) -> LinearMixedModel:
        remedy = "fit to a part of the data by update(data=...)"
        refuse_structure(self, "fits without some rows", remedy)
        return linear_without(self, rows)

    def working_model(self) -> LinearMixedModel:
        """The linear model in which random effects are estimated: a copy."""
        return self.twin()

    @property
    def further_options(self) -> tuple[str, ...]:
        side = self.residual_side
        return () if side is None else (f"residuals {side.text}",)

    @property
    def residual_variance(self) -> float:
        """σ², the variance of the response given the random effects; the mean, if rows differ."""
        side = self.residual_side
        return self.sigma**2 * (1.0 if side is None else float(np.mean(side.deviations() ** 2)))

    def _build(self, frame, reml: bool, sigma: float | None, tail: Request, side=None) -> None:
        self._sum_log_w = 0.0 if frame.weights is None else float(np.log(frame.weights).sum())
        with blas_threads():
            MixedModel.__init__(self, frame, in_groups=side is not None)
            feterm = self.feterm
            self.scaled_response = CentredResponse.of(
                frame.y, frame.offset, feterm, self.sqrt_weights
            )
            xy = np.column_stack([feterm.basis, self.scaled_response.values])
            if side is None:
                feterm.basis = xy[:, :-1]  # one copy is enough
                self.blocks = build_tail(self.scaled.terms, xy, self.sqrt_weights, tail)
            else:
                self.residual_side = side
                side.build(self.scaled.terms, xy, self.sqrt_weights, tail)
                self.blocks = side.blocks
        self._put_options(reml, sigma)

    def _build_streamed(self, streamed, reml: bool, sigma: float | None, tail: Request) -> None:
        """Build the model from what has been read of rows that stream."""
        frame, basis = streamed.frame, streamed.basis
        self.frame, self.formula, self.reterms = frame, frame.formula, frame.reterms
        self._sum_log_w, self.sqrt_weights = streamed.sum_log_w, frame.weights
        self.feterm = basis.fe
        self.scaled = ScaledTerms(frame.reterms, self.sqrt_weights, streamed.scalings)
        self._begin()
        self.scaled_response = CentredResponse(frame.y, basis.scale, basis.mean, basis.gamma0)
        product = CrossProduct(streamed.layout, streamed.A, frame.y, frame.covered)
        self.blocks = tail_of_product(self.scaled.terms, product, tail, streamed.choice)
        self._put_options(reml, sigma)

    def _put_options(self, reml: bool, sigma: float | None) -> None:
        side = self.residual_side
        phi, names = (np.zeros(0), []) if side is None else (side.start, side.names)
        self._usual_start = np.concatenate([phi, self.theta])
        lowerbd = np.concatenate([np.full(len(phi), -np.inf), self.scaled.structure.lowerbd])
        names = [*names, *self.theta_names]
        self.optsum = OptSummary(
            self._usual_start, lowerbd, names, reml=flag("reml", reml), sigma=sigma
        )
        self._note_tail()
        self._default_start = DefaultStart.put(self.optsum, self._usual_start)

    def _note_tail(self) -> None:
        choice = self.blocks.choice
        self.optsum.tail_kind, self.optsum.tail_reason = choice.name, choice.why

    def _expect(self, names: list[str]) -> None:
        if self.optsum.probes is not None and not self.blocks.is_exact:
            self.blocks.raise_probes(self.optsum.probes, self.optsum.seed)

    def _kinds(self) -> list[list[str]]:
        return self.blocks.kinds()

    @property
    def _tail_line(self) -> str:
        choice = self.blocks.choice
        return "" if choice.is_obvious else f"\ntail: {choice.name}, {choice.why}"

    def in_columns(self, scalings) -> LinearMixedModel:
        """This model, fitted as it is, in other scaled columns."""
        if self.is_streamed:
            return with_scalings(self, scalings)
        twin = self.twin()
        twin.scaled = ScaledTerms(twin.reterms, self.scaled.root, scalings)
        twin.blocks = (twin.residual_side or self.blocks).in_columns(
            twin.scaled.terms, self.sqrt_weights
        )
        return twin

    def twin(self) -> LinearMixedModel:
        twin = super().twin()
        if self.residual_side is not None:
            twin.residual_side = self.residual_side.copy()
        return twin

    @property
    def _known_parameters(self) -> list[list[str]]:
        own = [] if self.residual_side is None else self.residual_side.names
        return [[*own, *self.theta_names]]

    @property
    def title(self) -> str:
        """The head of the table: what was fitted, and how."""
        kind = "Linear mixed model" if self.reterms else "Linear model with correlated residuals"
        if not self.reterms and self.residual_side.texts.residual is None:
            kind = "Linear model with unequal variances"
        return f"{kind} fit by {'REML' if self.estimates.reml else 'maximum likelihood'}"

    # ---- fitting ----------------------------------------------------------------------------

    @names_arguments
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
        OptionError
            An option, or a field of `optsum`, has an unusable value, or there is no such optimiser.

        See Also
        --------
        LinearMixedModel.refit : Fits again.
        lmm : Builds and fits.
        OptSummary : The options of the search.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleep)
        >>> round(m.fit(reml=True).objective, 4)
        1743.6283
        """
        self._expect_no_fit()
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
            if self.residual_side is not None:
                warn_of_undetermined(self)
            self._search(verbose, progress)
            if self.residual_side is not None and self.residual_side.texts.uses_fitted:
                settle(self, lambda: self._search(verbose, progress))
        return self

    def _search(self, verbose: bool, progress: bool | None) -> None:
        """Search, and take the estimates."""
        optsum = self.optsum
        search(self, verbose, progress)
        try:
            estimates = self._estimate(optsum.final, float(optsum.fmin))
        except FloatingPointError:  # next to none is left of y'y, and rounding decides
            check_residual_variance(self, 0.0)
            raise
        size, side = estimates.sigma / self.scaled_response.scale, self.residual_side
        if side is not None:  # of a typical row
            size *= np.exp(side.shift(side.phi))
        check_residual_variance(self, size**2)
        self._estimates = estimates
        note_errors(self, estimates.monte_carlo)

    @names_arguments
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
            If the new response does not fit the rows; the model stays as it was, as with any
            error.
        FitError
            The optimiser fails.
        OptionError
            An option, or a field of `optsum`, has an unusable value, or there is no such optimiser.

        See Also
        --------
        LinearMixedModel.simulate : Draws a response.
        bootstrap : Draws and fits, many times.

        Notes
        -----
        A model holds one response and one set of estimates: threads that refit need a model
        each (``copy.deepcopy``, or one built in each thread).

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> round(m.refit(reml=True).objective, 4)
        1743.6283
        >>> round(float(m.refit(2 * sleep["Reaction"]).params["Days"]), 3)
        20.935
        """
        return self._fit_again(y, reml, optimizer, progress, verbose)

    def _replace_response(self, y) -> None:
        self.frame = replace(self.frame, y=checked_response(self.frame, y))
        self.scaled_response = CentredResponse.of(
            self.frame.y, self.frame.offset, self.feterm, self.sqrt_weights
        )
        self._put_response()

    def _put_response(self) -> None:
        """Let A hold the response that the model has."""
        if self.residual_side is None:
            self.blocks.new_response(self.scaled_response.values)
        else:
            self.residual_side.new_response(self.scaled_response.values)
            self.blocks = self.residual_side.blocks

    def _rolled_back(self) -> None:
        """Let A hold the response again that the model had."""
        if self.is_streamed:
            return
        held = (self.residual_side or self.blocks).response
        if not np.array_equal(held, self.scaled_response.values):
            self._put_response()

    # ---- estimates --------------------------------------------------------------------------

    def _estimate(self, x, objective: float) -> Estimates:
        return estimates_at(self, self._settled(x), objective)

    def _settled(self, x) -> np.ndarray:
        """θ of parameters as in `optsum`; the residual side and A are left at their φ."""
        side = self.residual_side
        if side is None:
            return x
        self.residual_side = side = side.copy()  # a failure puts the one before back
        side.phi = np.array(x[: side.size], dtype=np.float64)
        self.blocks = side.blocks
        return np.asarray(x[side.size :], dtype=np.float64)

    def coefficients_at(self, thetas) -> np.ndarray:
        """Coefficients of the kept columns at each scaled θ; the model is left as it is."""
        return coefficients(self, np.array([solution_at(self, t).gamma for t in thetas]))[1]

    def effects_at(self, theta) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """u and b at a given θ, with β estimated there; the model is left at this θ."""
        self._set_theta(theta)
        return random_effects(self, solution_at(self, self.scaled.to_scaled(theta)))

    def leverage(self) -> pd.Series:
        """Diagonal of the hat matrix, a pandas Series over the rows of the data.

        The derivative of each fitted value by its own response at the estimated θ; their sum
        is the effective number of parameters.

        Returns
        -------
        pandas.Series
            Over the rows of the data; NaN where a row was dropped.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        influence : Cook's distances, and more.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> round(float(m.leverage().sum()), 2)
        28.61
        """
        _ = self.estimates
        with blas_threads():
            theta, side = self.scaled.to_scaled(self.theta), self.residual_side
            if side is not None:
                return self.aligned(side.rows.at(side.phi).leverage(theta), "leverage")
            self.blocks.factorize(theta)
            return self.aligned(self.blocks.leverage(), "leverage")

    def _scaled_row_variances(self, x, terms) -> np.ndarray:
        self.blocks.factorize(self.scaled.to_scaled(self.theta))
        return self.blocks.row_variances(terms, x)

    def _conditional_variances(self, levels: dict) -> dict[int, np.ndarray]:
        self.blocks.factorize(self.scaled.to_scaled(self.theta))
        return variances_by_level(self.reterms, self.blocks, levels)


def check_sigma(sigma) -> None:
    """Refuse a known residual standard deviation that is no positive number."""
    if sigma is not None and not _is_positive(sigma):
        raise OptionError(f"sigma must be a positive number, not {sigma!r}")


def _is_positive(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < np.inf
