"""Workers that compute batches: threads of this process, or an executor that the user gives."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from typing import Any

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError, WorkerError

#: Number of workers assumed of an executor, which does not tell it: it decides the batch size.
ASSUMED = 4


def checked(workers):
    """The option `workers`: a number of threads (-1 for one per processor), or an executor.

    Raises
    ------
    OptionError
    """
    if isinstance(workers, int) and workers == -1:
        return os.cpu_count() or 1
    if _is_joblib(workers) or hasattr(workers, "submit"):
        return workers
    try:
        number = operator.index(workers)
    except TypeError:
        raise OptionError(
            "workers must be a whole number, an executor, a dask Client or a joblib.Parallel, "
            f"not {workers!r}"
        ) from None
    if number < 1:
        raise OptionError(f"workers must be at least 1, or -1 for all processors, not {number}")
    return number


def number_of_workers(workers) -> int:
    """Number of workers by which the batch size is chosen."""
    return workers if isinstance(workers, int) else ASSUMED


def completed(function, batches, workers) -> Iterator[tuple[int, Any]]:
    """Apply a function to each batch; yields each batch's number and result as it is completed.

    Parameters
    ----------
    function : callable
        Takes one batch. Other processes receive it by pickle.
    batches : sequence
    workers : int, concurrent.futures.Executor, dask Client or joblib.Parallel
        An executor stays open afterwards.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt, when all batches that had been begun have been yielded.
    WorkerError
        A process ended, when all batches that are done have been yielded. dask gives the batches
        of a worker that ended to others.
    """
    task = _Task(function)
    if _is_joblib(workers):
        try:
            yield from workers((task, pair, {}) for pair in enumerate(batches))
        except BrokenExecutor as error:
            raise _ended(error) from error
        return
    threads = ThreadPoolExecutor(workers) if isinstance(workers, int) else None
    # dask's `Client.submit` gives futures of another kind; its executor gives the usual ones.
    pool = threads or getattr(workers, "get_executor", lambda: workers)()
    futures = [pool.submit(task, k, batch) for k, batch in enumerate(batches)]
    waiting, broken = set(futures), None
    try:
        for future in as_completed(futures):
            waiting.discard(future)
            try:
                result = future.result()
            except Exception as error:
                if not _is_end_of_worker(error):
                    raise
                broken = error
                continue
            yield result
        if broken is not None:
            raise _ended(broken) from broken
    except KeyboardInterrupt:
        waiting = {future for future in waiting if not future.cancel()}
        for future in wait(waiting).done:
            if not future.exception():
                yield future.result()
        raise
    finally:
        for future in waiting:
            future.cancel()
        if threads:
            threads.shutdown()


def holding(error: WorkerError, partial) -> WorkerError:
    """The error of a process that ended, with what is done."""
    error.partial = partial
    return error


def in_order(function, batches, workers) -> Iterator[tuple[int, Any]]:
    """As `completed`; with one worker in this thread, where Ctrl-C stops a batch that is begun."""
    if workers == 1:
        yield from ((k, function(batch)) for k, batch in enumerate(batches))
    else:
        yield from completed(function, batches, workers)


def _is_end_of_worker(error: Exception) -> bool:
    """Whether an error tells that a process has ended; dask's own cannot be imported here."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _ended(error: Exception) -> WorkerError:
    return WorkerError(
        f"a worker process ended before its work was done ({type(error).__name__}): it was killed, "
        "perhaps for want of memory, or the code of the program runs again where processes start "
        '(put it below `if __name__ == "__main__":`); `partial` of this error has what is done'
    )


def _is_joblib(workers) -> bool:
    return callable(workers) and hasattr(workers, "n_jobs")


@dataclass(frozen=True)
class _Task:
    """A function of a batch; in another process without our warnings, and with few BLAS threads."""

    function: Callable
    pid: int = field(default_factory=os.getpid)
    threads: int = field(default_factory=lambda: config.get("threads"))

    def __call__(self, k: int, batch) -> tuple[int, object]:
        if os.getpid() == self.pid:
            return k, self.function(batch)
        with blas_threads(self.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbammWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            return k, self.function(batch)
