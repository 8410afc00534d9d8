"""How kernels are compiled: every such decision of the project stands here."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numba

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

#: Sums vectorise only if they may be reassociated. NaN and infinity keep their meaning.
REASSOCIATE = {"reassoc", "contract"}


def jit(function=None, **options):
    """Compile a kernel: nopython, without the GIL, cached on disk.

    Where no cache folder can be written (a read-only installation without a home), the kernel
    is compiled anew in each process, and a warning names ``NUMBA_CACHE_DIR``.
    """
    if function is None:
        return lambda f: jit(f, **options)
    options = OPTIONS | options
    try:
        return numba.njit(**options)(function)
    except RuntimeError as error:  # numba found no folder that it could write
        if "cannot cache" not in str(error):
            raise
        warnings.warn(
            "numbamm cannot cache its compiled kernels: no writable folder. "
            "Set NUMBA_CACHE_DIR to one, or each process compiles anew.",
            RuntimeWarning,
            stacklevel=2,
        )
        return numba.njit(**(options | {"cache": False}))(function)


def announce_compilation(kernel) -> None:
    """Tell a first-time user, once, why the first fit takes seconds: `kernel` is not cached yet."""
    folder = Path(kernel.stats.cache_path) if hasattr(kernel, "stats") else None
    if folder is None or kernel.signatures or _announced:
        return
    name = f"{Path(kernel.py_func.__code__.co_filename).stem}.{kernel.py_func.__name__}-"
    _announced.append(name)
    if not any(folder.glob(f"{name}*.nbi")):
        print(
            "numbamm: compiling kernels for their first use (about 20 s, once); "
            f"they are kept in {folder}",
            file=sys.stderr,
        )


_announced: list[str] = []
