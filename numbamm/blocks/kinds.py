"""Names of the numba types that declare the arguments of kernels."""

from __future__ import annotations

from numba import types

NOTHING, FLAG, INTEGER, NUMBER = types.none, types.boolean, types.int64, types.float64
REALS, MATRIX = types.float64[::1], types.float64[:, ::1]
FLAGS = types.boolean[::1]
INTEGERS, INDEX = types.int64[::1], types.int32[::1]
#: Integer arrays of two dimensions: a layout's table; the levels of the rows, one line a term.
TABLE, LEVELS = types.int64[:, ::1], types.int32[:, ::1]


def record(cls, **kinds):
    """The type of a named tuple, given those of its fields."""
    of_fields = [kinds[field] for field in cls._fields]
    if len(set(of_fields)) == 1:
        return types.NamedUniTuple(of_fields[0], len(of_fields), cls)
    return types.NamedTuple(of_fields, cls)
