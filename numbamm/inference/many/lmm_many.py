"""`lmm_many`: one linear mixed model fitted to many responses."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, FormulaError, OptionError, warn
from numbamm.formula.columns import Table
from numbamm.inference.fixed.contrast import on_kept_columns, rows_of
from numbamm.inference.many.batches import (
    batches_of,
    ddf_method,
    run_many,
    store_for,
    valid_workers,
)
from numbamm.inference.many.fit_columns import Names, columns_of, fdr_method
from numbamm.inference.many.fitter import Fitter, placeholder
from numbamm.inference.many.many_fits import ManyFits, many_fits
from numbamm.inference.many.responses import Responses, responses_of
from numbamm.inference.random.components import Components
from numbamm.models.fitting.residual_variance import is_unbounded
from numbamm.models.linear import LinearMixedModel

#: The most numbers that a batch of responses has.
MOST_NUMBERS = 2_000_000


@names_arguments
def lmm_many(
    formula: str,
    data,
    Y,
    *,
    reml: bool = False,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    sigma: float | None = None,
    amalgamate: bool = True,
    tests: ArrayLike | Mapping[str, Any] | None = None,
    ddf: str | None = None,
    fdr: str | None = None,
    path: str | PathLike | None = None,
    workers=-1,
    progress: bool | None = None,
) -> ManyFits:
    """Fit one linear mixed model to each of many responses: genes, voxels, items, simulations.

    The design is built once, and compiled code fits the responses on threads. Each fit is that of
    `lmm` with this response.

    Parameters
    ----------
    formula : str
        Without a response, ``"~ group + (1 | subject)"``. A name left of ``~`` stands for each
        response in turn, whether there is such a column or not.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in columns that the formula uses are dropped.
    Y : list of str, frame, Series, array or path
        The responses: names of columns of `data`; a frame with a column for each, or a Series; an
        array of shape (rows of the data, responses), dense or sparse; or a Parquet file with a
        column for each, which is read batch by batch. A pandas frame is matched to the data by its
        index.
        A response is fitted to the rows in which it is not missing.
    reml : bool
        Fit by REML instead of maximum likelihood.
    weights, offset, contrasts, sigma, amalgamate
        As for `lmm`.
    tests : array, DataFrame or dict, optional
        Linear combinations of the coefficients to be tested, as for `contrast`; each coefficient,
        if not given.
    ddf : {"satterthwaite", "wald"}, optional
        Degrees of freedom of the tests; Satterthwaite's, if not given.
    fdr : {"bh", "by"}, optional
        Adjust the p-values of each test over all responses by the method of Benjamini and
        Hochberg, or of Benjamini and Yekutieli, which bound the share of false discoveries.
    path : str or path, optional
        Write the columns of ``ManyFits.fits`` to this Parquet file, batch by batch, instead of
        keeping them in memory; with ``reason`` and ``doubt`` for responses that have one.
    workers : int or executor
        Number of threads, -1 for one per processor; or an executor, as for `bootstrap`.
        Results do not depend on it.
    progress : bool, optional
        Show a progress bar, if tqdm is installed; on a terminal by default.

    Returns
    -------
    ManyFits
        Responses that cannot be fitted (constant, infinite, with too few rows) are in its
        ``failed`` with the reasons. An interrupt (Ctrl-C) keeps the fits that are done.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any fit; the message names the column, term or option.

    WorkerError
        A process of the executor ended; its ``partial`` has the fits that are done.

    See Also
    --------
    lmm : One response.
    lmm_groups : One response in many groups of rows.
    ManyFits : What is returned.

    Notes
    -----
    Searches begin where those of `lmm` do; at the points of its lattice of scales the factor of
    [Z X] is computed once for all responses. They end with Newton steps by exact second
    derivatives, which also give Satterthwaite's degrees of freedom. Responses that lack the same
    rows share A; where others are missing, A is summed anew from the rows that there are.

    A coefficient keeps its meaning in all responses: where a response has no row of a factor's
    level, coefficients that cannot be estimated without it are missing.

    Models with structures such as ``homdiag``, or more than 150 θ, are refitted one by one.

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> Y = np.random.default_rng(1).normal(size=(180, 1000))
    >>> Y[:, 7] += sleep["Days"]
    >>> r = mm.lmm_many("~ Days + (1 | Subject)", sleep, Y, reml=True, fdr="bh")
    >>> days = r.to_frame("Days")
    >>> days.loc[days["padjusted"] < 0.05, "response"].to_list()
    [7]
    """
    fdr, method = fdr_method(fdr), ddf_method(ddf)
    workers = valid_workers(workers)
    table = Table(data)
    responses = responses_of(Y, table)
    name, shown = _with_response(formula, table)
    columns: dict = {column: table.native(column) for column in table.names}
    columns[name] = placeholder(table.nrows)
    model = LinearMixedModel(
        f"{name} ~ {shown.partition('~')[2]}",
        columns,
        reml=reml,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        sigma=sigma,
        amalgamate=amalgamate,
    )
    model.optsum.configure()
    names, L = _names_and_rows(model, tests)
    store = store_for(path, names, fdr)
    task = _Batch(Fitter(model, L, method), responses, model.frame.rows, names)
    batches = batches_of(len(responses.names), max(1, MOST_NUMBERS // model.nobs))
    done, ended = run_many(task, batches, workers, store, progress)
    if is_unbounded(model):
        warn(
            "the fixed and random effects together fit any response exactly, so that the "
            "likelihood grows without limit as the residual variance vanishes: leave out a term, "
            "or fit by REML"
        )
    return many_fits(
        store,
        done,
        store.finish(),
        title=_title(model, method),
        formula=shown.strip(),
        labels=["response"],
        keys=responses.names,
        names=names,
        path=path,
        fdr=fdr,
        ended=ended,
    )


def _names_and_rows(model, tests) -> tuple[Names, np.ndarray]:
    """All names, and the rows of the tests for the kept columns.

    Raises
    ------
    DataError
        A test is not estimable.
    """
    feterm = model.feterm
    beta, theta, components = feterm.kept_names, model.theta_names, Components.of(model).names
    if tests is None:
        return Names(beta, theta, components, beta), np.eye(len(beta))
    given, L = rows_of(feterm.cnames, tests)
    kept, estimable = on_kept_columns(feterm, L)
    if not estimable.all():
        raise DataError(
            f"tests: not estimable: {', '.join(np.array(given)[~estimable])}; the fixed effects "
            f"are rank-deficient, without a coefficient for {', '.join(feterm.dropped)}"
        )
    return Names(beta, theta, components, _distinct(given, beta)), kept


def _title(model, method: str) -> str:
    criterion = "REML" if model.optsum.reml else "maximum likelihood"
    tests = "Satterthwaite tests" if method == "satterthwaite" else "Wald tests"
    return f"Linear mixed models of many responses by {criterion}, {tests}"


def _with_response(formula: str, table: Table) -> tuple[str, str]:
    """A name for the response that is no column of the data, and the formula as it is shown."""
    if not isinstance(formula, str):
        raise FormulaError(f"a formula must be a string, not {type(formula).__name__}")
    left, tilde, right = formula.partition("~")
    left = left.strip()
    if tilde and left and not (left.isidentifier() or left[0] == left[-1] == "`"):
        raise FormulaError(
            f"left of ~ stands {left!r}: it must be empty, or a name that stands for each response "
            "in turn; compute transformed responses in Y"
        )
    name = "response"
    while name in table.names or name in right:
        name += "_"
    return name, formula if tilde else f"~ {formula}"


def _distinct(tests: list[str], coefficients: list[str]) -> list[str]:
    """Names of tests, of which none is that of a coefficient or of another test."""
    for i, name in enumerate(tests):
        if name in coefficients or name in tests[:i]:
            raise OptionError(
                f"tests: {name!r} is the name of a coefficient or of another test; take another one"
            )
    return tests


class _Batch:
    """Reads a batch of responses, and fits them."""

    def __init__(self, fitter: Fitter, responses: Responses, rows, names: Names) -> None:
        self._fitter, self._responses, self._rows, self._names = fitter, responses, rows, names

    def __call__(self, batch: range) -> dict:
        y = self._responses.read(batch.start, batch.stop)
        keys = np.array(self._responses.names[batch.start : batch.stop])
        columns = columns_of(self._fitter(np.ascontiguousarray(y[:, self._rows])), self._names)
        return {"response": keys, **columns}
