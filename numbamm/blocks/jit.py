"""`jit`, with which all kernels are compiled, and their compilation ahead of the first use."""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler_lock import global_compiler_lock

from numbamm import config
from numbamm.blocks import crew
from numbamm.blocks.cache import KernelCache
from numbamm.blocks.compiler import EntryCompiler, InnerCompiler
from numbamm.blocks.linking import (
    Linked,
    ahead,
    compiled_with,
    dispatcher_of,
    load_linked,
    with_linked,
)
from numbamm.processors import available

OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
OPTIONS |= {"pipeline_class": EntryCompiler}

#: Additional options of kernels that Python does not call.
INNER = {"no_cpython_wrapper": True, "pipeline_class": InnerCompiler}

#: Sums vectorise only if they may be reassociated. NaN and infinity keep their meaning.
REASSOCIATE = {"reassoc", "contract"}

#: Fused multiplication and addition, without a change of the order of sums.
FUSE = {"contract"}


def jit(function=None, *, owns=False, entry=None, cache=True, takes=None, gives=None, **options):
    """Compile a kernel: nopython, without the GIL, cached on disk.

    By default reference counts are not updated: kernels work on views of arrays that their callers
    own. Counting costs two atomic operations for each slice, most of the time of a small block. A
    kernel that allocates arrays (also by an array expression), or that receives an array allocated
    by another kernel, needs ``owns=True``. Otherwise the former does not compile, and the latter
    leaks memory.

    Kernels whose names begin with _, and those with ``entry=False``, are called only by other
    kernels: see `compiler`.

    Kernels with declared types can be compiled ahead of their first use. ``takes`` declares the
    types of the arguments, by names of `kinds`; ``gives`` declares the type of the result, and
    other kernels then call the kernel through its address: see `linking`.

    If no cache folder can be written (a read-only installation without a home), the kernel is
    compiled in each process; `compile_ahead` then tells users to set ``NUMBA_CACHE_DIR``.

    A kernel whose code depends on a function from its closure is cached under the name of that
    function: ``cache=function``.
    """
    if function is None:
        given = {"owns": owns, "entry": entry, "cache": cache, "takes": takes, "gives": gives}
        return lambda f: jit(f, **given, **options)
    options = OPTIONS | {"_nrt": owns} | options
    inner = entry is False or function.__name__.startswith("_")
    linked = gives is not None
    if inner:
        options |= {"no_cpython_wrapper": True} if linked else INNER
    kernel = numba.njit(**options)(function)
    if numba.config.DISABLE_JIT or (inner and not linked):
        return kernel
    if cache:
        try:
            # As numba's `cache=True`, with our cache.
            kernel._cache = KernelCache(function if cache is True else cache)
        except RuntimeError as error:
            if "cannot cache" not in str(error):  # numba's message if it can write no folder
                raise
    kernel.compile = functools.partial(_compile, kernel)
    kernel.add_overload = functools.partial(_add_overload, kernel)
    kernel.takes, kernel.uncalled = takes, {}  # uncalled: compiled ahead, not yet called
    return Linked(kernel, gives(*takes), not inner) if linked else kernel


def _compile(kernel, types):
    """Compile a kernel, or load its code from the cache; replaces numba's method."""
    with compile_time:
        if not ahead.is_on():
            crew.wait_for(kernel)
            with (
                global_compiler_lock
            ):  # a second thread waits until what the kernel calls is loaded
                if (result := kernel.uncalled.pop(types, None)) is not None:
                    kernel.add_overload(result)  # once: numba is slow to choose between equal ones
        with interrupts_wait():
            return type(kernel).compile(kernel, types)


class Stopwatch(threading.local):
    """The time that a thread has spent in a block, also where blocks are entered within it.

    Attributes
    ----------
    seconds : float
    """

    def __init__(self) -> None:
        self.seconds, self._depth, self._begin = 0.0, 0, 0.0

    def __enter__(self) -> None:
        if self._depth == 0:
            self._begin = perf_counter()
        self._depth += 1

    def __exit__(self, *error) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += perf_counter() - self._begin


#: Time for which calls of kernels have waited for their code to be compiled, or read.
compile_time = Stopwatch()


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a block.

    An interrupt in the middle of a compilation leaves numba with half a kernel, which it can
    neither use nor compile again. A kernel takes some seconds at most.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    waiting: list[tuple] = []
    signal.signal(signal.SIGINT, lambda *arguments: waiting.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(*waiting[0])


def _add_overload(kernel, result) -> None:
    """Make the code callable from Python, after all linked kernels that it calls are loaded."""
    if ahead.is_on():
        types = tuple(result.signature.args)
        kernel.overloads[types] = kernel.uncalled[types] = result
        return
    load_linked(result.library)
    type(kernel).add_overload(kernel, result)


@jit(takes=())
def counter():
    """Zero as the initial value of a counter that is passed to other kernels.

    numba gives the constant 0 a literal type, for which it would compile those kernels once more.
    """
    return np.int64(0)


#: Approximate number of bytes of Python bytecode that numba compiles in a second.
BYTES_A_SECOND = 5000

_announced: set = set()


def compile_ahead(*kernels) -> None:
    """Begin to compile kernels that are not cached, and print once why the first fit waits.

    Parameters
    ----------
    *kernels
        Kernels with declared types that will be called; linked kernels that they call are added.
    """
    if numba.config.DISABLE_JIT or _announced.issuperset(kernels):
        return
    missing = [kernel for kernel in kernels if not _is_compiled(kernel)]
    if missing:
        missing = [k for k in with_linked(missing) if not (k in _announced or _is_compiled(k))]
    _announced.update(kernels, missing)
    if not missing:
        return
    with compile_time:
        _begin_to_compile(missing)


def _begin_to_compile(missing: list) -> None:
    """Hand kernels to processes that compile them, and print what is under way."""
    size = {kernel: _size(kernel) for kernel in missing}
    missing.sort(key=size.__getitem__, reverse=True)
    folder, processes = dispatcher_of(missing[0]).stats.cache_path, 1
    if folder is None:
        kept = "no folder could be written to keep them: set NUMBA_CACHE_DIR to one"
    else:
        kept = f"they are kept in {folder}"
        processes = crew.prepare(missing, config.get("compile_processes") or available())
    seconds = max(1, round(sum(size.values()) / BYTES_A_SECOND / processes))
    print(
        f"numbamm: compiling kernels for their first use (about {seconds} s"
        f"{f' in {processes} processes' if processes > 1 else ''}); {kept}",
        file=sys.stderr,
    )


def _size(kernel) -> int:
    """Bytes of Python bytecode of a kernel, to which its compile time is proportional."""
    return sum(len(f.__code__.co_code) for f in compiled_with(dispatcher_of(kernel))[0])


def _is_compiled(kernel) -> bool:
    """Whether a kernel is compiled or in the cache, whose file may still be unreadable."""
    kernel = dispatcher_of(kernel)
    if kernel.signatures:
        return True
    return not isinstance(kernel._cache, NullCache) and kernel._cache.has(kernel)
