"""One BLAS thread while kernels run: a second one helps little alone and hurts beside others."""

from __future__ import annotations

import functools


@functools.cache
def _controller():
    import scipy.linalg  # noqa: F401  the BLAS that the kernels call must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blas_threads(limit: int = 1):
    """Context manager that limits BLAS to `limit` threads in this process."""
    return _controller().limit(limits=limit, user_api="blas")
