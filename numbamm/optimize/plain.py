"""An `OptSummary` as strict JSON can hold it, and back: no arrays, no NaN, no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from numbamm import config
from numbamm.errors import OptionError

#: Version of what `to_plain` writes; another one is not read.
FORMAT_VERSION = 3
#: Fields that are lists, and fields that are words or are read as they are.
LISTS = ("initial", "lowerbd", "upperbd", "names", "log", "assigned")
WORDS = {"names", "fast", "optimizer", "returnvalue", "chosen", "reason"}
WORDS |= {"tail_kind", "tail_reason"}
#: Fields that files of earlier releases lack.
NEW = ("fast", "elapsed", "tail_kind", "tail_reason")


def to_plain(optsum) -> dict[str, Any]:
    """See `OptSummary.to_dict`."""
    values = {f.name: plain(getattr(optsum, f.name)) for f in fields(optsum)}
    values["initial_step"] = plain(optsum.own_initial_step)
    return {"version": FORMAT_VERSION, **values, "assigned": sorted(optsum._assigned)}


def from_plain(cls, values: Mapping[str, Any]):
    """See `OptSummary.from_dict`."""
    version = values.get("version") if isinstance(values, Mapping) else None
    if version != FORMAT_VERSION:
        raise OptionError(
            f"not an OptSummary of version {FORMAT_VERSION}, but of version {version}"
        )
    values = {**dict.fromkeys(NEW), **values}
    names = [f.name for f in fields(cls)]
    missing = [name for name in (*names, "assigned") if name not in values]
    if missing:
        raise OptionError(f"the OptSummary lacks {', '.join(missing)}")
    for name in LISTS:
        if not isinstance(values[name], list):
            raise OptionError(f"{name} must be a list, not {values[name]!r}")
    read = {}
    for name in names:
        try:
            read[name] = _read(name, values[name])
        except (TypeError, ValueError) as error:
            raise OptionError(f"{name} holds something else than numbers: {error}") from error
    optsum = cls(read["initial"], read["lowerbd"], read["names"])
    for name, value in read.items():
        setattr(optsum, name, value)
    # As recorded, also where None would mean what is configured here.
    vars(optsum).update({name: read[name] for name in names if name in config.OPTIONS})
    vars(optsum)["_assigned"] = frozenset(values["assigned"])
    optsum.validate()
    return optsum


def _read(name: str, value: Any) -> Any:
    """A field's value, from what `plain` made of it."""
    if name in WORDS:
        return value
    if name == "log":
        return [(np.array(numeric(x), dtype=np.float64), numeric(f)) for x, f in value]
    return numeric(value)


def plain(value: Any) -> Any:
    """`value` out of lists, numbers, strings and None; ``"nan"`` and ``"-inf"`` are strings."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def numeric(value: Any) -> Any:
    """The inverse of `plain` for numbers and lists of numbers, at any depth.

    Raises
    ------
    ValueError
        A string is not a number.
    """
    if isinstance(value, list):
        return [numeric(v) for v in value]
    return float(value) if isinstance(value, str) else value
