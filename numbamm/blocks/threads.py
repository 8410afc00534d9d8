"""A limit on BLAS threads while kernels run: a second one helps little on an idle machine, and
slows down a busy one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from numbamm import config
from numbamm.errors import FitError
from numbamm.processors import available

#: Seconds after which a product of numbers, which takes microseconds, counts as never ending.
FORK_WAIT = 10.0


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
_others = False  # whether other threads existed at the last fork
_own = threading.local()  # depth: number of `blas_threads` blocks that this thread is in
_doubtful = False  # whether BLAS may be locked here: another thread may have held it at the fork


def _before_fork() -> None:
    """Wait while another thread changes a limit, because BLAS then holds locks."""
    global _others
    _lock.acquire()
    _others = threading.active_count() > 1


def _after_fork_in_child() -> None:
    """Count only the forking thread's blocks in a forked child, where no other thread exists.

    A limit that another thread had set stays until the child's next block ends.
    """
    global _nblocks, _doubtful
    _nblocks = getattr(_own, "depth", 0)
    _doubtful = _doubtful or _others
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_lock.release,
        after_in_child=_after_fork_in_child,
    )


def _check_blas() -> None:
    """Refuse work in a forked child in which BLAS would wait forever.

    OpenBLAS takes a lock for a moment in each call. If another thread holds it during a fork, no
    thread of the child ever releases it. A product in a thread of its own shows whether it is so.
    """
    global _doubtful
    thread = threading.Thread(target=_product, daemon=True)
    thread.start()
    thread.join(FORK_WAIT)
    if thread.is_alive():
        raise FitError(
            "this process was forked while another thread computed, and BLAS now waits for that "
            'thread forever; start processes by multiprocessing.get_context("forkserver") or '
            '"spawn", or fork before threads start'
        )
    _doubtful = False


def _product() -> None:
    """The square of a number by dsyrk, which takes the lock; ctypes releases Python's own."""
    import scipy.linalg.cython_blas as cython_blas
    from numba.extending import get_cython_function_address

    address = get_cython_function_address(cython_blas.__name__, "dsyrk")
    text, one, number = ctypes.c_char_p, ctypes.c_int(1), (ctypes.c_double * 1)(1.0)
    scale = ctypes.c_double(1.0)
    result = (ctypes.c_double * 1)()
    pointers = (ctypes.byref(one),) * 2 + (ctypes.byref(scale), number, ctypes.byref(one))
    routine = ctypes.CFUNCTYPE(None, text, text, *[ctypes.c_void_p] * 8)(address)
    routine(b"L", b"N", *pointers, ctypes.byref(scale), result, ctypes.byref(one))


@contextmanager
def blas_threads(limit: int | None = None) -> Iterator[None]:
    """Limit BLAS to `limit` threads in this process; by default to the option ``threads``.

    The limit applies to the whole process. If blocks of several threads overlap, the first to begin
    sets the limit, and the last to end restores the original one.
    """
    global _nblocks, _limiter, _setter
    limit = config.get("threads") if limit is None else limit
    if _doubtful:
        _check_blas()
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


# ---- parts of a computation on several threads ---------------------------------------------------

# Kernels release the GIL, so that Python's own threads run them at the same time. They need no
# threading layer of numba, which would not survive a fork or calls from several threads.

_pool: ThreadPoolExecutor | None = None


def run_parts(function: Callable[[int], None], parts: int) -> None:
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


def _forget_pool() -> None:
    """Let a forked child, which has none of the threads, start its own."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
