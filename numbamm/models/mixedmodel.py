"""`MixedModel`: what linear and generalized mixed models share, once they are fitted.

The file is long by docstrings: a public method of a class has no other place for its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.completion import ForUsers
from numbamm.design.absent import is_absent
from numbamm.design.femat import FeMat
from numbamm.design.related_levels import put_ways, rows_as_computed
from numbamm.design.scaling import Scaling
from numbamm.elsewhere import name_hint, names_arguments
from numbamm.errors import FitError, NotFittedError, OptionError, shown
from numbamm.models.asresult import AsResult
from numbamm.models.estimates import Estimates
from numbamm.models.fitstatistics import FitStatistics
from numbamm.models.fitting.call import Call
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.monte_carlo import component_errors
from numbamm.models.fitting.rollback import all_or_nothing
from numbamm.models.fixedeffects import FixedEffects
from numbamm.models.inferences import Inferences
from numbamm.models.plot_methods import Plots
from numbamm.models.residuals import RESIDUALS
from numbamm.models.spaces.model_space import ModelSpace
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.models.streams.streamed_parts import by_chunk
from numbamm.models.varcorr import SINGULAR_TOLERANCE, VarCorr
from numbamm.optimize import OptSummary
from numbamm.optimize.formatting import short
from numbamm.optimize.local_minimum import is_minimum
from numbamm.optimize.run import CUT_SHORT
from numbamm.options import (
    chosen_levels,
    grouping_factor,
    non_negative,
    numbers,
    one_for_each,
    one_of,
)
from numbamm.report.content import Report
from numbamm.report.drawn import EffectFrames
from numbamm.report.tabular import Tabular
from numbamm.report.text import block_table

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame
    from numbamm.glm.family import Family
    from numbamm.glm.link import Link
    from numbamm.models.parts.degenerate import Flat
    from numbamm.models.residual_side.side import ResidualSide

#: What other rooms ask models for, and methods of inference that are still to be written; see
#: CONTRIBUTING.md.
BETWEEN_ROOMS = frozenset(
    """
    composition constant_parameters distribution_at fitted_distribution flat_parts flat_places
    lines_at_estimates means_of part_covariance part_lines predictors user_between
    aligned at_bounds basis_to_coefficients blocks call coefficient_covariance
    coefficient_method coefficient_names coefficients coefficients_at columns criterion
    default_ddf degrees dropped_coefficients effects_at estimate_at family_record fast_optsum
    fit_options further_options has_categories has_free_shape hold_start in_columns is_linear
    is_streamed kept_coefficients layout likelihood_holds link_record may_be_overdispersed mean
    means_of of_frame of_other_frame options parameters parameters_of pearson_df pearson_ratio
    prior_weights residual_side residual_variance row_variances rows_in_scaled_columns scaled
    scaled_response scalings search_coordinates set_estimates shape_has_limit space space_of
    space_with sqrt_weights title twin whitened_space why_dropped without_rows working_model x
    """.split()
)


class MixedModel(FixedEffects, FitStatistics, Inferences, AsResult, Tabular, ForUsers):
    """Base of the models: frame, terms, optimisation summary, and the results' common names.

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
    scaled : ScaledTerms
        The terms in columns of ordinary size, in which they are fitted, and their θ.
    optsum : OptSummary
        How the model is, or was, optimised.
    """

    _between_rooms = BETWEEN_ROOMS

    formula: str
    family: str
    link: str
    frame: ModelFrame
    feterm: FeMat
    reterms: list[ReMat]
    scaled: ScaledTerms
    sqrt_weights: np.ndarray | None
    optsum: OptSummary
    #: Whether y is normal, of a mean that is linear in β and b.
    is_linear: bool
    #: Method of degrees of freedom that tests of coefficients take by default.
    default_ddf: str
    #: Whether PIRLS varied β, and θ alone was optimised.
    is_fast: bool = False
    #: The shape of the family that was given; None if it is estimated, or there is none.
    given_shape: float | None = None
    #: The parts of the model besides that of the mean, if it has any.
    composition: Any = None
    #: What the inverse link of a linear predictor is, if not the mean of the response.
    means_of: str = ""
    #: Directions in which parts say nothing, and places of coefficients of parts that these change.
    flat_parts: Sequence[Flat] = ()
    flat_places: Sequence[int] = ()
    #: Whether the response is one of ordered categories, and the model has thresholds.
    has_categories: bool = False
    #: Whether the family has a shape that is estimated.
    has_free_shape: bool = False
    #: The residuals' covariance, where they are correlated or have several standard deviations.
    residual_side: ResidualSide | None = None

    def __init__(self, frame, root: np.ndarray | None = None, *, in_groups: bool = False) -> None:
        """`root`: √W of each row, where the random effects are not measured in √φ by √w alone.

        `in_groups`: rows have a covariance of their own, whose groups related levels may cross.
        """
        self.frame = frame
        self.formula = frame.formula
        self.reterms = frame.reterms
        self.sqrt_weights = None if frame.weights is None else np.sqrt(frame.weights)
        put_ways(frame.reterms, is_linear=self.is_linear, in_groups=in_groups)
        self.feterm = FeMat.from_columns(frame.X, frame.xnames, self.sqrt_weights, frame.nobs)
        self.scaled = ScaledTerms(frame.reterms, self.sqrt_weights if root is None else root)
        self._begin()

    def _begin(self) -> None:
        self._estimates: Estimates | None = None
        if self.scaled.is_changed:  # the start: λ = I in scaled columns
            self._set_theta(self.scaled.to_user(self.theta))

    if not TYPE_CHECKING:  # type checkers would take every name for an attribute

        def __getattr__(self, name: str):
            """Answer names of other packages; called where there is no such attribute."""
            if hint := name_hint("model", name):
                raise AttributeError(f"{type(self).__name__} has no attribute '{name}'{hint}")
            return object.__getattribute__(self, name)  # raises as without this method

    # ---- state --------------------------------------------------------------------------

    @property
    def is_streamed(self) -> bool:
        """Whether the rows were read chunk by chunk, and are not in memory."""
        return is_absent(self.frame.y)

    @property
    def is_fitted(self) -> bool:
        """Whether the model has estimates.

        See Also
        --------
        LinearMixedModel.fit

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.is_fitted
        False
        >>> m.fit().is_fitted
        True
        """
        return self._estimates is not None

    @property
    def likelihood_holds(self) -> bool:
        """Whether `llf` is the log-likelihood; approximations may fail at the estimates."""
        return True

    def _expect_no_fit(self) -> None:
        """`fit` is called once: a second call would surprise whoever set options in between."""
        if self.is_fitted:
            raise FitError("this model is fitted already; use refit() to fit it again")

    def _fit_again(self, y, *options) -> Self:
        """Fit with a new response, if there is one; after an error the model is as it was."""
        if y is None:
            return self._fit(*options)
        with all_or_nothing(self):
            self._replace_response(y)
            return self._fit(*options)

    @property
    def estimates(self) -> Estimates:
        """The estimates.

        Raises
        ------
        NotFittedError
            Before `fit`.

        See Also
        --------
        LinearMixedModel.params

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.estimates.beta.round(2).tolist()
        [251.41, 10.47]
        """
        if self._estimates is None:
            raise NotFittedError("this model has not been fitted: call fit() first")
        return self._estimates

    @property
    def theta(self) -> np.ndarray:
        """Covariance parameters θ, term by term: the entries of λ by column.

        Of covariance structures other than ``us`` and ``diag`` they are unbounded parameters;
        `varcorr` has those that users see.

        See Also
        --------
        LinearMixedModel.theta_names
        LinearMixedModel.varcorr : What θ and σ amount to.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.theta.round(3).tolist()
        [0.929, 0.018, 0.223]
        """
        return self.scaled.structure.join([t.theta for t in self.reterms])

    def _checked_theta(self, theta) -> np.ndarray:
        """θ as the user gave it, of the right length."""
        given, theta = shown(theta), numbers("theta", theta)
        side = self.residual_side
        names = [*([] if side is None else side.names), *self.theta_names]
        if theta.shape != (len(names),):
            raise OptionError(f"theta must be {one_for_each(names)}, not {given}")
        return theta

    def _set_theta(self, theta) -> None:
        for term, part in zip(self.reterms, self.scaled.structure.split(theta), strict=True):
            term.theta = np.array(part, dtype=np.float64)

    @property
    def space(self) -> ModelSpace:
        """The search space of the fit that `optsum` describes."""
        raise NotImplementedError

    @property
    def shape(self) -> float | None:
        """Shape of the family: None, since the normal distribution has none."""
        return None

    @property
    def scalings(self) -> list[Scaling | None]:
        """For each term, the change to columns of ordinary size in which it is fitted, if any."""
        return self.scaled.scalings

    @property
    def theta_names(self) -> list[str]:
        """Name of each θ: ``group.column``, or ``group.row.column`` below the diagonal.

        See Also
        --------
        LinearMixedModel.theta

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.theta_names
        ['Subject.Intercept', 'Subject.Days.Intercept', 'Subject.Days']
        """
        return [
            f"{term.group}.{label}"
            for term in self.reterms
            for label in term.structure.labels(term.cnames)
        ]

    _call: Call | None = None

    @property
    def call(self) -> Call | None:
        """The data and options that the model was built from, by which `update` builds another.

        None for a model of a frame that existed.
        """
        return self._call

    @property
    def options(self) -> dict:
        """Options of the class that may have changed since the model was built."""
        return {}

    @property
    def converged(self) -> bool:
        """Whether the search of the fit ended at a minimum, as far as it can tell.

        Not so after a limit, an interrupt or a failure of the optimiser, and where the end is
        known to be no minimum. `check_convergence` looks at the objective around the estimates.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        check_convergence : How the objective behaves around the estimates.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.converged
        True
        """
        estimates, optsum = self.estimates, self.optsum
        stopped = optsum.returnvalue in CUT_SHORT or optsum.returnvalue.startswith("FAILURE")
        falls = optsum.certificate is not None and not is_minimum(optsum.certificate)
        return bool(estimates.at_minimum and not stopped and not falls)

    @property
    def further_options(self) -> tuple[str, ...]:
        """What tells the model from others besides its formula, in words."""
        return ()

    @property
    def fit_options(self) -> dict:
        """Arguments of `fit` and `refit` by which the model was fitted, besides `optsum`."""
        return {}

    @property
    def criterion(self) -> dict:
        """``reml`` and ``sigma`` of the fit; before a fit, those in `optsum`.

        After a fit, `optsum` may have been changed for the next one.
        """
        if not self.is_fitted:
            return {"reml": self.optsum.reml, "sigma": self.optsum.sigma}
        return {"reml": self.estimates.reml, "sigma": self.estimates.held_sigma}

    def of_other_frame(self, frame) -> Self:
        """An unfitted model of another frame, of the same kind and criterion."""
        raise NotImplementedError

    def without_rows(self, rows) -> Self:
        """A copy without some of the rows used, whose search begins at the estimates."""
        raise NotImplementedError

    def estimate_at(self, x, objective: float | None = None) -> Self:
        """Take the estimates at given parameters, without a search; returns the model.

        Parameters
        ----------
        x : ndarray
            As ``optsum.final``.
        objective : float, optional
            The objective at x, if it is known.
        """
        objective = self.objective_at(x) if objective is None else objective
        self._estimates = self._estimate(x, objective)
        return self

    def set_estimates(self, theta, estimates: Estimates | None) -> None:
        """Take estimates that come from elsewhere, such as true parameters, or None."""
        self._set_theta(theta)
        self._estimates = estimates

    # ---- random effects ---------------------------------------------------------------------

    @property
    def sigma(self) -> float:
        """Residual standard deviation σ.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.varcorr : With those of the random effects.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> round(m.sigma, 2)
        49.51
        """
        return self.estimates.sigma

    @property
    def beta_covariance(self) -> np.ndarray:
        """Covariance matrix of the kept coefficients, shape (rank, rank).

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.cov_params : With names, by the configured method.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.beta_covariance.round(2).tolist()
        [[43.99, -1.37], [-1.37, 2.26]]
        """
        estimates = self.estimates
        if estimates.covariance is None:
            with blas_threads():
                estimates.covariance = self._covariance()
        return estimates.covariance

    @property
    def u(self) -> list[np.ndarray]:
        """Spherical random effects, an array of shape (levels, p) for each of `reterms`.

        With a known covariance K = RR' of the levels b = Ruλ', and where K was given by a large
        inverse b = uλ', u having covariance K.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.b : On the scale of the linear predictor.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.u[0].shape
        (18, 2)
        """
        return self.estimates.u

    @property
    def b(self) -> list[np.ndarray]:
        """Random effects b = Λu, an array of shape (levels, p) for each of `reterms`.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.ranef : As frames, with names.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.b[0][0].round(2).tolist()
        [2.82, 9.08]
        """
        return self.estimates.b

    @overload
    def condvar(self, group: None = None, *, levels: None = None) -> EffectFrames: ...
    @overload
    def condvar(self, group: str, *, levels: Iterable | None = None) -> pd.DataFrame: ...
    @names_arguments
    def condvar(
        self, group: str | None = None, *, levels: Iterable | None = None
    ) -> EffectFrames | pd.DataFrame:
        """Conditional variances and covariances of the random effects, given the data.

        What is not known of β, θ and σ does not count; for generalized models the variances are
        those of the Laplace approximation at the mode.

        Parameters
        ----------
        group : str, optional
            The grouping factor whose random effects are wanted; all, if not given.
        levels : sequence, optional
            Levels of `group` that are wanted; all, if not given. After an approximate fit
            (``tail="iterative"``), where all may be too many, those of chosen levels are exact.

        Returns
        -------
        EffectFrames, a dict of str to pandas.DataFrame, or pandas.DataFrame
            For each grouping factor a line per level and random effect and a column per random
            effect, so that ``condvar()["g"].loc[level]`` is that level's covariance matrix. NaN
            between effects of different terms on the same factor. Its method `plot` draws the
            effects, with intervals of these variances. One frame, if `group` is given.

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            There is no such grouping factor or level, or an approximate fit has too many.

        See Also
        --------
        LinearMixedModel.ranef : With intervals by ``condvar=True``.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.condvar()["Subject"].loc["308"].round(1).to_numpy().tolist()
        [[141.0, -20.6], [-20.6, 5.2]]
        """
        import pandas as pd

        wanted = None if group is None else grouping_factor(self, group)
        positions = chosen_levels(self, wanted, levels)
        _ = self.estimates
        with blas_threads():
            variances = self._conditional_variances(positions)
        frames, chosen = {}, {}
        for k, V in variances.items():
            term, scaling = self.reterms[k], self.scalings[k]
            chosen[term.group] = own = term.levels[positions.get(k, slice(None))]
            V = self.sigma**2 * (scaling.variances(V) if scaling else V)
            index = pd.MultiIndex.from_product([own, term.cnames], names=[term.group, None])
            frame = pd.DataFrame(V.reshape(-1, term.p), index=index, columns=list(term.cnames))
            seen = frames.get(term.group)
            frames[term.group] = frame if seen is None else pd.concat([seen, frame])
        for group, frame in frames.items():
            rows = [chosen[group], frame.columns]
            names = frame.index.names
            frames[group] = frame.reindex(pd.MultiIndex.from_product(rows, names=names))
        complete = EffectFrames(frames, "Conditional covariances", self, "ranef")
        return complete if wanted is None else complete[wanted]

    def row_variances(self, X, terms) -> np.ndarray:
        """Variances of x'β̂ + z'b̂ - z'b for rows at any levels, shape (n,).

        Parameters
        ----------
        X : ndarray, shape (n, rank)
            The kept columns.
        terms : list of (refs, z)
            Levels, -1 for none, and columns, shape (p, n); term by term.
        """
        return self.sigma**2 * self._scaled_row_variances(*self.rows_in_scaled_columns(X, terms))

    def rows_in_scaled_columns(self, X, terms) -> tuple[np.ndarray, list]:
        """Rows as for `row_variances` in the columns in which the model computes."""
        scaled = [
            rows_as_computed(term, refs, np.linalg.solve(scaling.T.T, z) if scaling else z)
            for term, scaling, (refs, z) in zip(self.reterms, self.scalings, terms, strict=True)
        ]
        return X @ self.feterm.to_basis, scaled

    @property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        icc : The shares of the variance.
        pca : Principal components.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> print(m.varcorr)
        Variance components:
                  Column       Variance  Std.Dev.
        Batch     (Intercept)   1388.33   37.2603
        Residual                2451.25   49.5101
        >>> round(float(m.varcorr["Batch"].sd[0]), 2)
        37.26
        """
        return VarCorr(self, errors=component_errors(self))

    @property
    def at_bounds(self) -> list[str]:
        """Parameters of structures at bounds where λ is singular: ``rho of ar1 is 1 (g)``."""
        side = self.residual_side
        own = [
            f"{words} ({term.group})"
            for term in self.reterms
            for words in term.structure.bounds_met(term.theta, SINGULAR_TOLERANCE)
        ]
        return own if side is None else [*own, *side.bounds_met()]

    @names_arguments
    def is_singular(self, tol: float = SINGULAR_TOLERANCE) -> bool:
        """Whether an estimated covariance matrix of random effects lacks full rank.

        Or a correlation of residuals is at its bound.

        Parameters
        ----------
        tol : float
            A diagonal entry of λ counts as zero when it, times the root mean square of its
            column of Z (weighted), is below: the share of σ that it has in a typical row.

        Returns
        -------
        bool

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            `tol` is not a number of at least 0.

        See Also
        --------
        pca : How many dimensions the random effects have.
        check_convergence : Where the fit is singular.

        Notes
        -----
        After a fit, ``optsum.certificate`` tells a local minimum from a point where only the
        gradient vanishes: the printed summary says which.

        Examples
        --------
        >>> import numbamm as mm
        >>> mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2")).is_singular()
        True
        """
        _, tol = self.estimates, non_negative("tol", tol)
        root, side = self.scaled.root, self.residual_side
        if side is not None and side.bounds_met():
            return True
        unit = 1.0 if side is None else side.typical_deviation
        return any(
            t.structure.lacks_rank(t.theta, t.root_mean_squares(root) / unit, tol)
            for t in self.reterms
        )

    # ---- rows -------------------------------------------------------------------------------

    def aligned(self, values, name: str) -> pd.Series:
        """Values of the used rows as a Series over the rows of the data, NaN where dropped."""
        import pandas as pd

        out = np.full(self.frame.nrows, np.nan)
        out[self.frame.rows] = values
        return pd.Series(out, index=self.frame.index, name=name)

    @property
    def fittedvalues(self) -> pd.Series:
        """Conditional means, a pandas Series over the rows of the data; NaN where dropped.

        Of rows that stream a `RowStream`, which gives such a Series for each chunk.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.predict : For other rows, and without random effects.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.fittedvalues.head(2).round(2).to_list()
        [254.22, 273.76]
        """
        if self.is_streamed:
            return by_chunk(self, lambda part: part.fittedvalues, "fitted values")
        return self.aligned(self.estimates.fitted, "fittedvalues")

    @property
    def resid(self) -> pd.Series:
        """Response minus conditional mean, a pandas Series over the rows of the data.

        Of rows that stream a `RowStream`, which gives such a Series for each chunk.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.residuals : Of other types.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.resid.head(2).round(2).to_list()
        [-4.66, -15.06]
        """
        if self.is_streamed:
            return by_chunk(self, lambda part: part.resid, "residuals")
        return self.aligned(self.frame.y - self.estimates.fitted, "resid")

    @names_arguments
    def residuals(self, type: str = "response") -> pd.Series:
        """Residuals at the conditional means.

        Parameters
        ----------
        type : {"response", "pearson", "deviance", "working", "normalized"}
            Response minus mean; times the square root of the weight over the variance function,
            which leaves the dispersion in; the signed square root of the row's deviance; the
            response residual on the scale of the linear predictor; or, of linear models, residuals
            of variance one that are uncorrelated where `residual` correlates those of a group.

        Returns
        -------
        pandas.Series
            Over the rows of the data; NaN where a row was dropped. Of rows that stream a
            `RowStream`, which gives such a Series for each chunk.

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            The model has no residuals of that type.

        See Also
        --------
        influence : Studentized residuals, and more.
        LinearMixedModel.fittedvalues

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.residuals("deviance").head(2).round(3).to_list()
        [-1.438, 0.989]
        """
        one_of("type", type, self._residual_types)
        if self.is_streamed:
            return by_chunk(self, lambda part: part.residuals(type), f"{type} residuals")
        return self.aligned(self._residual_types[type](self), f"resid_{type}")

    #: How each type of residual is computed.
    _residual_types = RESIDUALS

    #: The records of family and link.
    family_record: Family
    link_record: Link

    def mean(self, eta) -> np.ndarray:
        """Means at linear predictors."""
        return eta

    # ---- keeping a fit, and trying others ---------------------------------------------------

    def save(self, path: str | PathLike) -> None:
        """Write the options and the outcome of the fit as JSON, for `restore`.

        The data and the formula are not written.

        Parameters
        ----------
        path : str or path
            The file; one that exists is replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OptionError
            The file cannot be written.

        See Also
        --------
        LinearMixedModel.restore : Takes it up again.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.save(Path(folder) / "fit.json")
        ...     again = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleep)
        ...     again.restore(Path(folder) / "fit.json").objective == m.objective
        True
        """
        from numbamm.models.saved import save

        save(self, path)

    def restore(self, path: str | PathLike) -> Self:
        """Take up a fit of this model, on the same data, that `save` wrote: no search is done.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        MixedModel
            The model itself, with the file's `optsum` and the estimates at its final parameters.

        Raises
        ------
        FitError
            The file has other parameters than the model, or another objective at its initial
            or final parameters. The model stays as it was, as with any error.
        OptionError
            The file cannot be read, or is of another version.

        See Also
        --------
        LinearMixedModel.save

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.save(Path(folder) / "fit.json")
        ...     again = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleep)
        ...     round(again.restore(Path(folder) / "fit.json").objective, 4)
        1751.9393
        """
        from numbamm.models.saved import restore

        restore(self, path)
        return self

    @property
    def _known_parameters(self) -> list[list[str]]:
        """Names of the parameters of each kind of fit that the model can have."""
        return [self.theta_names]

    def _expect(self, names: list[str]) -> None:
        """Be ready for parameters of these names, one of `_known_parameters`."""

    def _rolled_back(self) -> None:
        """Put back what is changed in place: the attributes are those before a failure again."""

    def _bounds_are_usual(self) -> bool:
        """Whether nobody has moved the bounds of θ."""
        lower, upper = self.optsum.lowerbd, self.optsum.upperbd
        usual = self.scaled.structure.lowerbd
        before = len(lower) - len(usual)
        free = np.isneginf(lower[:before]).all() and np.isposinf(upper).all()
        return bool(free) and np.array_equal(lower[before:], usual)

    def hold_start(self) -> None:
        """Let every fit begin at `optsum.initial`, whatever the optimiser."""
        self._default_start = DefaultStart()

    def twin(self) -> Self:
        """A copy on the same arrays: its fits do not change this model."""
        twin = copy(self)
        twin.reterms = [replace(term, theta=term.theta.copy()) for term in self.reterms]
        twin.scaled = ScaledTerms(twin.reterms, self.scaled.root, self.scalings)
        twin.optsum = copy(self.optsum)
        vars(twin).pop("search_coordinates", None)  # it may get other columns, or fewer rows
        return twin

    # ---- reports ----------------------------------------------------------------------------

    @property
    def plot(self) -> Plots:
        """Plots of the fitted model, a method each: ``model.plot.residuals()``.

        See Also
        --------
        plot_coefficients : Of several models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.plot.residuals().get_ylabel()
        'Pearson residual'
        """
        return Plots(self)

    def _report(self) -> Report:
        return self.summary().content

    def to_frame(self) -> pd.DataFrame:
        """Coefficients and variance components, a row each, as from `tidy` with Wald's tests.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        tidy : With other tests and intervals.
        LinearMixedModel.to_markdown, LinearMixedModel.to_latex, LinearMixedModel.to_html

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.to_frame()["estimate"].round(1).to_list()
        [1527.5, 37.3, 49.5]
        """
        return self.summary().to_frame()

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.to_html() if self.is_fitted else f"<p>{escape(repr(self))}</p>"

    def __repr__(self) -> str:
        if self.is_fitted:
            return str(self.summary())
        return (
            f"<{type(self).__name__} not fitted: {self.formula}, {self.nobs} rows; {self._begins}>"
        )

    @property
    def _begins(self) -> str:
        """The parameters of the start, as text."""
        return f"θ = {short(self.theta)}"

    def block_description(self) -> str:
        """A table of the kinds of the blocks of A and L, one line a term and one for X and y.

        Where A and L hold a block in different forms both are named, as ``Diag/Dense``. Where there
        was a choice of the tail, a last line says which, and why.

        Returns
        -------
        str

        See Also
        --------
        LinearMixedModel.summary

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> print(m.block_description())
        rows:  Subject  fixed
        36:    BlkDiag
        3:     Dense    Dense
        """
        names = [*(term.group for term in self.reterms), "fixed"]
        sizes = [*(term.nranef for term in self.reterms), self.feterm.rank + 1]
        return block_table(names, sizes, self._kinds()) + self._tail_line

    def _kinds(self) -> list[list[str]]:
        return self.layout.kinds()

    @property
    def _tail_line(self) -> str:
        """What `block_description` says of the tail, below its table."""
        return ""
