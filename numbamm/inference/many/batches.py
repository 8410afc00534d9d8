"""`run_many`: batches of fits on threads or the workers of an executor, into memory or a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError, WorkerError
from numbamm.inference.fixed.ddf import valid_name
from numbamm.inference.many.fit_columns import Names
from numbamm.inference.many.store import File, Memory, Store
from numbamm.inference.resampling.workers import checked, completed
from numbamm.processors import available
from numbamm.progress import progress_bar

#: Number of batches that there are at least, so that threads end at about the same time, and the
#: largest number of fits in one. Batches do not depend on the number of threads, nor do results.
BATCHES, LARGEST_BATCH = 24, 500
#: Methods of degrees of freedom.
METHODS = ("satterthwaite", "wald")


def valid_workers(workers):
    """The option `workers`, with the processors that this process may use for -1."""
    if isinstance(workers, int) and workers == -1:
        return available()
    return checked(workers)


def batches_of(n: int, most: int = LARGEST_BATCH) -> list[range]:
    """Numbers of fits in batches."""
    size = max(1, min(most, -(-n // BATCHES)))
    return [range(i, min(i + size, n)) for i in range(0, n, size)]


def run_many(
    task: Callable, batches: Sequence[range], workers, store: Store, progress
) -> tuple[int, WorkerError | None]:
    """Compute columns of all batches, and store them in order.

    Parameters
    ----------
    task : callable
        Gives the columns of a batch.

    Returns
    -------
    int
        Number of fits that are stored: after an interrupt, those before the first missing batch.
    WorkerError or None
        A process ended, so that fits are missing.
    """
    total = batches[-1].stop if batches else 0
    waiting: dict[int, object] = {}
    stored = 0
    ended: WorkerError | None = None
    bar = progress_bar(total, progress, "fit")
    with blas_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)
        try:
            for k, columns in completed(task, batches, workers):
                waiting[k] = columns
                bar.update(len(batches[k]))
                while stored in waiting:
                    store.add(waiting.pop(stored))
                    stored += 1
        except KeyboardInterrupt:
            pass
        except WorkerError as error:
            ended = error
        except BaseException:
            store.abandon()
            raise
        finally:
            bar.close()
    return batches[stored - 1].stop if stored else 0, ended


def store_for(path, names: Names, fdr: str | None) -> Store:
    """Where the columns go."""
    return Memory(names, fdr) if path is None else File(path, names, fdr)


def ddf_method(ddf) -> str:
    """The method of degrees of freedom.

    Raises
    ------
    OptionError
        It is unknown, or not for many fits.
    """
    if ddf is None:
        configured = config.get("ddf")
        return configured if configured in METHODS else "satterthwaite"
    name = valid_name(ddf)
    if name not in METHODS:
        raise OptionError(
            f'ddf="{name}" is not for many fits: take one of {", ".join(METHODS)}, or fit the '
            "responses of interest by lmm"
        )
    return name
