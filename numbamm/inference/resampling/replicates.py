"""Replicates: fits to responses drawn from a model, each with its own random-number stream.

A `ReplicateTask` fits one batch of replicates; `run` distributes the batches over threads or over
the workers of an executor.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np

from numbamm.blocks.threads import ThreadLocal, blas_threads
from numbamm.design.absent import is_absent
from numbamm.errors import NumbammWarning, OptionError, WorkerError
from numbamm.inference.resampling.workers import checked, completed, number_of_workers
from numbamm.memory import refuse_beyond
from numbamm.progress import progress_bar

#: Smallest number of batches for each worker, so that all workers end at about the same time.
BATCHES = 20
#: Largest number of replicates, and the bytes that a replicate takes while they are computed.
MOST_REPLICATES, BYTES = 10**9, 4096


class ReplicateTask(ThreadLocal):
    """Draws responses from a model and fits them: called with the numbers of a batch's replicates.

    Parameters
    ----------
    model : MixedModel
        The model that responses are drawn from.
    names
        Names of the results, as the subclass needs them.
    key : int
        Key of the random-number streams.

    Raises
    ------
    DataError
        The model's rows are not in memory.
    """

    def __init__(self, model, names, key: int) -> None:
        super().__init__()
        if is_absent(model.frame.y):
            raise model.frame.y.error()
        self._model, self._names, self._key = model, names, key

    def batch_size(self, n: int, workers) -> int:
        """Replicates in a batch: one on threads, more in an executor, which the model is sent to.

        Parameters
        ----------
        n : int
            Number of replicates in all.
        """
        return 1 if isinstance(workers, int) else n // BATCHES // number_of_workers(workers)


def run(task: ReplicateTask, numbers: range, workers, progress) -> tuple[list, WorkerError | None]:
    """Run a task for all replicates, in batches.

    Parameters
    ----------
    task : ReplicateTask
    numbers : range
        Numbers of the replicates.
    workers, progress
        As for `bootstrap`.

    Returns
    -------
    list
        The batches' results in order. After an interrupt, those before the first missing one.
    WorkerError or None
        A process ended, so that batches are missing.
    """
    workers = checked(workers)
    refuse_beyond(BYTES * len(numbers), f"{len(numbers):,} replicates", "draw fewer")
    size = max(1, task.batch_size(len(numbers), workers))
    batches = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    done: dict = {}
    ended: WorkerError | None = None
    bar = progress_bar(len(numbers), progress, "fit")
    with blas_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)  # warnings of single fits
        try:
            for k, result in completed(task, batches, workers):
                done[k] = result
                bar.update(len(batches[k]))
        except KeyboardInterrupt:
            pass
        except WorkerError as error:
            ended = error
        finally:
            bar.close()
    first_missing = next((k for k in range(len(batches)) if k not in done), len(batches))
    return [done[k] for k in range(first_missing)], ended


def key_of(seed) -> int:
    """The key of the random-number streams, from a seed.

    Raises
    ------
    OptionError
        The seed is no whole number.
    """
    try:
        return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    except (TypeError, ValueError) as error:
        raise OptionError(f"seed must be a whole number from 0 on, not {seed!r}") from error


def stream(key: int, index: int) -> np.random.Generator:
    """The random numbers of one replicate: the Philox generator with the key and the number."""
    return np.random.Generator(np.random.Philox(key=key + (index << 64)))


def valid_count(name: str, value) -> int:
    """An option that must be a whole number of draws, at least one.

    Raises
    ------
    OptionError
    """
    try:
        value = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} must be a whole number, not {value!r}") from None
    if value < 1:
        raise OptionError(f"{name} must be at least 1, not {value}")
    if value > MOST_REPLICATES:
        raise OptionError(f"{name} must be at most {MOST_REPLICATES:,}, not {value:,}")
    return value
