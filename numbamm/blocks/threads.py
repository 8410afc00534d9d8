"""One BLAS thread while kernels run: a second one helps little alone and hurts beside others."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@functools.cache
def _controller():
    import scipy.linalg  # noqa: F401  the BLAS that the kernels call must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_lock = threading.Lock()
_inside = 0
_limiter = None
_setter = None


@contextmanager
def blas_threads(limit: int = 1) -> Iterator[None]:
    """Limit BLAS to `limit` threads in this process.

    The limit belongs to the process, not to a thread: of blocks that overlap, the first to begin
    sets it, and the last to end puts back what was before.
    """
    global _inside, _limiter, _setter
    with _lock:
        if _inside == 0:
            _limiter = _controller().limit(limits=limit, user_api="blas")
            _setter = threading.current_thread()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _hand_over()
                _limiter.restore_original_limits()


def _hand_over() -> None:
    """Let this thread put back what another one set: threadpoolctl keeps OpenBLAS for that one."""
    from threadpoolctl import OpenBLASController

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)  # since 3.8
    if clear is not None and threading.current_thread() is not _setter:
        clear(force=True)
