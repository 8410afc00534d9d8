"""How kernels are compiled: every such decision of the project stands here."""

from __future__ import annotations

import sys
from pathlib import Path

import numba
import numpy as np

from numbamm.blocks.cache import KernelCache
from numbamm.blocks.compiler import EntryCompiler, InnerCompiler

OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
OPTIONS |= {"pipeline_class": EntryCompiler}

#: For kernels that Python does not call.
INNER = {"no_cpython_wrapper": True, "pipeline_class": InnerCompiler}

#: Sums vectorise only if they may be reassociated. NaN and infinity keep their meaning.
REASSOCIATE = {"reassoc", "contract"}

#: A product and a sum in one rounding, which changes no order.
FUSE = {"contract"}


def jit(function=None, *, owns=False, entry=None, cache=True, **options):
    """Compile a kernel: nopython, without the GIL, cached on disk.

    Kernels borrow: they take views of arrays that their callers hold, and references are not
    counted. To count them costs two atomic operations a slice, most of the time of a small block.
    A kernel that makes arrays (expressions of arrays make them, too), or takes one that another
    kernel made, is marked by ``owns=True``; without the mark the first does not compile, and the
    second leaks.

    Kernels whose names begin with _, and those of ``entry=False``, are called by other kernels
    alone: see `compiler`.

    Where no cache folder can be written (a read-only installation without a home), the kernel
    is compiled anew in each process; `announce_compilation` then names ``NUMBA_CACHE_DIR``.

    A kernel that is made around another function, which its own name does not tell, is kept under
    the name of that one: ``cache=function``.
    """
    if function is None:
        return lambda f: jit(f, owns=owns, entry=entry, cache=cache, **options)
    options = OPTIONS | {"_nrt": owns} | options
    inner = entry is False or function.__name__.startswith("_")
    kernel = numba.njit(**(options | INNER if inner else options))(function)
    if cache and not inner and not numba.config.DISABLE_JIT:
        try:
            # What numba's `cache=True` does, with a cache of ours.
            kernel._cache = KernelCache(function if cache is True else cache)
        except RuntimeError as error:
            if "cannot cache" not in str(error):  # numba's words for a folder that it cannot write
                raise
    return kernel


@jit
def counter():
    """A zero to count from, to be passed on to other kernels.

    The constant 0 has a type of its own at first, for which numba would compile them once more.
    """
    return np.int64(0)


_announced: set = set()


def announce_compilation(kernel, seconds: int) -> None:
    """Tell a first-time user, once, why the first fit takes seconds: `kernel` is not cached yet."""
    if kernel in _announced or numba.config.DISABLE_JIT or kernel.signatures:
        return
    _announced.add(kernel)
    folder = kernel.stats.cache_path
    if folder is None:
        kept = "no folder could be written to keep them: set NUMBA_CACHE_DIR to one"
    elif not any(Path(folder).glob(f"{_cache_name(kernel.py_func)}*.nbi")):
        kept = f"they are kept in {folder}"
    else:
        return
    print(
        f"numbamm: compiling kernels for their first use (about {seconds} s); {kept}",
        file=sys.stderr,
    )


def _cache_name(function) -> str:
    """How numba begins the names of a function's cache files."""
    return f"{Path(function.__code__.co_filename).stem}.{function.__name__}-"
