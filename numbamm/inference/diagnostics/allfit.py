"""`allfit`: one model fitted with many optimisers, to see whether they agree."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import OptionError
from numbamm.optimize import available, resolve

if TYPE_CHECKING:
    import pandas as pd

#: Optimisers agree whose objectives differ by at most this: as -2 log-likelihood, a difference
#: that changes no conclusion.
TOLERANCE = 1e-4


@dataclass(repr=False)
class AllFit:
    """Fits of one model with several optimisers, side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        A line for each optimiser, the best first: ``optimizer``, ``objective``, ``excess`` (over
        the best objective), a column for each θ, ``evaluations``, ``seconds``, ``returnvalue``
        and ``message`` (warnings, or the error of a fit that failed, whose numbers are missing).
    names : list of str
        The columns of θ.
    tolerance : float
        Up to which excess optimisers agree.
    """

    table: pd.DataFrame
    names: list[str]
    tolerance: float = TOLERANCE

    @property
    def agree(self) -> bool:
        """Whether every fit came within `tolerance` of the best; a failed one did not."""
        return bool((self.table["excess"] <= self.tolerance).all())

    @property
    def verdict(self) -> str:
        """Whether the optimisers agree, in words, and which do not."""
        agreeing = self.table[self.table["excess"] <= self.tolerance]
        apart = self.table[self.table["excess"] > self.tolerance]
        failed = self.table[self.table["excess"].isna()]
        text = (
            f"{len(agreeing)} of {len(self.table)} optimisers agree on the objective within "
            f"{self.tolerance:g}"
        )
        if len(agreeing) > 1:
            theta = agreeing[self.names].to_numpy(dtype=np.float64)
            text += f", and on θ within {np.ptp(theta, axis=0).max(initial=0.0):.1g}"
        text += "."
        if len(apart):
            names = zip(apart["optimizer"], apart["excess"], strict=True)
            text += f" Short of the best: {', '.join(f'{n} (by {e:.2g})' for n, e in names)}."
        if len(failed):
            text += f" Failed: {', '.join(failed['optimizer'])}."
        return text

    def _shown(self) -> pd.DataFrame:
        """The table in strings, without messages."""
        shown = self.table.drop(columns="message")
        forms = {"objective": "{:.6f}", "excess": "{:.1e}", "seconds": "{:.3f}"}
        forms |= {name: "{:.5g}" for name in self.names} | {"evaluations": "{:.0f}"}
        for name, form in forms.items():
            shown[name] = ["–" if np.isnan(v) else form.format(v) for v in shown[name]]
        return shown

    def _notes(self) -> list[str]:
        said = zip(self.table["optimizer"], self.table["message"], strict=True)
        return [self.verdict, *(f"{name}: {message}" for name, message in said if message)]

    def __repr__(self) -> str:
        return "\n".join([self._shown().to_string(index=False), "", *self._notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes())
        return self._shown().to_html(index=False) + notes


def allfit(
    model,
    optimizers: str | Iterable[str] | None = None,
    *,
    maxfeval: int | None = None,
    maxtime: float | None = None,
    tolerance: float = TOLERANCE,
) -> AllFit:
    """Fit a model with one optimiser after the other, and compare where they end.

    A search that stops short looks like an estimate. Where optimisers of different kinds agree,
    it hardly is one.

    Parameters
    ----------
    model : MixedModel
        Fitted or not. It is left as it is; the fits use its data and the options in its
        ``optsum``, and start at ``optsum.initial``.
    optimizers : str or iterable of str, optional
        Names as in ``optsum.optimizer``; by default every available one, but only those that can
        do without a gradient where the model has none.
    maxfeval, maxtime : optional
        Limits of each fit, evaluations and seconds; those in ``optsum``, if not given.
    tolerance : float
        Up to which distance from the best objective optimisers agree.

    Returns
    -------
    AllFit
        A fit that fails is a line of its table, with the message of its error. An interrupt
        (Ctrl-C) ends the comparison, with the fits so far.

    Raises
    ------
    OptionError
        No optimiser is given, or one of an unknown name; or an option has an unusable value.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> mm.allfit(m, ["nlopt:LN_BOBYQA", "scipy:Powell"]).agree
    True
    """
    import pandas as pd

    names = _chosen(optimizers, hasattr(model, "objective_gradient"))
    twin = model._twin()
    twin._hold_start()
    for option, value in (("maxfeval", maxfeval), ("maxtime", maxtime)):
        if value is not None:
            setattr(twin.optsum, option, value)
    twin.optsum.validate()
    lines = []
    for name in names:
        lines.append(_line(twin, name))
        if lines[-1]["returnvalue"] == "INTERRUPTED":
            break
    table = pd.DataFrame(lines)
    table["excess"] = table["objective"] - table["objective"].min()
    table = table.sort_values("excess", kind="stable", ignore_index=True)
    theta = twin.optsum.names
    columns = ["optimizer", "objective", "excess", *theta]
    columns += ["evaluations", "seconds", "returnvalue", "message"]
    return AllFit(table[columns], list(theta), tolerance)


def _chosen(optimizers, has_gradient: bool) -> list[str]:
    """Full names of the optimisers asked for, each once."""
    if optimizers is None:
        return [n for n in available() if has_gradient or resolve(n).traits.gradient != "required"]
    asked = [optimizers] if isinstance(optimizers, str) else list(optimizers)
    if not asked:
        raise OptionError("allfit needs at least one optimizer")
    return list(dict.fromkeys(resolve(name).name for name in asked))


def _line(twin, name: str) -> dict:
    """One fit, as a line of the table."""
    start, failure = perf_counter(), None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            twin.refit(optimizer=name, progress=False)
        except Exception as error:  # whatever a plug-in raises is its line's message
            failure = error
    seconds, optsum = perf_counter() - start, twin.optsum
    said = [str(w.message) for w in caught] + ([str(failure)] if failure else [])
    line = {"optimizer": name, "seconds": seconds, "message": "; ".join(dict.fromkeys(said))}
    if failure is not None:
        missing = dict.fromkeys(["objective", "evaluations", *optsum.names], np.nan)
        return line | missing | {"returnvalue": "FAILED"}
    theta = dict(zip(optsum.names, optsum.final.tolist(), strict=True))
    outcome = {"objective": optsum.fmin, "evaluations": optsum.feval}
    return line | theta | outcome | {"returnvalue": optsum.returnvalue}
