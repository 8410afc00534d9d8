"""The errors and warnings of numbamm.

Every error derives from `NumbammError` and from the built-in class that a caller would
expect, so ``except ValueError`` works as well as ``except mm.FormulaError``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class NumbammError(Exception):
    """Base class of all errors of numbamm."""


class FormulaError(NumbammError, ValueError):
    """The formula cannot be parsed, or does not describe a mixed model."""


class DataError(NumbammError, ValueError):
    """The data do not suit the formula; the message names the column or the rows."""


class OptionError(NumbammError, ValueError):
    """An option has an unknown name or an unusable value."""


class FitError(NumbammError, RuntimeError):
    """A model could not be fitted; it stays as it was before the fit."""


class NotFittedError(NumbammError, RuntimeError):
    """Only a fitted model has this result: call `fit` first."""


class NumbammWarning(UserWarning):
    """Base class of numbamm's warnings."""


class ConvergenceWarning(NumbammWarning):
    """An optimiser stopped before it reached a minimum."""


class OverdispersionWarning(NumbammWarning):
    """Counts vary more about their fitted means than their family implies."""


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """The end of a message, ``"; did you mean 'x'?"``; empty if no known name is similar."""
    names = [k for k in known if isinstance(k, str)]
    lower = {k.lower(): k for k in names}
    near = get_close_matches(name, names, n=1) or get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean '{lower.get(near[0], near[0])}'?" if near else ""
