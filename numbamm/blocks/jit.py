"""How kernels are compiled: every such decision of the project stands here."""

from __future__ import annotations

import warnings

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
