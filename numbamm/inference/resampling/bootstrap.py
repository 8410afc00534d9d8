"""Parametric bootstrap: the model fitted again to responses drawn from it."""

from __future__ import annotations

import io
import json
import os
import warnings
import zlib
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numbamm import files
from numbamm.errors import DataError, NumbammWarning, OptionError
from numbamm.inference.comparison.reduced import criterion
from numbamm.inference.random.components import SIGMA
from numbamm.inference.resampling.refits import Names, refits_of
from numbamm.inference.resampling.replicates import count, key_of, run
from numbamm.models.inside import root_mean_squares
from numbamm.models.mixedmodel import SINGULAR_TOLERANCE
from numbamm.options import one_of, valid_alpha
from numbamm.report.result import Result

if TYPE_CHECKING:
    import pandas as pd

#: The methods of intervals.
METHODS = ("shortest", "equal-tailed")


def bootstrap(
    model, n: int, seed: int | None = None, *, workers=1, progress: bool | None = None
) -> Bootstrap:
    """Fit a model to responses drawn from it, again and again.

    Parameters
    ----------
    model : MixedModel
        Fitted. It is left as it is.
    n : int
        Number of replicates.
    seed : int, optional
        What makes the draws reproducible. Replicate i has a stream of its own, keyed by the seed
        and i, so that frames do not depend on the number of workers.
    workers : int or executor
        Number of threads; -1 for one a processor. Or what has processes or machines at hand: any
        `concurrent.futures.Executor`, a dask ``Client``, or a ``joblib.Parallel``, of which one
        with ``return_as="generator_unordered"`` keeps the finished part on an interrupt.
    progress : bool, optional
        Show a progress bar, if tqdm is installed; on a terminal by default.

    Returns
    -------
    Bootstrap
        An interrupt (Ctrl-C) ends the work, with the replicates so far.

    Raises
    ------
    NotFittedError
        Before `fit`.
    OptionError
        If there are no replicates or no workers to be.

    Notes
    -----
    A linear model is fitted by compiled code on threads that share the cross-products of Z and X,
    with numbamm's own optimiser, whatever the first fit used; under the criterion of that fit,
    with its weights, offset and given σ. A search begins at the estimates or, if these are
    singular, where that of the first fit began. Generalized models, and linear ones of more than
    150 θ or with other bounds than their own, take `simulate` and `refit`, in a copy of the model
    for each thread.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> b = mm.bootstrap(m, 200, seed=1)
    >>> b.frame.shape
    (200, 6)
    """
    _ = model.estimates
    return Bootstrap._of(model, seed)._extended(model, count("n", n), workers, progress)


@dataclass(repr=False)
class Bootstrap:
    """Replicates of a model's estimates.

    Attributes
    ----------
    title : str
        What was fitted.
    names : object
        What the columns are called.
    key : int
        The seed of all streams.
    original : ndarray
        The model's own estimates, as `values`.
    values : ndarray, shape (successful replicates, ...)
        The replicates' estimates.
    index : ndarray of int
        The replicates' numbers, from 0.
    singular : ndarray of bool
        Whether a replicate's fit is singular, by the rule of `is_singular`.
    failed : dict of int to str
        Replicates that could not be fitted, and why.
    given : list of str
        Columns that every fit holds at a given value.
    """

    title: str
    names: Names
    key: int
    original: np.ndarray
    values: np.ndarray
    index: np.ndarray
    singular: np.ndarray
    failed: dict = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    _model: object = None

    @classmethod
    def _of(cls, model, seed) -> Bootstrap:
        """Without any replicate."""
        names = Names.of(model)
        original = names.line(model)
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
        )

    # ---- what there is -------------------------------------------------------------------------

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
        """The replicates that could be fitted, a pandas frame by number.

        Columns: ``objective``; ``sigma`` (and ``shape``); ``beta_`` and ``theta_`` with the name
        of each parameter; standard deviations and correlations of the random effects, as
        ``sd_Days|Subject`` and ``cor_Days.Intercept|Subject``; ``singular``.
        """
        import pandas as pd

        frame = self._frame(self.values)
        frame.index = pd.Index(self.index, name="replicate")
        return frame.assign(singular=self.singular)

    @property
    def estimates(self) -> pd.Series:
        """The model's own estimates, a pandas Series by column of `frame`."""
        return self._frame(self.original[None]).iloc[0].rename("estimate")

    def _frame(self, values):
        import pandas as pd

        names, ntheta = self.names, len(self.names.theta)
        sigma = values[:, 1] if SIGMA in names.sizes else np.ones(len(values))
        more = names.components.values(values[:, values.shape[1] - ntheta :], sigma)
        columns = [*names.columns, *names.components.names]
        return pd.DataFrame(np.hstack([values, more]), columns=columns)

    def _parameters(self, singular: bool):
        """The frame of what is estimated, with or without the singular fits."""
        if not len(self.index):
            raise DataError("there is no replicate that could be fitted")
        frame = self.frame.drop(columns=["objective", "singular", *self.given])
        return frame if singular else frame[~self.singular]

    # ---- what follows ----------------------------------------------------------------------

    def conf_int(
        self, alpha: float = 0.05, method: str = "shortest", *, singular: bool = True
    ) -> pd.DataFrame:
        """Percentile intervals of every parameter.

        Parameters
        ----------
        alpha : float
            One minus the coverage.
        method : {"shortest", "equal-tailed"}
            The shortest interval that holds the share of the replicates, or the one between
            quantiles.
        singular : bool
            Whether singular fits count.

        Returns
        -------
        pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a line per parameter. Correlations go by
            the replicates that have one.
        """
        import pandas as pd

        method = one_of("method", method, METHODS)
        alpha = valid_alpha(alpha)
        interval = shortest if method == "shortest" else _equal_tailed
        frame = self._parameters(singular)
        limits = [interval(frame[name].dropna().to_numpy(), alpha) for name in frame]
        return pd.DataFrame(limits, index=frame.columns, columns=[0, 1])

    def pvalues(self, *, singular: bool = True) -> pd.Series:
        """Two-sided p-values of the coefficients against zero, a pandas Series by coefficient.

        Twice the smaller share of replicates on one side of zero, zero itself added to the
        replicates (Davison & Hinkley, 1997, section 4.2): they invert the equal-tailed
        intervals, and are at least 2 / (n + 1).
        """
        import pandas as pd

        frame = self._parameters(singular)[[f"beta_{name}" for name in self.names.beta]]
        values = frame.to_numpy()
        below, above = (values <= 0).sum(axis=0), (values >= 0).sum(axis=0)
        p = np.minimum(1.0, 2 * (1 + np.minimum(below, above)) / (1 + len(values)))
        return pd.Series(p, index=self.names.beta, name="pvalue")

    def summary(self, alpha: float = 0.05, method: str = "shortest") -> Result:
        """Estimates, their bias and standard errors, and intervals, as a table."""
        frame, limits = self._parameters(True), self.conf_int(alpha, method)
        table = limits.set_axis(["lower", "upper"], axis=1)
        own = self.estimates[frame.columns]
        table.insert(0, "estimate", own)
        table.insert(1, "bias", frame.mean() - own)
        table.insert(2, "std.err", frame.std())
        table = table.rename_axis("parameter").reset_index()
        notes = [
            f"{self.n} replicates; {self.n_singular} singular, {self.n_failed} failed.",
            f"{100 * (1 - alpha):g} % intervals, {method}.",
        ]
        undefined = frame.columns[frame.isna().any()]
        if len(undefined):
            notes.append("Correlations: only of replicates that have one.")
        return Result(self.title, table, notes)

    def __repr__(self) -> str:
        return repr(self.summary()) if len(self.index) else self._empty()

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_() if len(self.index) else f"<p>{self._empty()}</p>"

    def _empty(self) -> str:
        return f"{self.title}\n {self.n} replicates, {self.n_failed} failed."

    # ---- more of them, and keeping them ------------------------------------------------------

    def extend(self, n: int, *, workers=1, progress: bool | None = None, model=None) -> Bootstrap:
        """These replicates and n more, as one call with all of them would give.

        Parameters
        ----------
        n : int
        workers, progress
            As for `bootstrap`.
        model : MixedModel, optional
            The fitted model, for replicates that come from a file.

        Returns
        -------
        Bootstrap
        """
        model = self._model if model is None else model
        if model is None:
            raise OptionError("replicates from a file need their model: extend(n, model=...)")
        if Names.of(model).to_json() != self.names.to_json() or not np.allclose(
            self.names.line(model), self.original, rtol=1e-8, atol=1e-10
        ):
            raise OptionError("these replicates are of another model, or of another fit of it")
        return self._extended(model, count("n", n), workers, progress)

    def save(self, path: str | os.PathLike) -> None:
        """Write the replicates to a Parquet file, which `load` reads; pyarrow is needed.

        Raises
        ------
        OptionError
            The file cannot be written.
        """
        pa = _pyarrow()
        about = {
            "version": 2,
            "title": self.title,
            "names": self.names.to_json(),
            "key": self.key,
            "original": self.original.tolist(),
            "failed": {str(i): why for i, why in self.failed.items()},
            "given": self.given,
        }
        columns = {"replicate": self.index, "singular": self.singular}
        columns |= dict(zip(self.names.columns, self.values.T.copy(), strict=True))
        text = json.dumps(about).encode()
        metadata = {b"numbamm": text, b"crc32": _checksum(text, self.values, self.index)}
        content = io.BytesIO()
        pa.parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), content)
        files.write(path, content.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Bootstrap:
        """Replicates that `save` wrote.

        Raises
        ------
        OptionError
            The file cannot be read, is damaged, or holds something else.
        """
        pa = _pyarrow()
        damage = (pa.ArrowException, OSError, LookupError, TypeError, ValueError, AttributeError)
        damage += (OverflowError, RecursionError)
        try:
            return cls._of_table(pa.parquet.read_table(files.as_path(path)))
        except damage as error:
            raise OptionError(
                f"{path} is no file of bootstrap replicates, or it is damaged: {error!r}"
            ) from error

    @classmethod
    def _of_table(cls, table) -> Bootstrap:
        about = json.loads(table.schema.metadata[b"numbamm"])
        names = Names.from_json(about["names"])
        values = np.column_stack([table[name].to_numpy() for name in names.columns])
        index = table["replicate"].to_numpy()
        if about["version"] > 1:
            said = table.schema.metadata[b"crc32"]
            if said != _checksum(table.schema.metadata[b"numbamm"], values, index):
                raise ValueError("its checksum is wrong")
        return cls(
            about["title"],
            names,
            about["key"],
            np.array(about["original"]),
            values,
            index,
            table["singular"].to_numpy(zero_copy_only=False),
            {int(i): why for i, why in about["failed"].items()},
            about["given"],
        )

    # ---- the work ------------------------------------------------------------------------------

    def _extended(self, model, n: int, workers, progress) -> Bootstrap:
        twin = model._twin()
        vars(twin.optsum).update(criterion(model))
        drawer = refits_of(twin, self.names, self.key)
        done = run(drawer, range(self.n, self.n + n), workers, progress)
        if sum(len(lines) for lines, _ in done) < n:
            warnings.warn(
                "the bootstrap was interrupted; extend() goes on with it",
                NumbammWarning,
                stacklevel=3,
            )
        out = copy(self)
        out._model, out.failed = model, dict(self.failed)
        values, index = [self.values], [self.index]
        for lines, failed in done:
            good = [i for i in lines if i not in failed]
            index.append(np.array(good, dtype=np.int64))
            values.append(np.array([lines[i] for i in good]).reshape(-1, len(self.original)))
            out.failed |= failed
        out.values, out.index = np.concatenate(values), np.concatenate(index)
        out.singular = _singular(model, out.values[:, len(self.original) - len(model.theta) :])
        return out


def _checksum(text: bytes, values: np.ndarray, index: np.ndarray) -> bytes:
    """Of all that a file of replicates says."""
    content = [text, np.ascontiguousarray(values).tobytes(), index.astype(np.int64).tobytes()]
    return str(zlib.crc32(b"".join(content))).encode()


def _singular(model, thetas) -> np.ndarray:
    """`is_singular` for each line of θ."""
    singular, at = np.zeros(len(thetas), dtype=bool), 0
    for term in model.reterms:
        size = root_mean_squares(term, model._root)[term.inds // term.p]
        diagonal = term.inds // term.p == term.inds % term.p
        part = np.abs(thetas[:, at : at + len(term.inds)]) * size < SINGULAR_TOLERANCE
        singular |= part[:, diagonal].any(axis=1)
        at += len(term.inds)
    return singular


def shortest(values, alpha: float) -> tuple[float, float]:
    """The shortest interval that holds a share 1 - alpha of the values."""
    values = np.sort(values)
    if not len(values):
        return np.nan, np.nan
    inside = max(1, int(np.ceil(round((1 - alpha) * len(values), 9))))
    with np.errstate(invalid="ignore"):  # infinite shapes
        widths = values[inside - 1 :] - values[: len(values) - inside + 1]
    first = int(np.argmin(np.where(np.isnan(widths), np.inf, widths)))
    return values[first], values[first + inside - 1]


def _equal_tailed(values, alpha: float) -> tuple[float, float]:
    if not len(values):
        return np.nan, np.nan
    method = "linear" if np.isfinite(values).all() else "inverted_cdf"
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2], method=method)
    return low, high


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise OptionError("Parquet files need pyarrow: pip install 'numbamm[parquet]'") from error
    return pyarrow
