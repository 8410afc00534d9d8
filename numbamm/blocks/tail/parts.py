"""Parts of a computation on several threads.

Kernels release the GIL, so that Python's own threads run them at the same time. They need no
threading layer of numba, which would not survive a fork or calls from several threads.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from numbamm.processors import available

_pool: ThreadPoolExecutor | None = None


def run(function: Callable[[int], None], parts: int) -> None:
    """Call a function with 0, 1, ... parts - 1, on as many threads as there are processors."""
    if parts == 1 or _processors() == 1:
        for part in range(parts):
            function(part)
        return
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(_processors(), thread_name_prefix="numbamm")
    for _ in _pool.map(function, range(parts)):
        pass


_processors = functools.cache(available)


def _forget() -> None:
    """Let a forked child, which has none of the threads, start its own."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
