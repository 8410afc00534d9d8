"""Checks of option values: each returns the value in its proper type or raises an `OptionError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from numbamm.errors import OptionError, did_you_mean, shown


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """An option that must be one of some words.

    Raises
    ------
    OptionError
    """
    known = list(known)
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise OptionError(f"{name} must be one of {', '.join(known)}, not {shown(value)}{hint}")
    return value


def grouping_factor(model, group: Any) -> str:
    """The option `group`, which must be the name of a grouping factor of the model.

    Raises
    ------
    OptionError
    """
    factors = list(dict.fromkeys(term.group for term in model.reterms))
    if not isinstance(group, str) or group not in factors:
        there = f"there are {', '.join(factors)}" if factors else "the model has no random effects"
        raise OptionError(
            f"group: {shown(group)} is no grouping factor{did_you_mean(str(group), factors)}; "
            f"{there}"
        )
    return group


def chosen_levels(model, group: str | None, levels: Any) -> dict[int, np.ndarray]:
    """Positions of chosen levels of a grouping factor, by term; empty if none were chosen.

    Raises
    ------
    OptionError
    """
    if levels is None:
        return {}
    if group is None:
        raise OptionError("levels needs group, the grouping factor whose levels are meant")
    wanted = [levels] if isinstance(levels, str) or np.isscalar(levels) else list(levels)
    found = {}
    for k, term in enumerate(model.reterms):
        if term.group == group:
            place = {level: j for j, level in enumerate(term.levels)}
            unknown = [level for level in wanted if level not in place]
            if unknown:
                raise OptionError(
                    f"levels: {shown(unknown[0])} is no level of {group}"
                    f"{did_you_mean(str(unknown[0]), place)}"
                )
            found[k] = np.array([place[level] for level in wanted], dtype=np.int64)
    return found


def flag(name: str, value: Any) -> bool:
    """An option that must be true or false; numpy's booleans, 0 and 1 count, too.

    Raises
    ------
    OptionError
    """
    if not np.isscalar(value) or value not in (True, False):
        raise OptionError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def numbers(name: str, value: Any) -> np.ndarray:
    """An option that must be a number or an array of numbers, as float64.

    Raises
    ------
    OptionError
    """
    kind = "numbers"
    try:
        array = np.asarray(value)
        if not np.iscomplexobj(array):
            return array.astype(np.float64)
        kind = "real numbers"
    except (TypeError, ValueError):  # no numbers, or lists of different lengths
        pass
    raise OptionError(f"{name} must be {kind}, not {shown(value)}")


def one_for_each(names: Iterable[str]) -> str:
    """What an option must be that has a number for each name, in words for a message."""
    names = list(names)
    return f"{len(names)} number{'s' * (len(names) != 1)} ({', '.join(names)})"


def non_negative(name: str, value: Any) -> float:
    """An option that must be a number of at least 0.

    Raises
    ------
    OptionError
    """
    if isinstance(value, bool) or not (isinstance(value, Real) and float(value) >= 0):
        raise OptionError(f"{name} must be a number of at least 0, not {shown(value)}")
    return float(value)


def name_list(name: str, value: Any, *, least: int = 1) -> list[str]:
    """An option that must be a name or a list of at least `least` names, as a list.

    Raises
    ------
    OptionError
    """
    listed: list
    try:
        listed = [value] if isinstance(value, str | Mapping) else list(value)
    except TypeError:
        listed = [value]
    if len(listed) < least or not all(isinstance(item, str) for item in listed):
        raise OptionError(f"{name} must be a name or a list of names, not {shown(value)}")
    return listed


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """An option that must be a dict whose keys are names.

    Raises
    ------
    OptionError
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"{name} must be a dict with names as keys, not {shown(value)}")
    return value


def valid_alpha(alpha) -> float:
    """The option `alpha`, which must be between 0 and 1.

    Raises
    ------
    OptionError
    """
    if not (isinstance(alpha, Real) and 0 < float(alpha) < 1):
        raise OptionError(f"alpha must be between 0 and 1, not {shown(alpha)}")
    return float(alpha)
