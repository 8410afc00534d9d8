"""Known names by their likeness to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def by_likeness(name: str, known: Iterable[str]) -> list[str]:
    """`known`, the names most like `name` first; upper and lower case are the same."""

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(known, key=likeness, reverse=True)
