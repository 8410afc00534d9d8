"""All structures by name: the subclasses of `Structure` in the files of this folder."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np

import numbamm.structures
from numbamm.errors import did_you_mean
from numbamm.structures.joined import JOINED, Joined
from numbamm.structures.structure import Structure
from numbamm.structures.us import Us


@functools.cache
def by_name() -> dict[str, type[Structure]]:
    """The classes by their names in formulas, aliases included."""
    for module in pkgutil.iter_modules(numbamm.structures.__path__):
        importlib.import_module(f"numbamm.structures.{module.name}")
    return {name: kind for kind in _kinds(Structure) for name in kind.names}


def _kinds(base: Any) -> Iterator[type[Structure]]:
    """All subclasses of a class, direct and indirect ones."""
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


@functools.cache
def make(name: str, p: int, **options) -> Structure:
    """The structure of this name for p random effects; cached, and with it what it has computed."""
    kind: Any = by_name()[name]
    return kind(p, **options)


def others(name: str) -> str:
    """The end of a message about an unknown name: a similar one, or all that there are."""
    near = did_you_mean(name, by_name())
    return near or f"; there are {', '.join(sorted(by_name()))}"


def from_json(content: Any, p: int) -> Structure:
    """The structure of p columns that `Structure.to_json` describes."""
    if all(isinstance(entry, int) for entry in content):
        return _of_entries(np.array(content), p)
    name, inner = content
    if name == JOINED:
        return Joined(tuple(from_json(part, order) for order, part in inner))
    options = inner if isinstance(inner, dict) else {}  # others keep p there
    return by_name()[name].from_options(p, options)


def _of_entries(entries: np.ndarray, p: int) -> Structure:
    """The structure whose θ are these entries of λ: full triangles of consecutive columns."""
    row, column = np.divmod(entries, p)
    leader = np.full(p, p)
    np.minimum.at(leader, row, column)
    widths = np.unique(leader, return_counts=True)[1].tolist()
    return Us(p) if len(widths) == 1 else Joined(tuple(map(Us, widths)))
