"""Executors of processes of which one is killed, for the tests of several rooms."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def cluster(workers=2):
    """A cluster of processes on this machine, and its client."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as local,
        Client(local) as client,
    ):
        yield client


def own_pid():
    return os.getpid()


class Killer:
    """An executor that kills a worker of a client after it has been given some tasks."""

    def __init__(self, client, after):
        self._client, self._after, self.killed = client, after, []

    def get_executor(self):
        return _Submitting(self, self._client.get_executor())

    def submit(self, *_):
        raise AssertionError("not asked for")

    def kill(self):
        if not self.killed:
            pids = self._client.run(own_pid)
            self.killed.append(next(iter(pids.values())))
            os.kill(self.killed[0], signal.SIGKILL)


class _Submitting:
    def __init__(self, killer, executor):
        self._killer, self._executor, self._given = killer, executor, 0

    def submit(self, function, *args):
        future = self._executor.submit(function, *args)
        self._given += 1
        if self._given == self._killer._after:
            time.sleep(0.5)  # the workers are in the middle of it
            self._killer.kill()
        return future


def _processes():
    """How processes begin: where it can be, as forks of one that has imported numbamm already."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numbamm.models.linear", "numbamm.inference.resampling.power"])
    return context


class Dying(ProcessPoolExecutor):
    """Processes that end themselves in one of the tasks."""

    def __init__(self, last):
        super().__init__(1, mp_context=_processes())
        self._last, self._given = last, 0

    def submit(self, function, *args):
        self._given += 1
        if self._given > self._last:
            return super().submit(os._exit, 1)
        return super().submit(function, *args)
