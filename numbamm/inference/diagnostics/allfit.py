"""`allfit`: one model fitted with many optimisers, to see whether they agree on the minimum."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from numbamm.blocks.jit import compile_time
from numbamm.blocks.threads import ThreadLocal, blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, WorkerError
from numbamm.inference.resampling.workers import checked, holding, in_order
from numbamm.optimize import available, resolve
from numbamm.options import name_list, non_negative
from numbamm.report.content import Report, of_frame
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

#: Optimisers agree if their objectives differ by at most this: a difference in -2 log-likelihood
#: that changes no conclusion.
TOLERANCE = 1e-4

#: Headings of columns, where they are not the usual ones.
_HEADINGS = {"objective": "objective"}


class MessagesByThread:
    """Gathers warnings by the thread that gives them.

    `warnings.catch_warnings` is for the whole process: two threads that use it at once restore
    each other's settings.
    """

    def __enter__(self) -> MessagesByThread:
        self._of_thread: dict[int, list[str]] = {}
        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._keep
        return self

    def __exit__(self, *error) -> None:
        self._catch.__exit__(*error)

    def _keep(self, message, *_, **__) -> None:
        self._of_thread.setdefault(threading.get_ident(), []).append(str(message))

    def take(self) -> list[str]:
        """The messages of the calling thread since it last took them."""
        return self._of_thread.pop(threading.get_ident(), [])


@dataclass(repr=False)
class AllFit(Tabular):
    """Fits of one model with several optimisers, side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per optimiser, the best first: ``optimizer``, ``objective``, ``excess`` (over the
        best objective), a column for each θ, ``evaluations``, ``seconds`` (without compilation),
        ``returnvalue`` and ``message`` (warnings, or the error if the fit failed; then numbers are
        missing).
    names : list of str
        Names of the columns for θ.
    tolerance : float
        The largest excess with which optimisers agree.
    agree : bool
        Whether every fit came within `tolerance` of the best; a failed fit counts as no.
    verdict : str
        The same in a sentence.

    See Also
    --------
    allfit : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> fits = mm.allfit(m, optimizers=["newton", "nlopt:LN_BOBYQA"])
    >>> fits.agree
    True
    """

    table: pd.DataFrame
    names: list[str]
    tolerance: float = TOLERANCE

    @property
    def agree(self) -> bool:
        """Whether every fit came within `tolerance` of the best; a failed fit counts as no."""
        return bool((self.table["excess"] <= self.tolerance).all())

    def plot(self, *, axes=None) -> np.ndarray:
        """Draw by how much each objective exceeds the best one, and the numbers of evaluations.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)

        Raises
        ------
        OptionError
            matplotlib is not installed.

        See Also
        --------
        allfit : The comparison.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> axes = mm.allfit(m, ["newton", "nlopt:LN_BOBYQA"]).plot()
        >>> [ax.get_xlabel() for ax in axes]
        ['Objective above the best', 'Evaluations']
        """
        from numbamm.report.plots.optimizers import optimizers

        return optimizers(self.table, tolerance=self.tolerance, axes=axes)

    @property
    def verdict(self) -> str:
        """A sentence on whether the optimisers agree, and which do not."""
        agreeing = self.table[self.table["excess"] <= self.tolerance]
        others = self.table[self.table["excess"] > self.tolerance]
        failed = self.table[self.table["excess"].isna()]
        text = (
            f"{len(agreeing)} of {len(self.table)} optimisers agree on the objective within "
            f"{self.tolerance:g}"
        )
        if len(agreeing) > 1:
            theta = agreeing[self.names].to_numpy(dtype=np.float64)
            text += f", and on θ within {np.ptp(theta, axis=0).max(initial=0.0):.1g}"
        text += "."
        if len(others):
            names = zip(others["optimizer"], others["excess"], strict=True)
            text += f" Worse than the best: {', '.join(f'{n} (by {e:.2g})' for n, e in names)}."
        if len(failed):
            text += f" Failed: {', '.join(failed['optimizer'])}."
        return text

    def _notes(self) -> list[str]:
        """The verdict, and the optimisers' messages."""
        messages = zip(self.table["optimizer"], self.table["message"], strict=True)
        return [self.verdict, *(f"{name}: {message}" for name, message in messages if message)]

    def to_frame(self) -> pd.DataFrame:
        """A copy of `table`."""
        return self.table.copy()

    def _report(self) -> Report:
        table = of_frame(self.table.drop(columns="message"), _HEADINGS)
        return Report("Fits with several optimisers", tables=[table], notes=self._notes())


@names_arguments
def allfit(
    model,
    optimizers: str | Iterable[str] | None = None,
    *,
    maxfeval: int | None = None,
    maxtime: float | None = None,
    tolerance: float = TOLERANCE,
    workers=1,
) -> AllFit:
    """Fit a model with one optimiser after another, and compare the minima that they find.

    A search that ends too early gives numbers that look like estimates. If optimisers of different
    kinds agree, this has hardly happened.

    Parameters
    ----------
    model : MixedModel
        A fitted or unfitted model; it is not changed. The fits use the options in its
        ``optsum`` and start at ``optsum.initial``.
    optimizers : str or iterable of str, optional
        Names as in ``optsum.optimizer``; all available ones, if not given. If the model has no
        gradient, those that need one are left out.
    maxfeval, maxtime : optional
        Limits of each fit, in evaluations and seconds; those in ``optsum``, if not given.
    tolerance : float
        The largest difference from the best objective with which optimisers agree.
    workers : int or executor
        Number of threads, -1 for one per processor, or an executor, as for `bootstrap`: each
        optimiser is a task. Of several at once, ``seconds`` are longer; other results do not
        depend on it.

    Returns
    -------
    AllFit
        A fit that fails has a row with its error message. An interrupt (Ctrl-C) ends the
        comparison; the fits that are done are kept.

    Raises
    ------
    OptionError
        The list of optimisers is empty or has an unknown name, or an option has an unusable value.
    WorkerError
        A process of the executor ended; its ``partial`` has the fits that are done.

    See Also
    --------
    check_convergence : How one search ended.
    optimize.available : The optimisers there are.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> mm.allfit(m, ["nlopt:LN_BOBYQA", "scipy:Powell"]).agree
    True
    """
    import pandas as pd

    names = _chosen(optimizers, hasattr(model, "objective_gradient"))
    tolerance = non_negative("tolerance", tolerance)
    twin = model.twin()
    twin.hold_start()
    for option, value in (("maxfeval", maxfeval), ("maxtime", maxtime)):
        if value is not None:
            setattr(twin.optsum, option, value)
    twin.optsum.validate()
    workers = checked(workers)
    done: dict[int, dict] = {}
    ended = None
    with MessagesByThread() as messages, blas_threads():
        try:
            for k, line in in_order(_Fits(twin, messages), names, workers):
                done[k] = line
                if line["returnvalue"] == "INTERRUPTED":
                    break
        except KeyboardInterrupt:
            if not done:
                raise
        except WorkerError as error:
            ended = error
    if ended is not None and not done:
        raise ended
    table = pd.DataFrame([done[k] for k in sorted(done)])
    table["excess"] = table["objective"] - table["objective"].min()
    table = table.sort_values("excess", kind="stable", ignore_index=True)
    theta = twin.optsum.names
    columns = ["optimizer", "objective", "excess", *theta]
    columns += ["evaluations", "seconds", "returnvalue", "message"]
    result = AllFit(table[columns], list(theta), tolerance)
    if ended is not None:
        raise holding(ended, result)
    return result


def _chosen(optimizers, has_gradient: bool) -> list[str]:
    """Full names of the optimisers to compare, each once."""
    if optimizers is None:
        return [n for n in available() if has_gradient or resolve(n).traits.gradient != "required"]
    names = name_list("optimizers", optimizers, least=0)
    if not names:
        raise OptionError("allfit needs at least one optimizer")
    return list(dict.fromkeys(resolve(name).name for name in names))


class _Fits(ThreadLocal):
    """A fit with one optimiser: a row of the table. Each thread has a copy of the model."""

    def __init__(self, twin, messages: MessagesByThread) -> None:
        super().__init__()
        self._twin, self._messages, self._pid = twin, messages, os.getpid()

    def __getstate__(self) -> dict:
        return super().__getstate__() | {"_messages": None}

    def __call__(self, name: str) -> dict:
        if not hasattr(self._local, "twin"):
            self._local.twin = deepcopy(self._twin)
        if self._messages is not None and os.getpid() == self._pid:
            return _line(self._local.twin, name, self._messages)
        with MessagesByThread() as messages:
            return _line(self._local.twin, name, messages)


def _line(twin, name: str, by_thread: MessagesByThread) -> dict:
    """Fit with one optimiser: a row of the table."""
    start, failure = perf_counter() - compile_time.seconds, None
    by_thread.take()
    try:
        twin.refit(optimizer=name, progress=False)
    except Exception as error:  # a plug-in may raise anything: it becomes the message
        failure = error
    seconds, optsum = perf_counter() - compile_time.seconds - start, twin.optsum
    messages = by_thread.take() + ([str(failure)] if failure else [])
    line = {"optimizer": name, "seconds": seconds, "message": "; ".join(dict.fromkeys(messages))}
    if failure is not None:
        missing = dict.fromkeys(["objective", "evaluations", *optsum.names], np.nan)
        return line | missing | {"returnvalue": "FAILED"}
    theta = dict(zip(optsum.names, optsum.final.tolist(), strict=True))
    outcome = {"objective": optsum.fmin, "evaluations": optsum.feval}
    return line | theta | outcome | {"returnvalue": optsum.returnvalue}
