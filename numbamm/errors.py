"""The errors and warnings of numbamm, and how it warns.

Every error derives from `NumbammError` and from the built-in class that a caller would
expect, so ``except ValueError`` works as well as ``except mm.FormulaError``.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from types import FrameType
from typing import Any

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "FitError",
    "FormulaError",
    "NotFittedError",
    "NumbammError",
    "NumbammWarning",
    "OptionError",
    "OverdispersionWarning",
    "WorkerError",
]


def __dir__() -> list[str]:
    return sorted(__all__)


#: How numpy 2 writes its scalars within other texts: ``np.float64(1.0)``, ``np.str_('a')``.
_NUMPY_SCALAR = re.compile(
    r"\bnp\.(?:float|int|uint|complex|str|bytes|bool|longdouble|clongdouble|datetime|timedelta)"
    r"\w*\(('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^()'\"]*)\)"
)


class NumbammError(Exception):
    """Base class of all errors of numbamm.

    See Also
    --------
    FormulaError, DataError, OptionError, FitError, NotFittedError

    Examples
    --------
    >>> import numbamm as mm
    >>> issubclass(mm.DataError, mm.NumbammError)
    True
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(without_numpy(a) if isinstance(a, str) else a for a in args))


class FormulaError(NumbammError, ValueError):
    """The formula cannot be parsed, or does not describe a mixed model.

    See Also
    --------
    DataError

    Examples
    --------
    >>> import numbamm as mm
    >>> try:
    ...     mm.lmm("Reaction ~ Days", mm.datasets.load("sleepstudy"))
    ... except mm.FormulaError:
    ...     print("a mixed model has random effects")
    a mixed model has random effects
    """


class DataError(NumbammError, ValueError):
    """The data do not suit the formula; the message names the column or the rows.

    See Also
    --------
    FormulaError

    Examples
    --------
    >>> import numbamm as mm
    >>> try:
    ...     mm.lmm("Reaction ~ days + (1 | Subject)", mm.datasets.load("sleepstudy"))
    ... except mm.DataError as error:
    ...     print(error)
    there is no column 'days' in the data; did you mean 'Days'?
    """


class OptionError(NumbammError, ValueError):
    """An option has an unknown name or an unusable value.

    See Also
    --------
    config.set

    Examples
    --------
    >>> import numbamm as mm
    >>> try:
    ...     mm.config.set(maxtime="long")
    ... except mm.OptionError:
    ...     print("a number of seconds was expected")
    a number of seconds was expected
    """


class FitError(NumbammError, RuntimeError):
    """A model could not be fitted; it stays as it was before the fit.

    See Also
    --------
    ConvergenceWarning

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> try:
    ...     m.fit()
    ... except mm.FitError as error:
    ...     print(error)
    this model is fitted already; use refit() to fit it again
    """


class NotFittedError(NumbammError, RuntimeError):
    """Only a fitted model has this result: call `fit` first.

    See Also
    --------
    LinearMixedModel.fit

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> try:
    ...     m.params
    ... except mm.NotFittedError as error:
    ...     print(error)
    this model has not been fitted: call fit() first
    """


class WorkerError(FitError):
    """A process or machine that took part in a computation ended; what was done is kept.

    Attributes
    ----------
    partial
        The result so far: of `bootstrap` the replicates that are done, to which ``extend`` adds the
        others; of `profile`, `allfit`, `power`, `lmm_many` and `lmm_groups` the parameters,
        optimisers or fits that are done. None if nothing is.

    See Also
    --------
    bootstrap, lmm_many

    Examples
    --------
    >>> import numbamm as mm
    >>> issubclass(mm.WorkerError, mm.FitError)
    True
    """

    partial: Any = None


class NumbammWarning(UserWarning):
    """Base class of numbamm's warnings.

    See Also
    --------
    ConvergenceWarning, OverdispersionWarning

    Examples
    --------
    >>> import numbamm as mm
    >>> issubclass(mm.ConvergenceWarning, mm.NumbammWarning)
    True
    """


class ConvergenceWarning(NumbammWarning):
    """An optimiser stopped before it reached a minimum.

    See Also
    --------
    check_convergence

    Examples
    --------
    >>> import warnings
    >>> import numbamm as mm
    >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> m.optsum.maxfeval = 2
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     m = m.fit(optimizer="nlopt:LN_BOBYQA")
    >>> issubclass(caught[0].category, mm.ConvergenceWarning)
    True
    """


class OverdispersionWarning(NumbammWarning):
    """Counts vary more about their fitted means than their family implies.

    See Also
    --------
    check_overdispersion

    Examples
    --------
    >>> import warnings
    >>> import numbamm as mm
    >>> ticks = mm.datasets.load("grouseticks")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     m = mm.glmm("TICKS ~ YEAR + (1 | LOCATION)", ticks, "poisson")
    >>> issubclass(caught[0].category, mm.OverdispersionWarning)
    True
    """


def without_numpy(text: str) -> str:
    """A text with numbers as users write them: ``1.0`` instead of ``np.float64(1.0)``."""
    if "np." not in text:
        return text
    text = _NUMPY_SCALAR.sub(r"\1", text)
    return text.replace("np.True_", "True").replace("np.False_", "False")


def shown(value: Any) -> str:
    """A value as messages show it: its `repr` on one line, cut if it is long."""
    text = " ".join(without_numpy(repr(value)).split())
    return text if len(text) <= 80 else text[:77] + "..."


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """The end of a message, ``"; did you mean 'x'?"``; empty if no known name is similar."""
    names = [k for k in known if isinstance(k, str)]
    lower = {k.lower(): k for k in names}
    near = get_close_matches(name, names, n=1) or get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean '{lower.get(near[0], near[0])}'?" if near else ""


#: Packages whose functions may stand between a user's call and a warning: ours, and those that
#: we let call us back.
_INSIDE = {"numbamm", "numbamm_optimizers", "scipy", "nlopt", "contextlib", "functools"}


def warn(message: str | Warning, category: type[Warning] = NumbammWarning) -> None:
    """Warn of something as of the line outside numbamm that led here.

    However deep the cause lies, Python shows the user's own line with the warning, and filters
    by module and "once for each line" go by it.
    """
    level, frame = 1, sys._getframe(1)
    while frame is not None and _is_inside(frame):
        level, frame = level + 1, frame.f_back
    message = without_numpy(message) if isinstance(message, str) else message
    warnings.warn(message, category, stacklevel=level + 1)


def _is_inside(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE
