"""Types of the arguments of kernels, where they are known before a kernel is called."""

from __future__ import annotations

from numba import types

NOTHING, FLAG, INTEGER, NUMBER = types.none, types.boolean, types.int64, types.float64
REALS, MATRIX = types.float64[::1], types.float64[:, ::1]
FLAGS = types.boolean[::1]
INTEGERS, INDEX = types.int64[::1], types.int32[::1]
#: As arrays of whole numbers of two dimensions: a layout's table; levels, one line a term.
TABLE, LEVELS = types.int64[:, ::1], types.int32[:, ::1]


def record(cls, **kinds):
    """The type of a named tuple, given those of its fields."""
    return types.NamedTuple([kinds[field] for field in cls._fields], cls)
