"""What options may be given, checked in one place: values of any type, refused in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from numbamm.errors import OptionError


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """The value of an option, if it is one of these words.

    Raises
    ------
    OptionError
    """
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{name} must be one of {', '.join(known)}, not {shown(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """The value of an option, if it is true or false (numpy's and 0 and 1, too).

    Raises
    ------
    OptionError
    """
    if not np.isscalar(value) or value not in (True, False):
        raise OptionError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def numbers(name: str, value: Any) -> np.ndarray:
    """An array of float64 of what was given.

    Raises
    ------
    OptionError
        It holds what is no number.
    """
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise ValueError("its numbers are complex")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} must be numbers, not {shown(value)} ({error})") from None


def name_list(name: str, value: Any, *, least: int = 1) -> list[str]:
    """A list of names; one name alone is a list of one.

    Raises
    ------
    OptionError
        The value is neither, or has fewer names than the least number.
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
    """The value of an option, if it is a dict whose keys are names.

    Raises
    ------
    OptionError
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"{name} must be a dict with names as keys, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value for a message: its `repr` in one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def valid_alpha(alpha) -> float:
    """`alpha`, if it is between 0 and 1."""
    if not (isinstance(alpha, Real) and 0 < float(alpha) < 1):
        raise OptionError(f"alpha must be between 0 and 1, not {shown(alpha)}")
    return float(alpha)
