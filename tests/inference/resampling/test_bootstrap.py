"""The parametric bootstrap: its distribution, its seeds, and what is kept of it."""

import json
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import numbamm as mm
from numbamm.errors import DataError, NotFittedError, NumbammWarning, OptionError
from numbamm.inference.resampling import bootstrap as room
from numbamm.inference.resampling.replicates import stream

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
DYE = "Yield ~ 1 + (1 | Batch)"


@pytest.fixture(scope="module")
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy")


@pytest.fixture(scope="module")
def replicates(sleep):
    return sleep.bootstrap(1000, seed=1, workers=2)


def weighted(reml=False, sigma=None):
    """Weights, an offset, unbalanced crossed factors and a column far from zero."""
    rng = np.random.default_rng(5)
    n = 240
    g, h, x = rng.integers(0, 20, n), rng.integers(0, 5, n), rng.normal(2000, 10, n)
    w, o = rng.uniform(0.5, 3, n), rng.normal(size=n)
    u, v = rng.normal(size=(20, 2)), rng.normal(size=5)
    y = 3 + 0.02 * x + u[g, 0] + 0.1 * u[g, 1] * (x - 2000) + v[h] + o + rng.normal(size=n) / w**0.5
    data = {"y": y, "x": x, "g": g, "h": h, "w": w, "o": o}
    formula = "y ~ 1 + x + (1 + x | g) + (1 | h)"
    return mm.lmm(formula, data, weights="w", offset="o", reml=reml, sigma=sigma)


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"sigma": 1.1}])
def test_compiled_fits_are_those_of_refit(options):
    """To the response of the same random numbers, which `refit` is given."""
    model = weighted(**options)
    b = model.bootstrap(4, seed=3)
    terms, order = model.reterms, model.blocks.layout.order
    for i in range(4):
        noise = stream(b.key, i).standard_normal(sum(t.nranef for t in terms) + model.nobs)
        eta, at = model.predict(random=False).to_numpy(), 0
        inside = b.names.components.lambdas(model._inward(model.theta))
        for k in order:
            term, p = model._inside[k], terms[k].p
            u = noise[at : at + term.nlevels * p].reshape(term.nlevels, p)
            at += u.size
            eta = eta + model.sigma * np.einsum("pn,np->n", term.z, (u @ inside[k].T)[term.refs])
        y = eta + model.sigma * noise[at:] / np.sqrt(model.frame.weights)
        twin = weighted(**options).refit(y, optimizer="newton")
        assert_allclose(b.values[i, 0], twin.objective, atol=1e-6)
        line = b.names.line(twin)
        scale = np.abs(line) + 1e-3
        assert (np.abs(b.values[i] - line) < 1e-3 * scale).all()
        sd = b.frame.filter(regex="^sd_").loc[i]
        own = np.concatenate([t.sd for t in twin.varcorr.terms])
        assert_allclose(sd, own, rtol=2e-3, atol=1e-3)


def test_distribution_is_that_of_row_wise_simulation(sleep, replicates):
    """Kolmogorov and Smirnov's test of six parameters; errs once in 10,000 seeds, which is fixed.

    `simulate` draws for the rows from its own random numbers, and `refit` fits with the default
    optimiser.
    """
    twin, rng = mm.lmm(SLEEP, mm.datasets.load("sleepstudy")), np.random.default_rng(8)
    lines = np.array(
        [replicates.names.line(twin.refit(sleep.simulate(rng), progress=False)) for _ in range(300)]
    )
    p = [ks_2samp(a, b).pvalue for a, b in zip(lines.T[1:], replicates.values.T[1:], strict=True)]
    assert len(p) == 6
    assert min(p) > 1e-4 / 6


def test_a_balanced_design_follows_its_mean_squares(fitted):
    """REML of six batches of five is a function of two χ²; β* is normal with the Wald variance.

    Three tests of Kolmogorov and Smirnov, which err once in 10,000 seeds; both seeds are fixed.
    """
    model, rng = fitted(DYE, "Dyestuff", reml=True), np.random.default_rng(1)
    sigma2, tau2 = model.sigma**2, model.varcorr["Batch"].variances[0]
    within = sigma2 * rng.chisquare(24, 4000) / 24
    between = (sigma2 + 5 * tau2) * rng.chisquare(5, 4000) / 5
    singular = between < within
    residual = np.where(singular, (24 * within + 5 * between) / 29, within)
    sd = np.sqrt(np.maximum(0, (between - within) / 5))
    beta = rng.normal(model.params.iloc[0], model.bse.iloc[0], 4000)
    frame = model.bootstrap(4000, seed=2).frame
    for column, exact in (
        ("sigma", np.sqrt(residual)),
        ("sd_Intercept|Batch", sd),
        ("beta_Intercept", beta),
    ):
        assert ks_2samp(frame[column].round(3), exact.round(3)).pvalue > 1e-4 / 3
    error = np.sqrt(2 * singular.mean() / 4000)
    assert abs(frame["singular"].mean() - singular.mean()) < 5 * error


def test_the_frame_depends_on_the_seed_alone(sleep, replicates):
    one = sleep.bootstrap(150, seed=1, workers=1)
    assert one.frame.equals(replicates.frame.iloc[:150])
    few = sleep.bootstrap(80, seed=1)
    for _ in range(15):  # in batches of one
        few = few.extend(4)
    assert few.frame.equals(replicates.frame.iloc[: few.n])
    assert not np.allclose(sleep.bootstrap(5, seed=2).values, one.values[:5])
    assert sleep.bootstrap(2).key != sleep.bootstrap(2).key


def test_extend_goes_on_with_the_streams(sleep, replicates):
    more = sleep.bootstrap(70, seed=1).extend(80, workers=2)
    assert more.n == 150
    assert more.frame.equals(replicates.frame.iloc[:150])
    with pytest.raises(OptionError, match="another model"):
        replicates.extend(5, model=mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), reml=True))


def test_the_frame(sleep, replicates):
    frame = replicates.frame
    assert list(frame.columns) == [
        "objective",
        "sigma",
        "beta_Intercept",
        "beta_Days",
        "theta_Subject.Intercept",
        "theta_Subject.Days.Intercept",
        "theta_Subject.Days",
        "sd_Intercept|Subject",
        "sd_Days|Subject",
        "cor_Days.Intercept|Subject",
        "singular",
    ]
    assert frame.index.tolist() == list(range(1000))
    assert_allclose(
        replicates.estimates["sd_Intercept|Subject":],
        [*sleep.varcorr["Subject"].sd, sleep.varcorr["Subject"].corr[1, 0]],
    )
    twin = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))
    for i in np.flatnonzero(frame["singular"])[:3]:
        twin._set_theta(replicates.values[i, 4:])
        assert twin.is_singular()
    assert 0 < replicates.n_singular < 200
    assert replicates.n_failed == 0


def test_intervals(replicates):
    values = replicates.frame["beta_Days"].to_numpy()
    tails = replicates.conf_int(0.1, "equal-tailed").loc["beta_Days"]
    assert_allclose(tails, np.quantile(values, [0.05, 0.95]))
    short = replicates.conf_int(0.1).loc["beta_Days"]
    assert short[1] - short[0] <= tails[1] - tails[0]
    assert ((values >= short[0]) & (values <= short[1])).sum() == 900
    some = replicates.conf_int(singular=False)
    assert some.loc["sd_Days|Subject", 0] >= 0
    assert room.shortest(np.array([0.0, 5.0, 6.0, 7.0, 30.0]), 0.4) == (5.0, 7.0)
    with pytest.raises(OptionError, match="shortest, equal-tailed"):
        replicates.conf_int(method="bca")
    with pytest.raises(OptionError, match="alpha"):
        replicates.conf_int(95)


def test_pvalues():
    """Least where no replicate crosses zero; uniform where β is zero."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(10), 6)
    x = rng.normal(size=60)
    y = 5 + 1e-9 * x + rng.normal(size=10)[g] + rng.normal(size=60)
    b = mm.lmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}).bootstrap(199, seed=1)
    p = b.pvalues()
    assert p["Intercept"] == 2 / 200
    beta = b.frame["beta_x"]
    assert_allclose(p["x"], min(1, 2 * (1 + min((beta <= 0).sum(), (beta >= 0).sum())) / 200))


@pytest.fixture(scope="module")
def counts():
    """A Poisson model of counts in groups."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 8)
    y = rng.poisson(np.exp(0.5 + 0.6 * rng.normal(size=12)[g])).astype(float)
    return mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson")


def test_a_generalized_model_and_its_workers(counts):
    one, two = counts.bootstrap(6, seed=1), counts.bootstrap(6, seed=1, workers=2)
    assert one.frame.equals(two.frame)
    assert "sigma" not in one.frame and "shape" not in one.frame
    y = counts.frame.y.copy()
    twin = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": counts.reterms[0].refs}, "poisson")
    twin.refit(counts.simulate(stream(one.key, 5)))
    assert_allclose(one.frame.loc[5, "objective"], twin.objective)
    assert_allclose(counts.frame.y, y)


def test_the_shape_of_a_negative_binomial():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 8)
    mu = np.exp(1 + 0.6 * rng.normal(size=12)[g])
    data = {"y": rng.negative_binomial(2.0, 2.0 / (2.0 + mu)).astype(float), "g": g}
    model, twin = (mm.glmm("y ~ 1 + (1 | g)", data, "negativebinomial") for _ in range(2))
    b = model.bootstrap(12, seed=1)
    assert list(b.frame.columns[:2]) == ["objective", "shape"]
    assert b.estimates["shape"] == model.shape
    twin.refit(model.simulate(stream(b.key, 11)))
    assert_allclose(b.frame.loc[11, "shape"], twin.shape, rtol=1e-5)
    low, high = b.conf_int().loc["shape"]
    assert 0 < low < model.shape < high


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


def test_the_progress_bar(sleep, capsys, monkeypatch):
    tqdm = pytest.importorskip("tqdm.auto")
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"delay": 0, "mininterval": 0})
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    sleep.bootstrap(300, seed=1, progress=True)
    assert (bars[0].n, bars[0].total, bars[0].disable) == (300, 300, True)  # closed
    assert "300/300" in capsys.readouterr().err
    sleep.bootstrap(300, seed=1, progress=False)
    sleep.bootstrap(300, seed=1)  # no terminal here
    sleep.profile("sigma", progress=True)
    assert [(bar.n, bar.total, bar.unit) for bar in bars[1:]] == [(1, 1, "parameter")]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert sleep.bootstrap(2, seed=1, progress=True).n == 2
    assert len(bars) == 2


def test_failed_replicates_are_kept_apart(monkeypatch):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(6), 5)
    y = rng.poisson(2.0, 30).astype(float)
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson", fast=True)
    refit = type(model).refit
    calls = iter(range(10))

    def failing(self, *args, **options):
        if next(calls) == 2:
            raise mm.FitError("no way down")
        return refit(self, *args, **options)

    monkeypatch.setattr(type(model), "refit", failing)
    b = model.bootstrap(5, seed=1)
    assert b.failed == {2: "no way down"}
    assert (b.n, b.n_failed) == (5, 1)
    assert b.frame.index.tolist() == [0, 1, 3, 4]
    assert "1 failed" in str(b)


def test_an_interrupt_keeps_what_is_done(sleep, replicates):
    """A real one, of a process that waits for its threads."""
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(NumbammWarning, match="interrupted"):
        part = sleep.bootstrap(100_000, seed=1)
    timer.join()
    assert 1 <= part.n < 100_000
    assert part.index.tolist() == list(range(part.n))
    n = min(part.n, 1000)
    assert part.frame[:n].equals(replicates.frame[:n])
    part = part.extend(30)
    assert part.frame[-30:].equals(sleep.bootstrap(part.n, seed=1).frame[-30:])


def test_an_interrupt_within_a_refit(counts, monkeypatch):
    """As in another process, to which Ctrl-C goes as well: its fit keeps an unfinished point."""
    refit, calls = type(counts).refit, iter(range(10))

    def interrupted(self, *args, **options):
        refit(self, *args, **options)
        if next(calls) == 2:
            self.optsum.returnvalue = "INTERRUPTED"
        return self

    expected = counts.bootstrap(2, seed=1).frame
    monkeypatch.setattr(type(counts), "refit", interrupted)
    with pytest.warns(NumbammWarning, match="interrupted"):
        part = counts.bootstrap(6, seed=1)
    assert part.n == 2
    assert part.frame.equals(expected)


def test_save_and_load(tmp_path, sleep, replicates):
    path = tmp_path / "sleep.parquet"
    b = sleep.bootstrap(20, seed=1)
    b.failed = {20: "why"}
    b.save(path)
    again = mm.Bootstrap.load(path)
    assert again.frame.equals(b.frame)
    assert again.estimates.equals(b.estimates)
    assert (again.failed, str(again)) == (b.failed, str(b))
    with pytest.raises(OptionError, match="need their model"):
        again.extend(5)
    again.failed = {}
    assert again.extend(5, model=sleep).frame.equals(replicates.frame.iloc[:25])
    other = tmp_path / "other.parquet"
    mm.datasets.load("Dyestuff").to_parquet(other)
    with pytest.raises(OptionError, match="no file of bootstrap replicates"):
        mm.Bootstrap.load(other)


def without_key(about, key):
    return {k: v for k, v in about.items() if k != key}


DAMAGES = {
    **{f"without {k}": lambda a, k=k: without_key(a, k) for k in ("title", "given", "original")},
    "names null": lambda about: about | {"names": None},
    "names of another kind": lambda about: about | {"names": [1, 2]},
    "failed is a list": lambda about: about | {"failed": [1]},
    "a list": lambda about: [about],
    "null": lambda about: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_metadata(tmp_path, replicates, damage):
    pq, path = pytest.importorskip("pyarrow.parquet"), tmp_path / "b.parquet"
    replicates.save(path)
    table = pq.read_table(path)
    first = {"version": 1}  # which had no checksum, so that all of it is looked at
    about = DAMAGES[damage](json.loads(table.schema.metadata[b"numbamm"]) | first)
    pq.write_table(table.replace_schema_metadata({b"numbamm": json.dumps(about)}), path)
    with pytest.raises(OptionError, match="b.parquet is no file of bootstrap replicates"):
        mm.Bootstrap.load(path)


def test_damaged_bytes(tmp_path, sleep):
    pytest.importorskip("pyarrow")
    path, rng = tmp_path / "b.parquet", np.random.default_rng(7)
    b = sleep.bootstrap(20, seed=1)
    b.save(path)
    whole = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged if rng.random() < 0.7 else damaged[: rng.integers(len(whole))])
        try:
            again = mm.Bootstrap.load(path)
        except OptionError as error:
            assert "b.parquet is no file of bootstrap replicates" in str(error)
        else:  # a byte that says nothing
            assert again.frame.equals(b.frame)


def test_files_that_cannot_be_written(tmp_path, replicates):
    pytest.importorskip("pyarrow")
    for path in (tmp_path, tmp_path / "nowhere" / "b.parquet", "b\0", ""):
        with pytest.raises(OptionError, match="cannot be written"):
            replicates.save(path)
    with pytest.raises(OptionError, match="path must be the name of a file"):
        replicates.save(None)


def test_more_replicates_than_can_be_kept(sleep):
    with pytest.raises(DataError, match="100,000,000 replicates: .* of memory"):
        sleep.bootstrap(10**8)
    with pytest.raises(OptionError, match="n must be at most 1,000,000,000"):
        sleep.bootstrap(10**12)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_no_parquet_file(tmp_path, content):
    pytest.importorskip("pyarrow")
    (tmp_path / "b.parquet").write_bytes(content)
    with pytest.raises(OptionError, match="b.parquet is no file of bootstrap replicates"):
        mm.Bootstrap.load(tmp_path / "b.parquet")


def test_without_pyarrow(tmp_path, replicates, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(OptionError, match="pyarrow"):
        replicates.save(tmp_path / "x.parquet")


def test_a_given_sigma_is_no_estimate():
    b = weighted(sigma=1.1).bootstrap(10, seed=1)
    assert (b.frame["sigma"] == 1.1).all()
    assert "sigma" not in b.conf_int().index


def test_tables(replicates):
    text = str(replicates)
    assert "Parametric bootstrap: Reaction" in text
    assert f"1000 replicates; {replicates.n_singular} singular, 0 failed." in text
    assert "<table" in replicates._repr_html_()


def test_errors_in_words(sleep):
    unfitted = mm.LinearMixedModel(DYE, mm.datasets.load("Dyestuff"))
    with pytest.raises(NotFittedError, match="call fit"):
        mm.bootstrap(unfitted, 10)
    for n in (0, -3, 2.5):
        with pytest.raises(OptionError, match="n must be"):
            mm.bootstrap(sleep, n)
    for workers in (0, -2, 1.5, "two"):
        with pytest.raises(OptionError, match="workers must be"):
            sleep.bootstrap(10, workers=workers)
    with pytest.raises(OptionError, match="seed"):
        sleep.bootstrap(10, seed="one")
    empty = room.Bootstrap._of(sleep, 1)
    with pytest.raises(DataError, match="no replicate"):
        empty.conf_int()
