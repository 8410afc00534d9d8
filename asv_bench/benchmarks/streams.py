"""Rows that stream: ten million from Parquet, and a hundred million that are generated."""

import os
import resource
import tempfile
import time

import numpy as np

import numbamm as mm

FORMULA = "y ~ x0 + x1 + x2 + x3 + x4 + (1 | g)"
MILLION = 1_000_000


def rows(n, levels, seed):
    """Rows of one factor and five covariates."""
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, levels, n), rng.normal(size=(n, 5))
    effect = np.sin(np.arange(levels) * 12.9898) * 1.4
    y = 1 + x @ np.arange(1, 6) / 10 + effect[g] + 2 * rng.normal(size=n)
    return {"g": g, "y": y, **{f"x{i}": x[:, i] for i in range(5)}}


def write_parquet(path, n, levels=100_000):
    """Write rows a million at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for seed in range(-(-n // MILLION)):
        table = pa.table(rows(min(MILLION, n - seed * MILLION), levels, seed))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def crossed_chunks(n, persons=1_000_000, items=1_000, chunk=MILLION, seed=5):
    """Chunks of persons who answer ten of the items again and again."""
    ability = np.sin(np.arange(persons) * 12.9898)
    difficulty = np.cos(np.arange(items) * 78.233)
    for k in range(-(-n // chunk)):
        rng = np.random.default_rng((seed, k))
        m = min(chunk, n - k * chunk)
        person = rng.integers(0, persons, m)
        item = (person * 7919 + 101 * rng.integers(0, 10, m)) % items
        x = rng.normal(size=m)
        y = 0.3 * x + ability[person] + difficulty[item] + rng.normal(size=m)
        yield {"y": y, "x": x, "person": person, "item": item}


class Parquet:
    """The whole call on rows from Parquet: time and memory by the number of rows."""

    params = (MILLION, 10 * MILLION)
    param_names = ("rows",)
    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 2, 1, 0

    def setup_cache(self):
        folder = tempfile.mkdtemp()
        for n in self.params:
            write_parquet(os.path.join(folder, f"{n}.parquet"), n)
        return folder

    def setup(self, folder, n):
        mm.lmm(FORMULA, lambda: [rows(2000, 50, 1)])  # compiles what the benchmarks call
        self.path = os.path.join(folder, f"{n}.parquet")

    def time_whole_call(self, folder, n):
        mm.lmm(FORMULA, self.path)

    def peakmem_whole_call(self, folder, n):
        mm.lmm(FORMULA, self.path)


class Generated:
    """Two crossed factors of 1,000,000 and 1,000 levels: rows a second, of one core."""

    params = (5 * MILLION, 20 * MILLION)
    param_names = ("rows",)
    timeout = 3600
    number, repeat, rounds, warmup_time = 1, 1, 1, 0

    def track_rows_a_second(self, n):
        begin = time.process_time()
        mm.LinearMixedModel("y ~ x + (1 | person) + (1 | item)", lambda: crossed_chunks(n))
        return n / (time.process_time() - begin)

    def peakmem_model(self, n):
        mm.LinearMixedModel("y ~ x + (1 | person) + (1 | item)", lambda: crossed_chunks(n))


if __name__ == "__main__":  # a hundred million rows, too long for a series of benchmarks
    n = int(float(os.environ.get("ROWS", 1e8)))
    begin = time.process_time(), time.time()
    model = mm.lmm("y ~ x + (1 | person) + (1 | item)", lambda: crossed_chunks(n))
    cpu, wall = time.process_time() - begin[0], time.time() - begin[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{n:.0e} rows: {n / cpu:,.0f} rows a CPU second, {wall:.0f} s, {peak:.2f} GB at most")
    print(model)
