"""One BLAS thread while kernels run: a second one helps little alone and hurts beside others."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from numbamm import config


class ThreadLocal:
    """Base of classes that keep buffers for each thread, as attributes of ``self._local``.

    Copies and pickles have no buffers yet: a `threading.local` can be neither copied nor pickled.
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
    import scipy.linalg  # noqa: F401  the BLAS that the kernels call must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_lock = threading.Lock()
_inside = 0
_limiter = None
_setter = None
_own = threading.local()  # how many of these blocks the thread itself is in


def _forget_other_threads() -> None:
    """In a forked child no other thread lives on to leave its block.

    A limit that one of them had set stays until the child's next block ends.
    """
    global _inside
    _inside = getattr(_own, "depth", 0)
    _lock.release()


if hasattr(os, "register_at_fork"):
    # No fork while another thread is changing a limit: BLAS has locks of its own meanwhile.
    os.register_at_fork(
        before=_lock.acquire,
        after_in_parent=_lock.release,
        after_in_child=_forget_other_threads,
    )


@contextmanager
def blas_threads(limit: int | None = None) -> Iterator[None]:
    """Limit BLAS to `limit` threads in this process; to the option ``threads``, if None.

    The limit belongs to the process, not to a thread: of blocks that overlap, the first to begin
    sets it, and the last to end puts back what was before.
    """
    global _inside, _limiter, _setter
    limit = config.get("threads") if limit is None else limit
    with _lock:
        if _limiter is None:
            _limiter = _controller().limit(limits=limit, user_api="blas")
            _setter = threading.current_thread()
        _inside += 1
    _own.depth = getattr(_own, "depth", 0) + 1
    try:
        yield
    finally:
        _own.depth -= 1
        with _lock:
            _inside -= 1
            if _inside == 0:
                _hand_over()
                _limiter.restore_original_limits()
                _limiter = None


def _hand_over() -> None:
    """Let this thread put back what another one set: threadpoolctl keeps OpenBLAS for that one."""
    from threadpoolctl import OpenBLASController

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)  # since 3.8
    if clear is not None and threading.current_thread() is not _setter:
        clear(force=True)
