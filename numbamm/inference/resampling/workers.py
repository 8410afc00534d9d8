"""Where batches of work are done: on threads of this process, or by an executor of the caller's."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError

#: Workers that an executor is taken to have, when work is cut into batches for it.
ELSEWHERE = 4


def checked(workers):
    """A number of threads (-1 for one a processor), or what else `completed` takes.

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


def how_many(workers) -> int:
    """For how many workers to cut batches."""
    return workers if isinstance(workers, int) else ELSEWHERE


def completed(function, batches, workers) -> Iterator[tuple[int, object]]:
    """What a function makes of each batch, with the batch's number, in the order of completion.

    Parameters
    ----------
    function : callable
        Of one batch; sent to other processes by pickle.
    batches : sequence
    workers : int, concurrent.futures.Executor, dask Client or joblib.Parallel
        Only threads of our own are shut down afterwards.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt, when the batches that were done, or under way, have been yielded.
    """
    task = _Task(function)
    if _is_joblib(workers):
        yield from workers((task, pair, {}) for pair in enumerate(batches))
        return
    own = ThreadPoolExecutor(workers) if isinstance(workers, int) else None
    # a dask Client has a `submit` of its own, whose futures are others
    pool = own or getattr(workers, "get_executor", lambda: workers)()
    futures = [pool.submit(task, k, batch) for k, batch in enumerate(batches)]
    waiting = set(futures)
    try:
        for future in as_completed(futures):
            waiting.discard(future)
            yield future.result()
    except KeyboardInterrupt:
        waiting = {future for future in waiting if not future.cancel()}
        for future in wait(waiting).done:
            if not future.exception():
                yield future.result()
        raise
    finally:
        for future in waiting:
            future.cancel()
        if own:
            own.shutdown()


def _is_joblib(workers) -> bool:
    return callable(workers) and hasattr(workers, "n_jobs")


@dataclass(frozen=True)
class _Task:
    """A function of a batch, as quiet and as frugal in another process as in the first."""

    function: Callable
    pid: int = field(default_factory=os.getpid)
    threads: int = field(default_factory=lambda: config.get("threads"))

    def __call__(self, k: int, batch) -> tuple[int, object]:
        if os.getpid() == self.pid:
            return k, self.function(batch)
        with blas_threads(self.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbammWarning)
            return k, self.function(batch)
