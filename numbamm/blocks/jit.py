"""How kernels are compiled: every such decision of the project stands here."""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
from numba.core.caching import NullCache

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

#: For kernels that Python does not call.
INNER = {"no_cpython_wrapper": True, "pipeline_class": InnerCompiler}

#: Sums vectorise only if they may be reassociated. NaN and infinity keep their meaning.
REASSOCIATE = {"reassoc", "contract"}

#: A product and a sum in one rounding, which changes no order.
FUSE = {"contract"}


def jit(function=None, *, owns=False, entry=None, cache=True, takes=None, gives=None, **options):
    """Compile a kernel: nopython, without the GIL, cached on disk.

    Kernels borrow: they take views of arrays that their callers hold, and references are not
    counted. To count them costs two atomic operations a slice, most of the time of a small block.
    A kernel that makes arrays (expressions of arrays make them, too), or takes one that another
    kernel made, is marked by ``owns=True``; without the mark the first does not compile, and the
    second leaks.

    Kernels whose names begin with _, and those of ``entry=False``, are called by other kernels
    alone: see `compiler`.

    Those whose types are declared can be compiled ahead of their first use: ``takes`` says what
    the arguments are, in words of `kinds`. With ``gives``, what is returned, other kernels call
    the kernel through its address: see `linking`.

    Where no cache folder can be written (a read-only installation without a home), the kernel
    is compiled anew in each process; `compile_ahead` then names ``NUMBA_CACHE_DIR``.

    A kernel that is made around another function, which its own name does not tell, is kept under
    the name of that one: ``cache=function``.
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
            # What numba's `cache=True` does, with a cache of ours.
            kernel._cache = KernelCache(function if cache is True else cache)
        except RuntimeError as error:
            if "cannot cache" not in str(error):  # numba's words for a folder that it cannot write
                raise
    kernel.compile = functools.partial(_compile, kernel)
    kernel.add_overload = functools.partial(_add_overload, kernel)
    kernel.takes, kernel.uncalled = takes, {}  # compiled ahead, but not called from Python yet
    return Linked(kernel, gives(*takes), not inner) if linked else kernel


def _compile(kernel, types):
    """Compile a kernel, or read its code, in the place of numba's method."""
    if not ahead.is_on():
        crew.wait_for(kernel)
        if (result := kernel.uncalled.pop(types, None)) is not None:
            kernel.add_overload(result)  # once: what is there twice is looked up slowly
    with interrupts_wait():
        return type(kernel).compile(kernel, types)


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
    """Let Python call the code once all is there that it will jump to."""
    if ahead.is_on():
        types = tuple(result.signature.args)
        kernel.overloads[types] = kernel.uncalled[types] = result
        return
    load_linked(result.library)
    type(kernel).add_overload(kernel, result)


@jit(takes=())
def counter():
    """A zero to count from, to be passed on to other kernels.

    The constant 0 has a type of its own at first, for which numba would compile them once more.
    """
    return np.int64(0)


#: How many bytes of Python's code are compiled in a second, about.
BYTES_A_SECOND = 5000

_told: set = set()


def compile_ahead(*kernels) -> None:
    """Begin to compile what is not kept yet, and say, once, why the first fit waits.

    Parameters
    ----------
    *kernels
        Those with declared types that will be called; what they call is added.
    """
    if numba.config.DISABLE_JIT or _told.issuperset(kernels):
        return
    missing = [kernel for kernel in kernels if not _is_there(kernel)]
    if missing:
        missing = [k for k in with_linked(missing) if not (k in _told or _is_there(k))]
    _told.update(kernels, missing)
    if not missing:
        return
    size = {kernel: _size(kernel) for kernel in missing}
    missing.sort(key=size.get, reverse=True)
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
    """Bytes of Python's code that make a kernel, as which the time to compile it grows."""
    return sum(len(f.__code__.co_code) for f in compiled_with(dispatcher_of(kernel))[0])


def _is_there(kernel) -> bool:
    """Whether there is code of a kernel, here or in the cache; reading that may still fail."""
    kernel = dispatcher_of(kernel)
    if kernel.signatures:
        return True
    return not isinstance(kernel._cache, NullCache) and kernel._cache.has(kernel)
