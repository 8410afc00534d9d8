"""Dask frames: partitions are summarised where they lie."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from sources.streams import assert_same_fit, irregular

import numbamm as mm

dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

FORMULA = "y ~ poly(x, 2) * f + scale(year) + lab + (1 + x | g) + (1 | h)"
OPTIONS = {"weights": "w", "offset": "o"}


@pytest.fixture(scope="module")
def memory():
    return mm.lmm(FORMULA, irregular(), **OPTIONS)


@pytest.fixture(scope="module")
def client():
    """Two processes on this machine."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def test_without_a_cluster(memory):
    frame = dd.from_pandas(irregular(), npartitions=9)
    streamed = mm.lmm(FORMULA, frame, **OPTIONS)
    assert_same_fit(memory, streamed)
    pd.testing.assert_series_equal(
        streamed.fittedvalues.collect(), memory.fittedvalues, rtol=1e-10, atol=1e-10
    )


def slowly(rows: pd.DataFrame) -> pd.DataFrame:
    time.sleep(0.15)
    return rows


def test_a_worker_that_dies_loses_nothing(client, memory):
    frame = dd.from_pandas(irregular(), npartitions=12).map_partitions(slowly)
    pids = client.run(os.getpid)
    killed = []

    def kill():
        time.sleep(1.0)  # in the middle of a pass
        victim = next(iter(pids.values()))
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    killer = threading.Thread(target=kill)
    killer.start()
    begin = time.monotonic()
    streamed = mm.lmm(FORMULA, frame, **OPTIONS)
    assert time.monotonic() - begin > 1.0
    killer.join()
    assert killed
    assert killed[0] not in client.run(os.getpid).values()
    assert_same_fit(memory, streamed)


def test_errors_name_the_partition(client):
    bad = irregular().assign(o=np.where(np.arange(700) > 600, np.inf, 0.0))
    with pytest.raises(mm.DataError, match="partition 4 of the data: column 'o' is infinite"):
        mm.lmm(FORMULA, dd.from_pandas(bad, npartitions=5), offset="o")


def test_categories_of_a_single_partition(client):
    df = irregular().sort_values("f", ignore_index=True)
    streamed = mm.lmm("y ~ f * x + (1 | g)", dd.from_pandas(df, npartitions=6))
    assert_same_fit(mm.lmm("y ~ f * x + (1 | g)", df), streamed)


def test_columns_for_many_passes_are_kept_by_the_workers(client, tmp_path):
    from numbamm.sources.partitions import Partitions

    def noted(frame):
        with (tmp_path / "read").open("a") as log:
            log.write("read\n")
        return frame

    frame = dd.from_pandas(irregular(), npartitions=3)
    kept = Partitions(frame.map_partitions(noted, meta=frame)).kept({"y", "x"})
    list(kept.chunks())
    read = (tmp_path / "read").read_text()
    assert read.count("read") >= 3
    assert [list(chunk) for chunk in kept.chunks()] == [["x", "y"]] * 3
    assert (tmp_path / "read").read_text() == read and kept.names() == ["x", "y"]
