"""Errors and warnings that numbamm raises itself.

Every error derives from `NumbammError` and from the built-in class that a caller would
expect, so ``except ValueError`` works as well as ``except mm.FormulaError``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class NumbammError(Exception):
    """Base class of every error that numbamm raises on purpose."""


class FormulaError(NumbammError, ValueError):
    """The formula's text cannot be read, or means something that a mixed model cannot be."""


class DataError(NumbammError, ValueError):
    """The data cannot be used as the formula asks; the message names the column or the rows."""


class OptionError(NumbammError, ValueError):
    """An option has an unknown name or an unusable value."""


class FitError(NumbammError, RuntimeError):
    """The optimisation could not be carried out; the model stays as it was before."""


class NotFittedError(NumbammError, RuntimeError):
    """A result was asked for that only a fitted model has."""


class NumbammWarning(UserWarning):
    """Base class of numbamm's warnings."""


class ConvergenceWarning(NumbammWarning):
    """A search ended before it reached a minimum."""


class OverdispersionWarning(NumbammWarning):
    """Counts vary more about their fitted means than the family allows."""


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """``"; did you mean 'x'?"``, the end of a message, or nothing where no known name is near."""
    names = [k for k in known if isinstance(k, str)]
    lower = {k.lower(): k for k in names}
    near = get_close_matches(name, names, n=1) or get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean '{lower.get(near[0], near[0])}'?" if near else ""
