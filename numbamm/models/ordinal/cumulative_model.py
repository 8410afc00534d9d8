"""`CumulativeLinkMixedModel`: P(y ≤ k | b) = F((α_k - η) / s), η = Xβ + Zb, b ~ N(0, ΛΛ').

The file is long by docstrings: a public method of a class has no other place for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm import config
from numbamm import formula as formulas
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, FitError, OptionError
from numbamm.formula.caller import caller_namespace
from numbamm.formula.identifiability import warn_of_redundant
from numbamm.glm.cumulative.cumulative_family import Cumulative, ordinal_family
from numbamm.glm.cumulative.cumulative_modes import CumulativeModes
from numbamm.glm.cumulative.thresholds import STRUCTURES
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import LINKS, Link
from numbamm.glm.registry import spelled
from numbamm.models.estimates import Estimates
from numbamm.models.fitting.call import Call
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.generalized_start import Start
from numbamm.models.fitting.rollback import all_or_nothing
from numbamm.models.fitting.stages import check_nagq, kernels_for
from numbamm.models.generalized_estimates import effects_at_mode
from numbamm.models.generalized_objective import GeneralizedObjective
from numbamm.models.mixedmodel import BETWEEN_ROOMS, MixedModel
from numbamm.models.new_response import checked_response
from numbamm.models.ordinal.joint_covariance import joint_covariance, root_of_covariance
from numbamm.models.ordinal.ordinal_columns import OrdinalColumns
from numbamm.models.ordinal.ordinal_search import Search, first_options
from numbamm.models.ordinal.ordinal_warnings import warn_of_fit, warn_of_start
from numbamm.models.ordinal.without_effects import without_effects
from numbamm.models.spaces.generalized_space import GeneralizedSpace
from numbamm.models.spaces.laplace import LaplaceObjective
from numbamm.models.spaces.parameters import Parameters
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.models.varcorr import VarCorr
from numbamm.models.without_rows import ordinal_without
from numbamm.sources.opening import open_source

if TYPE_CHECKING:
    import pandas as pd


#: What other rooms ask these models for, besides.
BETWEEN_ROOMS_TOO = frozenset(
    """
    begin_at_start bounded_theta coefficient_kinds effect_variances effects_along given_shape
    information is_canonical is_fast location_names objective_without_effects part_texts
    parts_covariance pirls shape starts_by_default values_at_estimates
    """.split()
)
#: Half-width of differences of modes, in standard errors of coefficients.
STEP = 1e-3


class CumulativeLinkMixedModel(GeneralizedObjective, MixedModel):
    """A cumulative link mixed model of ordered categories; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        ``"rating ~ temp + contact + (1 | judge)"``. The response is an ordered categorical column,
        numbers or truth values. Thresholds take the place of the intercept.
    data : pandas, polars or pyarrow frame, or dict of arrays
    link : str or Link
        ``"logit"`` (proportional odds), ``"probit"``, ``"cloglog"`` (proportional hazards),
        ``"loglog"``, ``"cauchit"``; or one of your own whose means lie in (0, 1).
    threshold : {"flexible", "symmetric", "equidistant"}
        Whether each threshold is a parameter, or their distances are symmetric or equal.
    nominal : str, optional
        A one-sided formula, ``"~ contact"``, of effects that differ between thresholds.
    scale : str, optional
        A one-sided formula, ``"~ temp"``, of effects on log s.
    weights, offset, contrasts, amalgamate
        As for `GeneralizedLinearMixedModel`; weights multiply the log-density of a row.
    optimizer : str, optional
        Name of the optimiser, as in ``optsum.optimizer``.

    Attributes
    ----------
    formula : str
        The formula, as it was understood.
    frame : ModelFrame
        Response, columns and terms of the rows that are used.
    feterm : FeMat
        The location's columns, with a constant one whose coefficient is minus the mean threshold.
    reterms : list of ReMat
        The random-effects terms.
    family, link, threshold : str
        ``"cumulative"``, and the names of link and structure of the thresholds.
    optsum : OptSummary
        How the model is, or was, optimised.
    part_texts : dict of str → str
        The formulas of nominal and scale effects, as far as there are any.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work.

    See Also
    --------
    clmm : Builds a model and fits it.
    GeneralizedLinearMixedModel : For responses of two categories, and others.

    Notes
    -----
    The objective is the Laplace approximation of -2 log-likelihood with the observed information,
    or adaptive Gauss–Hermite quadrature. Its gradient in thresholds, nominal effects, location,
    scale and θ is exact. The log-probability of a category is concave in thresholds and η for the
    first four links, which therefore are searched for as they are, whitened by their information.

    Examples
    --------
    >>> import numbamm as mm
    >>> va = mm.datasets.load("VerbAgg")
    >>> m = mm.CumulativeLinkMixedModel("resp ~ Gender + (1 | item)", va)
    >>> round(m.fit().objective, 2)
    14267.5
    """

    _between_rooms = BETWEEN_ROOMS | BETWEEN_ROOMS_TOO

    is_linear, default_ddf, has_categories = False, "wald", True
    shape_has_limit = may_be_overdispersed = False
    information, is_canonical = "observed", True
    #: Residuals are not on the scale of η.
    residual_variance = 0.0

    threshold: str
    columns: OrdinalColumns
    family_record: Cumulative

    @names_arguments
    def __init__(
        self,
        formula: str,
        data,
        link: str | Link = "logit",
        *,
        threshold: str = "flexible",
        nominal: str | None = None,
        scale: str | None = None,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        contrasts: Mapping[str, Any] | None = None,
        amalgamate: bool = True,
        optimizer: str | None = None,
    ) -> None:
        self.link_record = LINKS.of(link)
        if not self.link_record.onto_unit:
            raise OptionError(
                f"the link {self.link_record} does not map probabilities onto the whole line: "
                "ordinal models take logit, probit, cloglog, loglog, cauchit, or a link of yours "
                "with onto_unit=True"
            )
        self.link = self.link_record.name
        self.threshold = spelled("threshold", threshold, STRUCTURES)
        compile_ahead(*kernels_for(optimizer))
        if open_source(data) is not None:
            raise OptionError(
                "ordinal models take rows in memory, not rows that stream: give a frame"
            )
        options: dict[str, Any] = {
            "weights": weights,
            "offset": offset,
            "contrasts": contrasts,
            "amalgamate": amalgamate,
        }
        frame = formulas.model_frame(
            formula,
            data,
            **options,
            context=caller_namespace(),
            ordered_response=True,
            needs_terms=False,
            parts={"nominal": nominal, "scale": scale},
        )
        self.part_texts = {
            name: text for name, text in (("nominal", nominal), ("scale", scale)) if text
        }
        self._build(frame)
        options |= {"nominal": nominal, "scale": scale}
        self._call = Call(data, options)
        self.fast_optsum = None
        self.optsum = first_options(self)
        self._default_start = DefaultStart.put(self.optsum, self.optsum.initial)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    def _build(self, frame) -> None:
        """All that depends on the rows: columns, modes, and where a fit begins."""
        self.family_record = ordinal_family(len(frame.categories))
        self.family = self.family_record.name
        n = len(frame.y)
        prior = np.ones(n) if frame.weights is None else frame.weights
        with blas_threads():
            root = np.sqrt(prior)
            super().__init__(frame, root)
            warn_of_redundant(frame, sigma_known=True)
            self.prior_weights = prior
            self.columns = OrdinalColumns.of(frame, root, self.threshold)
            self.feterm = self.columns.feterm
            self._likelihood = Likelihood(self.family_record, frame.y, prior)
            self._offset = np.zeros(n) if frame.offset is None else frame.offset
            self._modes = self._mode_finder()
            self._gamma_root: np.ndarray | None = None
            alone = without_effects(self._modes, self.link_record)
            self._unbounded = warn_of_start(self, alone)
            self.objective_without_effects = alone.value
            self._start = self._begun = Start(alone.psi, 0.0, self.theta)
            self._searched = {fast: self.parameters(fast) for fast in (True, False)}

    def _mode_finder(self) -> CumulativeModes:
        return CumulativeModes(
            self.scaled.terms,
            self.columns.parts,
            self.prior_weights,
            self._offset,
            self.family_record,
            self.link_record,
        )

    def in_columns(self, scalings) -> CumulativeLinkMixedModel:
        """This model, fitted as it is, in other scaled columns."""
        twin = self.twin()
        twin.scaled = ScaledTerms(twin.reterms, self.scaled.root, scalings)
        twin._modes = twin._mode_finder()
        return twin

    # ---- what fits and inference ask ----------------------------------------------------------

    @property
    def options(self) -> dict:
        return {"link": self.link_record, "threshold": self.threshold}

    @property
    def fit_options(self) -> dict:
        return {"nagq": self.optsum.nagq} if self.is_fitted else {}

    @property
    def further_options(self) -> tuple[str, ...]:
        parts = tuple(f"{name} {text}" for name, text in self.part_texts.items())
        usual = self.threshold == STRUCTURES[0]
        return parts if usual else (*parts, f"{self.threshold} thresholds")

    #: Rows are in memory: there are no passes over them.
    _passes = None
    #: Whether a fit says how far the Laplace approximation is off.
    _tells_of_laplace = True

    #: β never varies with the mode.
    _fast = is_fast = False

    def parameters(self, fast: bool, shape: float | None = None) -> Parameters:
        return Parameters(
            fast=False,
            beta=self.columns.names,
            nuisance=None,
            theta=self.theta_names,
            shape=0.0,
            dispersed=False,
            shape_range=(0.0, 0.0),
        )

    @property
    def _known_parameters(self) -> list[list[str]]:
        return [self.parameters(False).names]

    def _expect(self, names: list[str]) -> None:
        """There is one kind of fit."""

    @property
    def _has_edges(self) -> bool:
        return False

    def space_of(self, parameters, nagq=1, *, modes=None, root=None) -> GeneralizedSpace:
        modes = self._modes.replaced() if modes is None else modes
        gamma = self._begun.gamma
        laplace = LaplaceObjective(modes, self._likelihood, parameters, gamma, nagq, root)
        return GeneralizedSpace(laplace, self.scaled, self.columns.to_user, self._work)

    def values_at_estimates(self):
        """The mode at the estimates, and the scaled parameters."""
        space = self.space_of(self._searched[False], modes=self._modes)
        return space.laplace.at(space.to_scaled(self.optsum.final))

    def whitened_space(self):
        """A search space with coefficients whitened at the estimates, and the estimates."""
        twin = self.twin()
        _, at = twin.values_at_estimates()
        root = root_of_covariance(twin._modes, at)
        return self.space_of(self._searched[False], self.estimates.nagq, root=root), at

    def starts_by_default(self) -> bool:
        """Whether start and bounds of the search are the default ones."""
        return self._default_start.is_in(self.optsum) and self._bounds_are_usual()

    def twin(self) -> CumulativeLinkMixedModel:
        twin = super().twin()
        twin._modes = self._modes.replaced()  # type: ignore[assignment]  # of the same kind
        twin.frame = copy(self.frame)
        return twin

    def of_other_frame(self, frame) -> CumulativeLinkMixedModel:
        model = CumulativeLinkMixedModel(
            frame.formula,
            frame,
            self.link_record,
            threshold=self.threshold,
            nominal=self.part_texts.get("nominal"),
            scale=self.part_texts.get("scale"),
        )
        model.optsum.nagq = self.optsum.nagq
        return model

    @property
    def _remedy(self) -> str:
        return f"another link than {self.link}, or another start (optsum.initial), may help"

    @property
    def _begins(self) -> str:
        return f"{super()._begins}, thresholds of the model without random effects"

    # ---- fitting --------------------------------------------------------------------------------

    @names_arguments
    def fit(
        self,
        *,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> CumulativeLinkMixedModel:
        """Estimate the parameters.

        Parameters
        ----------
        nagq : int, optional
            Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one term; 1
            is the Laplace approximation. ``optsum.nagq``, if not given.
        optimizer, progress, verbose
            As for `LinearMixedModel.fit`.

        Returns
        -------
        CumulativeLinkMixedModel
            The model itself.

        Raises
        ------
        FitError
            If the model is fitted already, or the optimiser fails.
        OptionError
            If `nagq` cannot be used, or an option has an unusable value.

        See Also
        --------
        CumulativeLinkMixedModel.refit : Fits again.
        clmm : Builds and fits.

        Examples
        --------
        >>> import numbamm as mm
        >>> va = mm.datasets.load("VerbAgg")
        >>> m = mm.CumulativeLinkMixedModel("resp ~ 1 + (1 | item)", va)
        >>> round(m.fit(nagq=5).objective, 2)
        14286.24
        """
        self._expect_no_fit()
        nagq = self.optsum.nagq if nagq is None else nagq
        return self._fit(nagq, optimizer, progress, verbose)

    @names_arguments
    def refit(
        self,
        y: ArrayLike | None = None,
        *,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> CumulativeLinkMixedModel:
        """Fit again from the start: with a new response, or with other options.

        Parameters
        ----------
        y : array-like, optional
            The new response, for every row of the data or for the rows used: categories, or their
            numbers from 0, as `simulate` gives them. A pandas Series is matched by its index.
        nagq : int, optional
            As for `fit`; as the model was fitted before, if not given.
        optimizer, progress, verbose
            As for `fit`.

        Returns
        -------
        CumulativeLinkMixedModel
            The model itself.

        Raises
        ------
        DataError
            The new response has other categories, or not all of the model's; the model stays as it
            was, as with any error.
        FitError
            The optimiser fails.
        OptionError
            As for `fit`.

        See Also
        --------
        LinearMixedModel.simulate : Draws a response.

        Examples
        --------
        >>> import numbamm as mm
        >>> va = mm.datasets.load("VerbAgg")
        >>> m = mm.clmm("resp ~ 1 + (1 | item)", va)
        >>> m.refit(m.simulate(seed=1)).converged
        True
        """
        nagq = self.optsum.nagq if nagq is None else nagq
        return self._fit_again(y, nagq, optimizer, progress, verbose)

    def _replace_response(self, y) -> None:
        codes = self._codes(y)
        absent = np.setdiff1d(np.arange(len(self.categories)), codes)
        if len(absent):
            named = ", ".join(str(self.categories[k]) for k in absent)
            raise DataError(
                f"the new response has no row in category {named}, whose thresholds then have no "
                "estimates"
            )
        terms = [replace(term, theta=None) for term in self.reterms]
        own = copy(self.optsum)
        self._build(replace(self.frame, y=codes, reterms=terms))
        self.optsum = first_options(self)
        for name in ("optimizer", "maxfeval", "maxtime"):
            setattr(self.optsum, name, getattr(own, name))
        self._default_start = DefaultStart.put(self.optsum, self.optsum.initial)

    def _codes(self, y) -> np.ndarray:
        """A response as numbers of categories, in the rows used."""
        from numbamm.formula.levels import positions

        if np.ndim(y) != 1:
            raise DataError("the new response must have a value for each row")
        values = getattr(y, "array", y)
        if getattr(getattr(values, "dtype", None), "kind", "O") not in "OSUb":
            codes = checked_response(self.frame, y)
        else:
            import pandas as pd

            codes = positions(pd.Categorical(values), pd.Index(self.categories)).astype(float)
            if isinstance(y, pd.Series):
                codes = pd.Series(codes, index=y.index)
            codes = checked_response(self.frame, codes)
        if not np.isin(codes, np.arange(len(self.categories))).all():
            raise DataError(
                "the new response has other values than the categories "
                f"{', '.join(map(str, self.categories))} or their numbers from 0"
            )
        return codes

    def _fit(self, nagq, optimizer, progress, verbose) -> CumulativeLinkMixedModel:
        check_nagq(self, False, nagq)
        progress = config.get("progress") if progress is None else progress
        begin = perf_counter()
        far = np.errstate(over="ignore", invalid="ignore")  # of trials far from any minimum
        with all_or_nothing(self), blas_threads(), far:
            if optimizer is not None:
                self.optsum.optimizer = optimizer
            self.optsum.nagq = nagq
            self.optsum.configure()
            self.optsum.validate()
            end = Search(self, nagq, progress=progress, verbose=verbose).run()
            self.optsum.elapsed = perf_counter() - begin
            self._estimates = self._estimate(self.optsum.final, float(self.optsum.fmin))
            self._estimates.at_minimum = end.is_minimum
            warn_of_fit(self, end)
        return self

    def _estimate(self, x, objective: float) -> Estimates:
        size = self.columns.parts.size
        self._set_theta(x[size:])
        space = self.space_of(self._searched[False], modes=self._modes)
        mode, _ = space.laplace.at(space.to_scaled(x))
        if not mode.found:
            raise FitError(f"no conditional mode is found at the estimates; {self._remedy}")
        u, b = effects_at_mode(self)
        return Estimates(
            beta=self.columns.of_feterm @ x[:size],
            covariance=None,
            sigma=1.0,
            u=u,
            b=b,
            eta=self._modes.eta.copy(),
            fitted=np.full(self.nobs, np.nan),
            objective=objective,
            reml=False,
            sigma_given=True,
            nagq=self.optsum.nagq,
            parts=np.array(x[:size]),
        )

    # ---- estimates --------------------------------------------------------------------------

    @property
    def parts_covariance(self) -> np.ndarray:
        """Covariance of all coefficients, in the order of ``columns.names``."""
        return self._parts_covariance(quiet=False)

    def _parts_covariance(self, quiet: bool) -> np.ndarray:
        estimates = self.estimates
        if estimates.parts_covariance is None:
            with blas_threads():
                estimates.parts_covariance = joint_covariance(self, quiet)
        return estimates.parts_covariance

    def _covariance(self, quiet: bool = False) -> np.ndarray:
        rows = self.columns.of_feterm
        return rows @ self._parts_covariance(quiet) @ rows.T

    @property
    def coefficient_names(self) -> list[str]:
        return self.columns.names

    kept_coefficients = coefficient_names

    @property
    def coefficient_kinds(self) -> list[str]:
        """Of which part each coefficient is: threshold, nominal, location or scale."""
        return self.columns.kinds

    @property
    def location_names(self) -> list[str]:
        """Names of the location's coefficients."""
        return self.columns.names[self.columns.parts.of_location]

    @property
    def dropped_coefficients(self) -> list[str]:
        return self.columns.aliased

    @property
    def why_dropped(self) -> str:
        nominal = "nominal" in self.frame.parts
        return "Spanned by nominal effects or other columns" if nominal else super().why_dropped

    @property
    def coefficients(self) -> np.ndarray:
        return self.estimates.parts

    @property
    def coefficient_covariance(self) -> np.ndarray:
        return self.parts_covariance

    @property
    def basis_to_coefficients(self) -> np.ndarray:
        return self.columns.to_user

    @property
    def categories(self) -> list:
        """The categories of the response, from the lowest to the highest.

        See Also
        --------
        CumulativeLinkMixedModel.thresholds

        Examples
        --------
        >>> import numbamm as mm
        >>> va = mm.datasets.load("VerbAgg")
        >>> mm.CumulativeLinkMixedModel("resp ~ Gender + (1 | item)", va).categories
        ['no', 'perhaps', 'yes']
        """
        return list(self.frame.categories)

    @property
    def thresholds(self) -> pd.Series:
        """The thresholds between neighbouring categories, where nominal effects are zero.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.params : All coefficients.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.clmm("resp ~ Gender + (1 | item)", mm.datasets.load("VerbAgg"))
        >>> m.thresholds.round(2).to_dict()
        {'no|perhaps': 0.18, 'perhaps|yes': 1.63}
        """
        import pandas as pd

        T = self.columns.parts.T
        pairs = zip(self.categories, self.categories[1:], strict=False)
        names = [f"{below}|{above}" for below, above in pairs]
        return pd.Series(T @ self.estimates.parts[: T.shape[1]], index=names)

    @property
    def n_parameters(self) -> int:
        return self.columns.parts.size + len(self.theta)

    @property
    def varcorr(self) -> VarCorr:
        return VarCorr(self, False, None)

    @property
    def title(self) -> str:
        """The head of the table: what was fitted, and how."""
        nagq = self.estimates.nagq
        how = "Laplace approximation"
        if nagq > 1:
            how = f"adaptive Gauss–Hermite quadrature, {nagq} nodes"
        parts = [f"{name}: {text}" for name, text in self.part_texts.items()]
        if not self.reterms:
            how = "no random effects"
        return (
            f"Cumulative link mixed model fit by maximum likelihood ({how})\n"
            f" Response: {self.frame.response}, {len(self.categories)} categories, "
            f"link: {self.link}, thresholds: {self.threshold}"
            + "".join(f", {part}" for part in parts)
        )

    # ---- what ordered categories do not have --------------------------------------------------

    @property
    def fittedvalues(self) -> pd.DataFrame:
        """Probabilities of the categories in each row, a column per category; NaN where dropped.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.predict : With errors, for other rows, and without random effects.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.clmm("resp ~ Gender + (1 | item)", mm.datasets.load("VerbAgg"))
        >>> m.fittedvalues.iloc[0].round(2).to_dict()
        {'no': 0.24, 'perhaps': 0.33, 'yes': 0.43}
        """
        _ = self.estimates
        return self.predict(type="prob")

    @property
    def resid(self) -> pd.Series:
        """There is none: categories have no differences."""
        return self.residuals()

    @names_arguments
    def residuals(self, type: str = "response") -> pd.Series:
        """There are none: categories have no differences.

        Parameters
        ----------
        type : str
            Of residuals of other models.

        Returns
        -------
        pandas.Series
            Never.

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            In any case.

        See Also
        --------
        LinearMixedModel.predict : Probabilities of the categories.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.clmm("resp ~ Gender + (1 | item)", mm.datasets.load("VerbAgg"))
        >>> try:
        ...     m.residuals()
        ... except mm.OptionError:
        ...     print("none")
        none
        """
        _ = self.estimates
        raise OptionError(
            "ordered categories have no residuals of this kind: simulated_residuals() has places "
            "among simulated categories, and nominal_test() and scale_test() test assumptions"
        )

    def pirls(self, theta=None, *, vary_beta: bool = True, verbose: bool = False):
        """There is none: coefficients are no part of the penalised mode.

        Raises
        ------
        OptionError
            In any case.
        """
        raise OptionError(
            "the coefficients of an ordinal model are no part of the penalised mode: "
            "objective_at(x) evaluates the objective at all parameters"
        )

    def working_model(self):
        raise OptionError("an ordinal model has no working linear model")

    @property
    def bounded_theta(self) -> np.ndarray:
        """Which θ are not below zero, standard deviations, shape (number of θ,)."""
        return np.isfinite(self.scaled.structure.lowerbd)

    def begin_at_start(self) -> None:
        """Let the next search begin at the start, with the options of the last one."""
        own, self.optsum = self.optsum, first_options(self)
        for name in ("optimizer", "maxfeval", "maxtime", "nagq"):
            setattr(self.optsum, name, getattr(own, name))
        self._default_start, self._gamma_root, self._unbounded = DefaultStart(), None, []
        self._tells_of_laplace = False

    def without_rows(self, rows) -> CumulativeLinkMixedModel:
        return ordinal_without(self, rows)

    @property
    def pearson_ratio(self) -> float:
        raise OptionError("ordered categories have no variance that could exceed a model's")

    def effects_along(self, directions) -> list[list[np.ndarray]]:
        """How the random effects at their modes change with the coefficients.

        Parameters
        ----------
        directions : ndarray, shape (size, m)
            Changes of the coefficients, of about a standard error.

        Returns
        -------
        list of list of ndarray, shape (levels, p)
            For each direction and each term.
        """
        twin = self.twin()
        _, at = twin.values_at_estimates()
        out = []
        for change in np.linalg.solve(self.columns.to_user, STEP * directions).T:
            ends = []
            for sign in (1.0, -1.0):
                mode = twin._modes(at.theta, at.beta + sign * change)
                ends.append(effects_at_mode(twin)[1] if mode.found else None)
            if None in ends and self._unbounded:  # too far along what the likelihood is flat in
                ends = [[np.zeros_like(b) for b in self.b]] * 2
            if None in ends:
                raise FitError(
                    f"the random effects have no mode around the estimates; {self._remedy}"
                )
            pairs = zip(*ends, strict=True)
            out.append([(ahead - behind) / (2 * STEP) for ahead, behind in pairs])
        return out

    def row_variances(self, X, terms) -> np.ndarray:
        """Variances of x'β̂ + z'b̂ - z'b, with the covariance of all coefficients, shape (n,)."""
        values, vectors = np.linalg.eigh(self.parts_covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        by_direction = X @ (self.columns.of_feterm @ root)
        for j, effects in enumerate(self.effects_along(root)):
            for (refs, z), b in zip(terms, effects, strict=True):
                known = refs >= 0
                by_direction[known, j] += np.einsum("pn,np->n", z[:, known], b[refs[known]])
        of_coefficients = (by_direction**2).sum(axis=1)
        return of_coefficients + self.effect_variances(terms) if terms else of_coefficients

    def leverage(self) -> pd.Series:
        """Variances of the linear predictors times the rows' information about them.

        Returns
        -------
        pandas.Series
            Over the rows of the data; NaN where a row was dropped.

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            The model has nominal or scale effects, by which rows tell of thresholds and scale, too.

        See Also
        --------
        GeneralizedLinearMixedModel.leverage : The same of a working model.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.clmm("resp ~ Gender + (1 | item)", mm.datasets.load("VerbAgg"))
        >>> round(float(m.leverage().sum()), 1)
        24.7
        """
        _ = self.estimates
        if self.part_texts:
            raise OptionError(
                "leverages are not computed for models with nominal or scale effects; simulated "
                "residuals without them are simulated_residuals(conditional=False)"
            )
        terms = [(term.refs, term.z) for term in self.reterms]
        variances = self.row_variances(self.frame.X[:, self.feterm.kept], terms)
        self.values_at_estimates()
        return self.aligned(variances * self._modes.working_weights, "leverage")

    def effect_variances(self, terms) -> np.ndarray:
        """Variances of z'b̂ - z'b at known coefficients, for rows at any levels, shape (n,).

        Parameters
        ----------
        terms : list of (refs, z)
            As for `row_variances`.
        """
        self.values_at_estimates()
        scaled = [
            (refs, np.linalg.solve(scaling.T.T, z) if scaling else z)
            for scaling, (refs, z) in zip(self.scalings, terms, strict=True)
        ]
        return self._modes.effect_variances(scaled)

    def _conditional_variances(self, levels: dict) -> dict[int, np.ndarray]:
        self.values_at_estimates()
        return self._modes.variances_of(levels)
