"""Which known name a mistyped one stands next to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def by_likeness(name: str, known: Iterable[str]) -> list[str]:
    """`known`, the names most like `name` first; upper and lower case are the same."""

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(known, key=likeness, reverse=True)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest of the names that there are."""
    return f"did you mean {by_likeness(name, known)[0]!r}?"
