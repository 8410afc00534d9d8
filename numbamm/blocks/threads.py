"""A limit on BLAS threads while kernels run: a second one helps little on an idle machine, and
slows down a busy one.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from numbamm import config


class ThreadLocal:
    """Base of classes that keep buffers for each thread, as attributes of ``self._local``.

    Copies and pickles start without buffers: a `threading.local` cannot be copied or pickled.
    """

    def __init__(self) -> None:
        self._drop_buffers()

    def __getstate__(self) -> dict:
        return {k: v for k, v in vars(self).items() if not isinstance(v, threading.local)}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._drop_buffers()

    def _drop_buffers(self) -> None:
        self._local = threading.local()


@functools.cache
def _controller():
    import scipy.linalg  # noqa: F401  threadpoolctl finds only a BLAS that is loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_lock = threading.Lock()
_nblocks = 0
_limiter = None
_setter = None
_own = threading.local()  # depth: number of `blas_threads` blocks that this thread is in


def _forget_other_threads() -> None:
    """Count only the forking thread's blocks in a forked child, where no other thread exists.

    A limit that another thread had set stays until the child's next block ends.
    """
    global _nblocks
    _nblocks = getattr(_own, "depth", 0)
    _lock.release()


if hasattr(os, "register_at_fork"):
    # No fork while another thread changes a limit, because BLAS then holds locks.
    os.register_at_fork(
        before=_lock.acquire,
        after_in_parent=_lock.release,
        after_in_child=_forget_other_threads,
    )


@contextmanager
def blas_threads(limit: int | None = None) -> Iterator[None]:
    """Limit BLAS to `limit` threads in this process; by default to the option ``threads``.

    The limit applies to the whole process. If blocks of several threads overlap, the first to begin
    sets the limit, and the last to end restores the original one.
    """
    global _nblocks, _limiter, _setter
    limit = config.get("threads") if limit is None else limit
    with _lock:
        if _limiter is None:
            _limiter = _controller().limit(limits=limit, user_api="blas")
            _setter = threading.current_thread()
        _nblocks += 1
    _own.depth = getattr(_own, "depth", 0) + 1
    try:
        yield
    finally:
        _own.depth -= 1
        with _lock:
            _nblocks -= 1
            if _nblocks == 0:
                _hand_over()
                _limiter.restore_original_limits()
                _limiter = None


def _hand_over() -> None:
    """Allow this thread to restore a limit that another thread set (a rule of threadpoolctl)."""
    from threadpoolctl import OpenBLASController

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)  # since 3.8
    if clear is not None and threading.current_thread() is not _setter:
        clear(force=True)
