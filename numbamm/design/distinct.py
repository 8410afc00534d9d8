"""`Distinct`: the different ones among many integers that come in parts."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, INTEGERS

#: The share of a hash table's slots that may be in use.
FILL = 0.6
EMPTY = -1


class Distinct:
    """Numbers of the different keys that have been seen, in order of appearance.

    A hash table with open addressing, which holds 16 bytes for each slot. It grows as keys come.

    Attributes
    ----------
    count : int
        How many different keys there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._slots = np.full(2, EMPTY, dtype=np.int64), np.zeros(2, dtype=np.int64)

    def numbers(self, keys) -> np.ndarray:
        """The number of each key, shape (n,); those from the former `count` on are new.

        Parameters
        ----------
        keys : ndarray of int64, shape (n,)
            None of them negative.
        """
        numbers = np.empty(len(keys), dtype=np.int64)
        self._reserve(self.count + len(keys))
        self.count = insert(np.ascontiguousarray(keys), *self._slots, self.count, numbers)
        return numbers

    def _reserve(self, count: int) -> None:
        keys, numbers = self._slots
        if count <= FILL * len(keys):
            return
        size = 2 ** int(np.ceil(np.log2(max(count, 2) / FILL)))
        self._slots = np.full(size, EMPTY, dtype=np.int64), np.zeros(size, dtype=np.int64)
        move(keys, numbers, *self._slots)


@jit
def _slot(key, table):
    """The slot that holds a key, or the empty one in which it belongs."""
    last = np.uint64(len(table) - 1)
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    at = (mixed ^ (mixed >> np.uint64(32))) & last
    while table[at] != EMPTY and table[at] != key:
        at = (at + np.uint64(1)) & last
    return at


@jit(takes=(INTEGERS, INTEGERS, INTEGERS, INTEGER, INTEGERS), gives=INTEGER)
def insert(keys, table, numbers, count, out):
    """Number keys, adding new ones to the table; returns how many different ones it holds."""
    for i in range(len(keys)):
        at = _slot(keys[i], table)
        if table[at] == EMPTY:
            table[at], numbers[at] = keys[i], count
            count += 1
        out[i] = numbers[at]
    return count


@jit(takes=(INTEGERS, INTEGERS, INTEGERS, INTEGERS), gives=INTEGER)
def move(keys, numbers, table, new_numbers):
    """Copy the keys of one table to a larger one; returns how many there are."""
    count = 0
    for i in range(len(keys)):
        if keys[i] != EMPTY:
            at = _slot(keys[i], table)
            table[at], new_numbers[at] = keys[i], numbers[i]
            count += 1
    return count
