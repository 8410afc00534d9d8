"""`lmm_groups`: one formula fitted to many groups of rows, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from numbamm import formula as formulas
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, FormulaError, NumbammError, OptionError, shown
from numbamm.formula.caller import caller_namespace
from numbamm.formula.checks import check_gaussian
from numbamm.formula.columns import Table
from numbamm.formula.right_side import Design
from numbamm.formula.scan import scan
from numbamm.inference.fixed.contrast import on_kept_columns, rows_of
from numbamm.inference.many.batches import batches_of, ddf_method, run_many, valid_workers
from numbamm.inference.many.fit_columns import Names, columns_of, fdr_method
from numbamm.inference.many.fitter import Fitter, frame_of_rows
from numbamm.inference.many.lines import Lines, Sizes
from numbamm.inference.many.many_fits import ManyFits, many_fits
from numbamm.inference.many.store import Memory
from numbamm.inference.random.components import Components
from numbamm.models.linear import LinearMixedModel, check_sigma
from numbamm.options import flag, name_list

#: The largest number of groups in a batch.
MOST = 20


@names_arguments
def lmm_groups(
    formula: str,
    data,
    by: str | Sequence[str],
    *,
    reml: bool = False,
    weights: str | None = None,
    offset: str | None = None,
    contrasts: Mapping[str, Any] | None = None,
    sigma: float | None = None,
    amalgamate: bool = True,
    tests: Mapping[str, Any] | pd.DataFrame | None = None,
    ddf: str | None = None,
    fdr: str | None = None,
    workers=-1,
    progress: bool | None = None,
) -> ManyFits:
    """Fit one linear mixed model to each of many groups of rows: sites, items, studies.

    Each fit is that of `lmm` on the group's rows: levels, transforms and the rank are the group's
    own. So groups may have different coefficients.

    Parameters
    ----------
    formula : str
        For example ``"score ~ week + (1 | child)"``.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows of all groups.
    by : str or list of str
        The columns whose values make the groups; rows where one is missing belong to none.
    reml : bool
        Fit by REML instead of maximum likelihood.
    weights, offset : str, optional
        Names of columns.
    contrasts, sigma, amalgamate
        As for `lmm`.
    tests : dict or DataFrame, optional
        Linear combinations of the coefficients to be tested, by names of coefficients, as for
        `contrast`; each coefficient, if not given. A group that lacks one of a combination's
        coefficients has no such test.
    ddf : {"satterthwaite", "wald"}, optional
        Degrees of freedom of the tests; Satterthwaite's, if not given.
    fdr : {"bh", "by"}, optional
        Adjust the p-values of each test over all groups, as in `lmm_many`.
    workers, progress
        As for `lmm_many`.

    Returns
    -------
    ManyFits
        Groups that cannot be fitted (a single level, too few rows) are in its ``failed`` with the
        reasons.

    Raises
    ------
    FormulaError, DataError, OptionError
        The formula cannot be read, or an option or a column is unknown.

    WorkerError
        A process of the executor ended; its ``partial`` has the fits that are done.

    See Also
    --------
    lmm_many : Many responses of the same rows.
    lmm : One fit.

    Examples
    --------
    >>> import numbamm as mm
    >>> insteval = mm.datasets.load("InstEval")
    >>> r = mm.lmm_groups("y ~ service + (1 | d)", insteval, by="dept")
    >>> r.n, r.n_failed
    (14, 0)
    >>> r.to_frame("service[T.1]")["estimate"].round(2).to_list()[:3]
    [0.3, 0.15, 0.25]
    """
    fdr, method = fdr_method(fdr), ddf_method(ddf)
    workers = valid_workers(workers)
    table, by = Table(data), name_list("by", by)
    table.require(by, "the data (by)")
    if twice := [name for i, name in enumerate(by) if name in by[:i]]:
        raise OptionError(f"by has {shown(twice[0])} twice; name each column once")
    for option, value in (("weights", weights), ("offset", offset)):
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{option} must be the name of a column here, not an array")
    check_sigma(sigma)
    keys, rows = _groups(table, by)
    options = {
        "weights": weights,
        "offset": offset,
        "contrasts": contrasts,
        "amalgamate": amalgamate,
        "context": caller_namespace(),
    }
    task = _Groups(
        formula,
        _used_columns(formula, table, options),
        rows,
        options,
        {"reml": flag("reml", reml), "sigma": sigma},
        _by_name(tests),
        method,
    )
    gathered = _Gathered(fdr)
    done, ended = run_many(task, batches_of(len(keys), MOST), workers, gathered, progress)
    columns, names = gathered.columns()
    if tests is not None and (absent := [t for t in _by_name(tests) if t not in names.tests]):
        raise OptionError(
            f"tests: no group has the coefficients of {shown(absent[0])}; there are "
            f"{', '.join(names.beta)}"
        )
    criterion = "REML" if reml else "maximum likelihood"
    how = "Satterthwaite tests" if method == "satterthwaite" else "Wald tests"
    return many_fits(
        gathered,
        done,
        columns,
        title=f"Linear mixed models of groups by {criterion}, {how}",
        formula=formula.strip(),
        labels=by,
        keys=keys,
        names=names,
        path=None,
        fdr=fdr,
        ended=ended,
    )


def _groups(table: Table, by: list[str]) -> tuple[list, list[np.ndarray]]:
    """The groups' names, in the order of their levels, and their rows."""
    frame = pd.DataFrame({name: table.column(name) for name in by})
    grouped = frame.groupby(by if len(by) > 1 else by[0], observed=True, sort=True)
    indices = grouped.indices
    if not indices:
        raise DataError(f"by: no row has a value of {', '.join(by)}")
    keys = [key.item() if isinstance(key, np.generic) else key for key in indices]
    return keys, list(indices.values())


def _used_columns(formula: str, table: Table, options: dict) -> dict[str, pd.Series]:
    """The columns that the formula uses, and those named besides."""
    design = Design(scan(formula), table, options["contrasts"], options["context"])
    used = design.response_columns | design.fixed_columns | design.random_columns
    named = [options[name] for name in ("weights", "offset") if options[name] is not None]
    table.require(named, "the data")
    return {name: table.with_infinite(name) for name in sorted({*used, *named})}


def _by_name(tests) -> dict[str, dict]:
    """The tests as dicts of multipliers, by their names."""
    if tests is None:
        return {}
    if isinstance(tests, pd.DataFrame):
        return {str(name): dict(line[line != 0]) for name, line in tests.iterrows()}
    if not isinstance(tests, Mapping):
        raise OptionError(
            f"tests must be a dict or a frame here, since groups may have different coefficients, "
            f"not {shown(tests)}"
        )
    if any(isinstance(value, Mapping) for value in tests.values()):
        return {str(name): dict(line) for name, line in tests.items()}
    [name], _ = rows_of([*tests], tests)
    return {name: dict(tests)}


class _SharedFrame:
    """The model frame of all rows, of which groups are parts where they have all levels.

    Without transforms that are fitted to the rows, the columns of X are those of each group by
    itself, at a fraction of the time. Of factors each group needs all levels.
    """

    def __init__(self, frame, codes: list[np.ndarray]) -> None:
        self._frame, self._codes = frame, codes

    @classmethod
    def of(cls, formula, columns, options) -> _SharedFrame | None:
        """None where groups must be built one by one."""
        try:
            frame = formulas.model_frame(formula, columns, **options)
        except DataError:
            return None
        design = frame.design
        stateful = any(spec.transform_state for spec in design.specs.values())
        if stateful or design.offset_state or design.own or not frame.response.isidentifier():
            return None
        codes = []
        for expression in design.coding.levels:
            column = columns.get(expression)
            if column is None:
                return None
            codes.append(pd.Categorical(column.iloc[frame.rows]).codes)
        return cls(frame, codes)

    def of_group(self, rows):
        """The frame of a group's rows; None where a factor lacks levels there."""
        at = np.searchsorted(self._frame.rows, rows)
        at = np.minimum(at, len(self._frame.rows) - 1)
        at = at[self._frame.rows[at] == rows]
        if not len(at):
            return None
        for codes in self._codes:
            counts = np.bincount(codes[at], minlength=codes.max() + 1)
            if not counts.all():
                return None
        return frame_of_rows(self._frame, at)


class _Groups:
    """Builds the models of a batch of groups, and fits them.

    Each call returns the names and the lines of each group.
    """

    def __init__(self, formula, columns, rows, options, criterion, tests, method) -> None:
        self._formula, self._columns, self._rows = formula, columns, rows
        self._options, self._criterion = options, criterion
        self._tests, self._method = tests, method
        self._shared = _SharedFrame.of(formula, columns, options)

    def __call__(self, batch: range) -> list[tuple[Names, Lines]]:
        return [self._fit(self._rows[i]) for i in batch]

    def _fit(self, rows) -> tuple[Names, Lines]:
        try:
            model = self._model(rows)
            names, L = self._names_and_rows(model)
            fitter = Fitter(model, L, self._method)
        except (NumbammError, np.linalg.LinAlgError) as error:
            if isinstance(error, FormulaError):
                raise
            none = Lines.empty(1, Sizes(0, 0, 0, 0))
            none.failed[0] = str(error)
            return Names([], [], [], []), none
        return names, fitter(model.frame.y[None])

    def _model(self, rows) -> LinearMixedModel:
        frame = None if self._shared is None else self._shared.of_group(rows)
        if frame is None:
            part = {
                name: column.iloc[rows].reset_index(drop=True)
                for name, column in self._columns.items()
            }
            frame = formulas.model_frame(self._formula, part, **self._options)
        check_gaussian(frame, sigma_known=self._criterion["sigma"] is not None)
        model = LinearMixedModel.of_frame(frame, **self._criterion)
        model.optsum.configure()
        return model

    def _names_and_rows(self, model) -> tuple[Names, np.ndarray]:
        """The group's names, and the rows of its tests for the kept columns."""
        feterm = model.feterm
        beta, theta, components = feterm.kept_names, model.theta_names, Components.of(model).names
        if not self._tests:
            return Names(beta, theta, components, beta), np.eye(len(beta))
        names, L = [], np.zeros((0, len(feterm.cnames)))
        for name, multipliers in self._tests.items():
            if set(multipliers) <= set(feterm.cnames):
                names.append(name)
                L = np.vstack([L, rows_of(feterm.cnames, multipliers)[1]])
        kept, estimable = on_kept_columns(feterm, L)
        names = [name for name, fine in zip(names, estimable, strict=True) if fine]
        return Names(beta, theta, components, names), kept[estimable]


class _Gathered(Memory):
    """Keeps names and lines of groups, whose columns may differ."""

    def __init__(self, fdr: str | None) -> None:
        super().__init__(Names([], [], [], []), fdr)
        self._groups: list[tuple[Names, Lines]] = []

    def add(self, columns) -> None:
        self._groups += columns

    def columns(self) -> tuple[dict, Names]:
        """The columns of all groups, NaN where a group has none, and all their names."""
        every = [
            list(dict.fromkeys(name for names, _ in self._groups for name in getattr(names, kind)))
            for kind in ("beta", "theta", "components", "tests")
        ]
        names = self._names = Names(*every)
        lines = Lines.empty(len(self._groups), Sizes(*map(len, every)))
        for i, (own, line) in enumerate(self._groups):
            places = [
                np.array([whole.index(name) for name in part], dtype=np.int64)
                for whole, part in zip(
                    every, (own.beta, own.theta, own.components, own.tests), strict=True
                )
            ]
            lines.put_line(i, line, *places)
        columns = columns_of(lines, names)
        super().add(columns)
        return self.finish(), names
