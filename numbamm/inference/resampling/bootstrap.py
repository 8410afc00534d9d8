"""Parametric bootstrap: a model fitted again and again to responses drawn from it.

The file is long by docstrings of the class whose methods users call.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError, did_you_mean, warn
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.random.components import SIGMA
from numbamm.inference.resampling import bootstrap_file
from numbamm.inference.resampling.bca import corrected, jackknife
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.resampling.bootstrap_fits import bootstrap_task
from numbamm.inference.resampling.replicates import key_of, run, valid_count
from numbamm.inference.resampling.resampling_task import KINDS, refuse_kind, resampling_task
from numbamm.inference.resampling.studentised import limits as studentised_limits
from numbamm.inference.resampling.studentised import refuse_without_errors
from numbamm.inference.resampling.workers import holding
from numbamm.inference.robust.clusters import Clusters
from numbamm.models.mixedmodel import SINGULAR_TOLERANCE
from numbamm.options import flag, name_list, one_of, valid_alpha
from numbamm.report.content import Report
from numbamm.report.digits import coverage
from numbamm.report.result import Result
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from numbamm.report.tableframe import Limits

#: Titles of the bootstraps of data.
TITLES = {
    "cases": "Bootstrap of cases",
    "residual": "Bootstrap of residuals",
    "wild": "Wild bootstrap",
}
#: Methods for intervals.
METHODS = ("shortest", "equal-tailed", "bca", "studentised")


@names_arguments
def bootstrap(
    model,
    n: int,
    seed: int | None = None,
    *,
    kind: str = "parametric",
    cluster: Any = None,
    errors: bool = False,
    workers=1,
    progress: bool | None = None,
) -> Bootstrap:
    """Fit a model to many responses drawn from it, or to many resampled data.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.
    n : int
        Number of replicates.
    seed : int, optional
        Makes the draws reproducible. Each replicate has its own random-number stream, which
        depends on the seed and the replicate's number alone, so that results do not depend on the
        number of workers.
    kind : {"parametric", "cases", "residual", "wild"}
        What is drawn: responses from the model; whole clusters of rows with replacement, which
        needs independent clusters alone; or, of linear models, random effects and residuals with
        replacement, reflated to the estimated variances, which does not need normal ones; or
        random signs of the clusters' residuals, for standard errors of coefficients alone.
    cluster : str or array, optional
        For cases and signs: a grouping factor, or a label for each row of the data; if not given,
        the grouping factor within which those of all other terms are nested. Of cases, levels of
        crossed factors keep their identity.
    errors : bool
        Whether to keep the standard errors of each replicate, which studentised intervals need.
    workers : int or executor
        Number of threads; -1 for one per processor. Or an executor, for processes or other
        machines: any `concurrent.futures.Executor`, a dask ``Client``, or a ``joblib.Parallel``.
        After an interrupt, joblib keeps the finished replicates only with
        ``return_as="generator_unordered"``.
    progress : bool, optional
        Show a progress bar, if tqdm is installed; on a terminal by default.

    Returns
    -------
    Bootstrap
        An interrupt (Ctrl-C) ends the work; the replicates that are done are kept.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option has an unusable value, or the kind does not suit the model.

    See Also
    --------
    profile : Intervals by profile likelihood.
    Bootstrap : What is returned.
    power : Simulation of a design that is to be.

    Notes
    -----
    Replicates of a linear model are fitted by compiled code on threads that share the
    cross-products of Z and X. They use the criterion (ML or REML), weights, offset and given σ of
    the model's fit, but always numbamm's own optimiser. Each search begins at the estimates or,
    if these are singular, where the search of the model's fit began. Generalized models, and
    linear ones with more than 150 θ or with bounds that the user changed, are fitted by `simulate`
    and `refit`, with a copy of the model for each thread.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> b = mm.bootstrap(m, 200, seed=1)
    >>> b.frame.shape
    (200, 6)
    """
    _ = model.estimates
    one_of("kind", kind, KINDS)
    if kind != "parametric":
        refuse_kind(model, kind)
    clusters = None
    if kind in ("cases", "wild"):
        clusters = Clusters.of(model, cluster, independent=kind == "wild")
    elif cluster is not None:
        raise OptionError(f'cluster is for kind="cases" and kind="wild", not "{kind}"')
    made = Bootstrap._of(model, seed, flag("errors", errors))
    if kind != "parametric":
        made.kind, made._clusters = kind, clusters
        about = f" by {clusters.name}" if clusters is not None else ""
        made.title = f"{TITLES[kind]}{about}: {model.formula}"
    return made._extended(model, valid_count("n", n), workers, progress)


@dataclass(repr=False)
class Bootstrap(Tabular):
    """Replicates of a model's estimates.

    Attributes
    ----------
    title : str
        Title of the table, with the formula.
    names : EstimateColumns
        Names of the columns of `values`.
    key : int
        Key of the random-number streams, from the seed.
    original : ndarray
        The estimates of the model's fit, in the columns of `values`.
    values : ndarray, shape (successful replicates, ...)
        The replicates' estimates.
    index : ndarray of int
        The replicates' numbers, from 0.
    singular : ndarray of bool
        Whether a replicate's fit is singular, by the rule of `is_singular`.
    failed : dict of int to str
        Numbers of the replicates that could not be fitted, and the reasons.
    given : list of str
        Columns of parameters with a given value, which are not estimated.
    kind : str
        What is drawn, see `bootstrap`.
    errors : ndarray or None, shape (successful replicates, ...)
        The replicates' standard errors, if they were asked for, in the columns ``names.errors``:
        of coefficients, and of variance parameters on scales without bounds (logarithms,
        Fisher's transformation of correlations).
    n, n_singular, n_failed : int
        Numbers of replicates, of those with a singular fit, and of those that could not be fitted.
    frame : pandas.DataFrame
        The replicates that could be fitted, indexed by their numbers: ``objective``, ``sigma``, a
        column for each parameter, standard deviation and correlation, ``singular``.
    estimates : pandas.Series
        The estimates of the model's fit, indexed by the columns of `frame`.

    See Also
    --------
    bootstrap : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> b = m.bootstrap(50, seed=1)
    >>> b.n, len(b.frame)
    (50, 50)
    """

    title: str
    names: EstimateColumns
    key: int
    original: np.ndarray
    values: np.ndarray
    index: np.ndarray
    singular: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    _model: object = None
    kind: str = "parametric"
    errors: np.ndarray | None = None
    _clusters: Clusters | None = None
    _jackknife: np.ndarray | None = None

    @classmethod
    def _of(cls, model, seed, errors: bool = False) -> Bootstrap:
        """A `Bootstrap` without replicates."""
        names = EstimateColumns.of(model, errors)
        original = names.row_of(model)
        given = [SIGMA] * (model.estimates.sigma_given and SIGMA in names.sizes)
        none = np.empty(0)
        return cls(
            f"Parametric bootstrap: {model.formula}",
            names,
            key_of(seed),
            original,
            np.empty((0, len(original))),
            none.astype(np.int64),
            none.astype(bool),
            {},
            given,
            model,
            errors=np.empty((0, len(names.errors))) if errors else None,
        )

    # ---- the replicates -------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of replicates, failed ones included."""
        return len(self.index) + len(self.failed)

    @property
    def n_singular(self) -> int:
        """Number of replicates whose fit is singular."""
        return int(self.singular.sum())

    @property
    def n_failed(self) -> int:
        """Number of replicates that could not be fitted."""
        return len(self.failed)

    @property
    def frame(self) -> pd.DataFrame:
        """The replicates that could be fitted, a pandas frame indexed by their numbers.

        Columns: ``objective``; ``sigma`` (and ``shape``); ``beta_`` and ``theta_`` followed by the
        name of each parameter; standard deviations and correlations of the random effects, such
        as ``sd_Days|Subject`` and ``cor_Days.Intercept|Subject``; ``singular``.
        """
        import pandas as pd

        frame = self._frame(self.values)
        frame.index = pd.Index(self.index, name="replicate")
        return frame.assign(singular=self.singular)

    @property
    def estimates(self) -> pd.Series:
        """The estimates of the model's fit, a pandas Series indexed by the columns of `frame`."""
        return self._frame(self.original[None]).iloc[0].rename("estimate")

    def _frame(self, values):
        """A frame of estimates, with the standard deviations and correlations that follow."""
        import pandas as pd

        names, ntheta = self.names, len(self.names.theta)
        sigma = values[:, 1] if SIGMA in names.sizes else np.ones(len(values))
        more = names.components.values(values[:, values.shape[1] - ntheta :], sigma)
        columns = [*names.columns, *names.components.names]
        return pd.DataFrame(np.hstack([values, more]), columns=columns)

    def _parameters(self, singular: bool):
        """The frame's columns of estimated parameters, with or without the singular fits."""
        if not len(self.index):
            raise DataError("no replicate of the bootstrap could be fitted")
        frame = self.frame.drop(columns=["objective", "singular", *self.given])
        if self.kind == "wild":  # signs tell nothing of variances
            frame = frame[[f"beta_{name}" for name in self.names.beta]]
        return frame if flag("singular", singular) else frame[~self.singular]

    # ---- intervals and tests ---------------------------------------------------------------

    @names_arguments
    def conf_int(
        self, alpha: float = 0.05, *, method: str = "shortest", singular: bool = True
    ) -> Limits:
        """Percentile intervals of every parameter.

        Parameters
        ----------
        alpha : float
            One minus the coverage.
        method : {"shortest", "equal-tailed", "bca", "studentised"}
            The shortest interval that contains a share 1 - alpha of the replicates; the interval
            between the quantiles alpha/2 and 1 - alpha/2; between quantiles that are corrected for
            bias and skewness, which needs a fit without each cluster; or, from replicates with
            ``errors=True``, from quantiles of t, estimates over their standard errors: of
            variance parameters on scales without bounds, of θ none.
        singular : bool
            Whether singular fits count.

        Returns
        -------
        Limits, a pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a row per parameter. For correlations only
            the replicates count in which they exist, and for t those with a standard error.

        Raises
        ------
        DataError
            No replicate could be fitted.
        OptionError
            An option has an unusable value.

        See Also
        --------
        Bootstrap.pvalues

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.bootstrap(50, seed=1).conf_int(alpha=0.1).shape
        (9, 2)
        """
        import pandas as pd

        from numbamm.report.tableframe import limits_by

        method = one_of("method", method, METHODS)
        alpha = valid_alpha(alpha)
        frame = self._parameters(singular)
        columns = {name: frame[name].dropna().to_numpy() for name in frame}
        if method == "bca":
            without, original = self._without_clusters(), self.estimates
            limits = [
                corrected(values, original[name], without[name].to_numpy(), alpha)
                for name, values in columns.items()
            ]
        elif method == "studentised":
            refuse_without_errors(self.errors, self._model)
            kept = slice(None) if singular else ~self.singular
            values = self._frame(np.vstack([self.values[kept], self.original]))
            names, errors = self.names.errors, self.errors[kept]
            known = studentised_limits(self._model, names, values, errors, alpha)
            limits = [known.get(name, (np.nan, np.nan)) for name in columns]
        else:
            interval = shortest if method == "shortest" else _equal_tailed
            limits = [interval(values, alpha) for values in columns.values()]
        found = pd.DataFrame(limits, index=frame.columns, columns=[0, 1])
        return limits_by(f"{self.kind} bootstrap, {method}", found, alpha)

    def _without_clusters(self) -> pd.DataFrame:
        """The estimates without each cluster, in the columns of `frame`."""
        if self._jackknife is None:
            if self._model is None:
                raise OptionError('method="bca" needs the model, which files do not have')
            clusters = self._clusters or Clusters.of(self._model, None)
            self._jackknife = jackknife(self._model, self.names, clusters)
        return self._frame(self._jackknife)

    @names_arguments
    def pvalues(self, *, singular: bool = True) -> pd.Series:
        """Two-sided p-values of the coefficients against zero.

        Twice the smaller share of replicates on one side of zero, where zero itself counts as one
        more replicate (Davison & Hinkley, 1997, section 4.2). They agree with the equal-tailed
        intervals, and are at least 2 / (n + 1).

        Parameters
        ----------
        singular : bool
            Whether singular replicates count.

        Returns
        -------
        pandas.Series
            By coefficient.

        Raises
        ------
        DataError
            No replicate could be fitted.
        OptionError
            `singular` is neither True nor False.

        See Also
        --------
        Bootstrap.conf_int

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> b = m.bootstrap(99, seed=1)
        >>> bool((b.pvalues() <= 0.02).all())
        True
        """
        import pandas as pd

        frame = self._parameters(singular)[[f"beta_{name}" for name in self.names.beta]]
        values = frame.to_numpy()
        below, above = (values <= 0).sum(axis=0), (values >= 0).sum(axis=0)
        p = np.minimum(1.0, 2 * (1 + np.minimum(below, above)) / (1 + len(values)))
        return pd.Series(p, index=self.names.beta, name="pvalue")

    @names_arguments
    def summary(self, alpha: float = 0.05, *, method: str = "shortest") -> Result:
        """Estimates, their bias and standard errors, and intervals, as a table.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        method : str
            Of the intervals; see `conf_int`.

        Returns
        -------
        Result
            A row per parameter: ``estimate, bias, se, lower, upper``.

        Raises
        ------
        DataError
            No replicate could be fitted.
        OptionError
            An option has an unusable value.

        See Also
        --------
        Bootstrap.conf_int

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.bootstrap(50, seed=1).summary().to_frame()["parameter"].to_list()[:3]
        ['sigma', 'beta_Intercept', 'beta_Days']
        """
        frame, limits = self._parameters(True), self.conf_int(alpha, method=method)
        table = limits.set_axis(["lower", "upper"], axis=1)
        original = self.estimates[frame.columns]
        table.insert(0, "estimate", original)
        table.insert(1, "bias", frame.mean() - original)
        table.insert(2, "se", frame.std())
        table = table.rename_axis("parameter").reset_index()
        notes = [
            f"{self.n} replicates; {self.n_singular} singular, {self.n_failed} failed.",
            f"{coverage(alpha)} intervals, {method}.",
        ]
        without = limits.index[limits.isna().all(axis=1)]
        if method == "studentised" and len(without):
            notes.append(f"Without a standard error: {', '.join(without)}.")
        undefined = frame.columns[frame.isna().any()]
        if len(undefined):
            notes.append("Correlations: from the replicates in which no variance is zero.")
        return Result(self.title, table, notes)

    def plot(
        self,
        parameters: str | Iterable[str] | None = None,
        *,
        alpha: float = 0.05,
        method: str = "shortest",
        ax: Axes | None = None,
        axes=None,
    ) -> np.ndarray:
        """Draw the distribution of each parameter's estimates, its interval and the estimate.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            Names as in `frame`; all but those of θ, if not given.
        alpha, method
            As for `conf_int`.
        ax, axes : matplotlib Axes, or a sequence of them, optional
            Where to draw one panel, or several; a new figure, if neither is given.

        Returns
        -------
        ndarray of matplotlib Axes
            A panel for each parameter.

        Raises
        ------
        DataError
            There are no replicates.
        OptionError
            A parameter or an option is unknown, or matplotlib is not installed.

        See Also
        --------
        Bootstrap.conf_int : The intervals that are drawn.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> [ax] = m.bootstrap(100, seed=1).plot("sigma")
        >>> ax.get_xlabel()
        'sigma'
        """
        from numbamm.report.plots import axes as canvas
        from numbamm.report.plots.densities import Replicated, densities

        frame, limits = self._parameters(True), self.conf_int(alpha, method=method)
        usual = [name for name in frame if not name.startswith("theta_")]
        names = usual if parameters is None else name_list("parameters", parameters)
        unknown = [name for name in names if name not in frame]
        if unknown:
            hint = did_you_mean(unknown[0], frame.columns)
            raise OptionError(
                f"unknown parameter {unknown[0]!r}{hint}; there are {', '.join(frame)}"
            )
        estimates, shown = self.estimates, []
        for name in names:
            lower, upper = limits.loc[name]
            values = frame[name].to_numpy()
            shown.append(Replicated(name, values, estimates[name], lower, upper, _range(name)))
        return densities(shown, canvas.either(ax, axes))

    def to_frame(self) -> pd.DataFrame:
        """Estimates and 95 % intervals, a row per parameter; `frame` has the replicates."""
        return self.summary().to_frame()

    def _report(self) -> Report:
        if len(self.index):
            return self.summary()._report()
        return Report(self.title, notes=[f"{self.n} replicates, {self.n_failed} failed."])

    # ---- more replicates, and files ------------------------------------------------------

    @names_arguments
    def extend(self, n: int, *, workers=1, progress: bool | None = None, model=None) -> Bootstrap:
        """These replicates and n more, the same as from one call for all of them.

        Parameters
        ----------
        n : int
        workers, progress
            As for `bootstrap`.
        model : MixedModel, optional
            The fitted model; needed if the replicates were read from a file.

        Returns
        -------
        Bootstrap

        Raises
        ------
        OptionError
            `n` or an option has an unusable value; the replicates were read from a file and
            `model` is not given; or it is another model, or its fit has changed since.

        See Also
        --------
        bootstrap

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.bootstrap(30, seed=1).extend(20).n
        50
        """
        model = self._model if model is None else model
        if model is None:
            raise OptionError("replicates read from a file need their model: extend(n, model=...)")
        if self.kind in ("cases", "wild") and self._clusters is None:
            raise OptionError(f"replicates of {self.kind} from a file cannot be extended")
        if EstimateColumns.of(
            mixed_model(model), bool(self.names.errors)
        ).to_json() != self.names.to_json() or not np.allclose(
            self.names.row_of(model), self.original, rtol=1e-8, atol=1e-10
        ):
            raise OptionError(
                "model is not the one of these replicates, or its fit has changed: give the model "
                "as it was fitted for them"
            )
        return self._extended(model, valid_count("n", n), workers, progress)

    def save(self, path: str | os.PathLike) -> None:
        """Write the replicates to a Parquet file, for `load`; this needs pyarrow.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        OptionError
            The file cannot be written.

        See Also
        --------
        Bootstrap.load

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.bootstrap(20, seed=1).save(Path(folder) / "replicates.parquet")
        ...     mm.Bootstrap.load(Path(folder) / "replicates.parquet").n
        20
        """
        bootstrap_file.write(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Bootstrap:
        """Read replicates from a file that `save` wrote.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Bootstrap

        Raises
        ------
        OptionError
            The file cannot be read, is damaged, or holds something else.

        See Also
        --------
        Bootstrap.save

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.bootstrap(20, seed=1).save(Path(folder) / "replicates.parquet")
        ...     mm.Bootstrap.load(Path(folder) / "replicates.parquet").n_failed
        0
        """
        return cls(**bootstrap_file.read(path))

    # ---- the fits ------------------------------------------------------------------------------

    def _extended(self, model, n: int, workers, progress) -> Bootstrap:
        """A copy with n more replicates, or with those before an interrupt."""
        twin = model.twin()
        vars(twin.optsum).update(model.criterion)
        if self.kind == "parametric":
            task = bootstrap_task(twin, self.names, self.key)
        else:
            task = resampling_task(twin, self.names, self.key, self.kind, self._clusters)
        done, ended = run(task, range(self.n, self.n + n), workers, progress)
        if ended is None and sum(len(rows) for rows, _ in done) < n:
            warn("the bootstrap was interrupted; extend() adds more replicates")
        out = copy(self)
        out._model, out.failed = model, dict(self.failed)
        values, index, size = [self.values], [self.index], len(self.original)
        errors = [] if self.errors is None else [self.errors]
        for rows, failed in done:
            good = [i for i in rows if i not in failed]
            index.append(np.array(good, dtype=np.int64))
            made = np.array([rows[i] for i in good]).reshape(-1, size + len(self.names.errors))
            values.append(made[:, :size])
            errors.append(made[:, size:])
            out.failed |= failed
        out.values, out.index = np.concatenate(values), np.concatenate(index)
        out.errors = None if self.errors is None else np.concatenate(errors)
        thetas, unit = out.values[:, len(self.original) - len(model.theta) :], np.ones(1)
        if model.residual_side is not None and SIGMA in self.names.sizes:
            typical = model.sigma * model.residual_side.typical_deviation
            unit = typical / out.values[:, 1]
        out.singular = singular_fits(model, thetas, unit)
        if ended is not None:
            raise holding(ended, out)
        return out


def singular_fits(model, thetas, unit=np.ones(1)) -> np.ndarray:  # noqa: B008  never changed
    """`is_singular` for each line of θ; `unit` is a typical row's standard deviation over σ."""
    singular = np.zeros(len(thetas), dtype=bool)
    joint = model.scaled.structure
    for term, own, lam in zip(
        model.reterms, joint.split(thetas), joint.matrices(thetas), strict=True
    ):
        size = term.root_mean_squares(model.scaled.root) / unit[:, None]
        if term.structure.is_free:
            diagonal = np.abs(np.diagonal(lam, axis1=1, axis2=2))
            singular |= (diagonal * size < SINGULAR_TOLERANCE).any(axis=1)
        else:
            lacks = term.structure.lacks_rank
            sizes = np.broadcast_to(size, (len(own), size.shape[1]))
            pairs = zip(own, sizes, strict=True)
            singular |= [lacks(theta, size, SINGULAR_TOLERANCE) for theta, size in pairs]
    return singular


def _range(name: str) -> tuple[float, float]:
    """The range of a parameter."""
    if name.startswith("cor_"):
        return -1.0, 1.0
    if name.startswith("rho"):
        return -1.0, 1.0
    positive = name == SIGMA or name.startswith(("sd_", "range_", "rate_", "smoothness_"))
    return (0.0 if positive else -np.inf), np.inf


def shortest(values, alpha: float) -> tuple[float, float]:
    """The shortest interval that contains a share 1 - alpha of the values."""
    values = np.sort(values)
    if not len(values):
        return np.nan, np.nan
    count = max(1, int(np.ceil(round((1 - alpha) * len(values), 9))))
    with np.errstate(invalid="ignore"):  # differences of infinite shapes
        widths = values[count - 1 :] - values[: len(values) - count + 1]
    first = int(np.argmin(np.where(np.isnan(widths), np.inf, widths)))
    return values[first], values[first + count - 1]


def _equal_tailed(values, alpha: float) -> tuple[float, float]:
    """The interval between the quantiles alpha/2 and 1 - alpha/2."""
    if not len(values):
        return np.nan, np.nan
    method = "linear" if np.isfinite(values).all() else "inverted_cdf"
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2], method=method)
    return low, high
