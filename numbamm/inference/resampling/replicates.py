"""Replicates: what is fitted to responses drawn from a model, each from a stream of its own.

A `Drawer` does the work of a batch of replicates, by their numbers, and `run` that of all batches,
on threads or wherever there are workers.
"""

from __future__ import annotations

import operator
import threading
import warnings

import numpy as np

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError
from numbamm.inference.resampling.workers import checked, completed, how_many
from numbamm.memory import refuse_beyond
from numbamm.progress import progress_bar

#: Batches of each worker, at least.
PARTS = 20
#: Nobody waits for more than so many replicates, of which each takes these bytes while they run.
MOST, KEPT = 10**9, 4096


class Drawer:
    """Fits batches of replicates; a thread's own arrays stay behind when it is sent elsewhere."""

    def __init__(self, model, names, key: int) -> None:
        self._model, self._names, self._key = model, names, key
        self._local = threading.local()

    def __getstate__(self) -> dict:
        return {k: v for k, v in vars(self).items() if k != "_local"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._local = threading.local()

    def size(self, n: int, workers) -> int:
        """Of a batch, of n replicates: one, but elsewhere, where the model is sent with each."""
        return 1 if isinstance(workers, int) else n // PARTS // how_many(workers)


def run(drawer: Drawer, numbers: range, workers, progress) -> list:
    """The results of the batches in order, or of those before the first that an interrupt left."""
    workers = checked(workers)
    refuse_beyond(KEPT * len(numbers), f"{len(numbers):,} replicates", "draw fewer")
    size = max(1, drawer.size(len(numbers), workers))
    batches = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    done: dict = {}
    bar = progress_bar(len(numbers), progress, "fit")
    with blas_threads(config.get("threads")), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)  # of single fits
        try:
            for k, result in completed(drawer, batches, workers):
                done[k] = result
                bar.update(len(batches[k]))
        except KeyboardInterrupt:
            pass
        finally:
            bar.close()
    missing = next((k for k in range(len(batches)) if k not in done), len(batches))
    return [done[k] for k in range(missing)]


def key_of(seed) -> int:
    """The key of all streams."""
    try:
        return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    except (TypeError, ValueError) as error:
        raise OptionError(f"seed must be a whole number from 0 on, not {seed!r}") from error


def stream(key: int, index: int) -> np.random.Generator:
    """The random numbers of one replicate: a cipher of a counter under both keys."""
    return np.random.Generator(np.random.Philox(key=key + (index << 64)))


def count(name: str, value) -> int:
    """A number of what is to be drawn, which is at least one and within reason."""
    try:
        value = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} must be a whole number, not {value!r}") from None
    if value < 1:
        raise OptionError(f"{name} must be at least 1, not {value}: nothing would be drawn")
    if value > MOST:
        raise OptionError(f"{name} must be at most {MOST:,}, not {value:,}")
    return value
