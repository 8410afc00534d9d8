"""Workers: threads, executors, dask and joblib compute the same replicates."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest


class Client:
    """What is used of a dask Client: its executor."""

    def __init__(self, pool):
        self.pool = pool

    def get_executor(self):
        return self.pool

    def submit(self, function, *args):
        raise AssertionError("a Client's own futures are none of concurrent.futures")


def test_executors_give_the_same_frames(sleep, replicates, counts):
    """Other processes, threads of the caller's, and what a dask Client hands out."""
    spawn = multiprocessing.get_context("spawn")
    few = counts.bootstrap(6, seed=1).frame
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, mp_context=spawn) as processes:
        for workers in (threads, processes, Client(threads)):
            b = sleep.bootstrap(150, seed=1, workers=workers)
            assert b.frame.equals(replicates.frame[:150])
            assert b.extend(10, workers=workers).frame.equals(replicates.frame[:160])
            assert counts.bootstrap(6, seed=1, workers=workers).frame.equals(few)
        assert threads.submit(int, "3").result() == 3  # still at work


@pytest.mark.parametrize("return_as", ["list", "generator_unordered"])
def test_joblib(sleep, replicates, return_as):
    joblib = pytest.importorskip("joblib")
    with joblib.Parallel(n_jobs=2, backend="threading", return_as=return_as) as workers:
        assert sleep.bootstrap(150, seed=1, workers=workers).frame.equals(replicates.frame[:150])


def test_an_executor_that_fails(sleep):
    class Broken(ThreadPoolExecutor):
        def submit(self, function, *args):
            return super().submit(lambda: 1 / 0)

    with Broken(1) as workers, pytest.raises(ZeroDivisionError):
        sleep.bootstrap(50, seed=1, workers=workers)
