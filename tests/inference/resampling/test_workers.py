"""Workers: threads, executors, dask and joblib compute the same replicates."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from inference.resampling.executors import Dying, Killer, cluster

import numbamm as mm
from numbamm.errors import WorkerError


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
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(1, mp_context=spawn) as processes:
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


def test_a_process_that_ends_leaves_what_is_done(sleep, replicates):
    """As an error that holds the replicates before it, to which others can be added."""
    with Dying(3) as workers, pytest.raises(WorkerError, match="a worker process ended") as caught:
        sleep.bootstrap(1000, seed=1, workers=workers)
    done = caught.value.partial
    assert 0 < done.n < 1000 and done.frame.equals(replicates.frame[: done.n])
    assert done.extend(1000 - done.n).frame.equals(replicates.frame)


def test_a_process_that_ends_under_power(sleep):
    options = {"n": 2000, "seed": 1}
    with Dying(2) as workers, pytest.raises(WorkerError) as caught:
        mm.power(sleep, "Days", **options, workers=workers)
    whole = mm.power(sleep, "Days", **options)
    assert caught.value.partial.frame.index.equals(whole.frame.index)
    with Dying(0) as workers, pytest.raises(WorkerError) as caught:
        mm.power(sleep, "Days", **options, workers=workers)
    assert caught.value.partial is None or not len(caught.value.partial.index)


@pytest.mark.slow
def test_a_cluster_loses_nothing_with_a_worker(sleep, replicates):
    """dask gives the batches of a process that is killed to another; no result changes."""
    pytest.importorskip("distributed")
    frame = mm.datasets.load("sleepstudy")
    Y = np.random.default_rng(1).normal(size=(180, 400))
    many = mm.lmm_many("~ Days + (Days | Subject)", frame, Y, workers=1)
    with cluster(3) as client:
        killer = Killer(client, after=4)
        assert sleep.bootstrap(1000, seed=1, workers=killer).frame.equals(replicates.frame)
        assert killer.killed
        killer = Killer(client, after=4)
        again = mm.lmm_many("~ Days + (Days | Subject)", frame, Y, workers=killer)
        assert killer.killed and again.fits.equals(many.fits)
        assert sleep.profile(workers=client).frame.equals(sleep.profile().frame)
        some = ["newton", "nlopt:LN_BOBYQA", "scipy:BFGS"]
        fits = [
            mm.allfit(sleep, some, workers=w).table.drop(columns="seconds") for w in (1, client)
        ]
        assert fits[0].drop(columns="seconds").equals(fits[1].drop(columns="seconds"))
        power = [mm.power(sleep, "Days", n=60, seed=1, workers=w).frame for w in (1, client)]
        assert power[0].equals(power[1])
