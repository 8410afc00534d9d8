"""`allfit`: a table of fits, a verdict, and a model that is left alone."""

import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from typing import ClassVar

import numpy as np
import pytest
from inference.resampling.executors import Dying

import numbamm as mm
from numbamm.optimize import Algorithm, registry

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Nothing is registered before a test, whatever other tests have left."""
    monkeypatch.setattr(registry, "_backends", {})


@pytest.fixture
def plugin():
    """Register a function of the problem as an optimiser; returns its name."""

    def make(name, search):
        class Backend:
            library = "Test 0"
            algorithms: ClassVar = {"SEARCH": Algorithm()}

            def minimize(self, problem, algorithm):
                return search(problem)

        registry.register(name, Backend)
        return f"{name}:SEARCH"

    return make


def stay(problem):
    return "DONE"


def fail(problem):
    raise ValueError("not today")


def interrupt(problem):
    raise KeyboardInterrupt


def test_all_begin_at_the_same_theta():
    """A search with gradients would have begun elsewhere: at the optimum, in this design."""
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    table = mm.allfit(model, ["newton", "nlopt:LN_BOBYQA"]).table.set_index("optimizer")
    assert table["evaluations"]["newton"] > 3 and table["evaluations"]["nlopt:LN_BOBYQA"] == 57
    assert list(model.optsum.initial) == [1.0, 0.0, 1.0]
    assert model.fit(optimizer="newton").optsum.feval == 1
    cbpp = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.GeneralizedLinearMixedModel(formula, cbpp, "binomial")
    table = mm.allfit(model, ["newton"]).table
    begun = mm.GeneralizedLinearMixedModel(formula, cbpp, "binomial")
    begun.optsum.initial = [1.0]
    assert table["evaluations"][0] == begun.fit(optimizer="newton").optsum.feval


def test_every_optimiser_by_default(fitted):
    comparison = mm.allfit(fitted(SLEEP, "sleepstudy"), maxfeval=2000)
    tried = set(comparison.table["optimizer"])
    assert {"nlopt:LN_BOBYQA", "nlopt:LN_PRAXIS", "scipy:L-BFGS-B", "scipy:COBYQA"} <= tried
    assert {"newton", "nlopt:LD_LBFGS"} <= tried
    assert comparison.agree
    assert f"{len(tried)} of {len(tried)} optimisers agree" in comparison.verdict


def test_table_holds_each_fit(fitted):
    names = ["nlopt:LN_BOBYQA", "LN_NELDERMEAD", "nlopt:LN_BOBYQA"]
    table = mm.allfit(fitted(SLEEP, "sleepstudy"), names).table.set_index("optimizer")
    assert set(table.index) == {"nlopt:LN_BOBYQA", "nlopt:LN_NELDERMEAD"}
    for name, line in table.iterrows():
        alone = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), optimizer=name)
        assert line["objective"] == alone.objective
        assert line["evaluations"] == alone.optsum.feval
        assert line["returnvalue"] == alone.optsum.returnvalue
        assert line[alone.theta_names].tolist() == alone.theta.tolist()
        assert line["seconds"] > 0
        assert line["message"] == ""
    assert table["excess"].tolist() == (table["objective"] - table["objective"].min()).tolist()
    assert table["objective"].is_monotonic_increasing


@pytest.mark.parametrize("fit", [True, False])
def test_model_is_left_alone(fit, plugin):
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"), reml=True)
    if fit:
        model.fit()
    _ = model.layout.operations  # counted when first asked for, and kept
    _ = model.layout.operations  # counted once for all twins
    before = pickle.dumps(model)
    names = ["scipy:Powell", plugin("failing", fail)]
    comparison = mm.allfit(model, names, maxfeval=400, maxtime=9.0)
    assert pickle.dumps(model) == before
    assert comparison.table["objective"].min() == pytest.approx(1743.6283, abs=1e-3)


def test_arrays_are_shared():
    data = mm.datasets.load("sleepstudy").sample(100_000, replace=True, random_state=1)
    model = mm.LinearMixedModel(SLEEP, data)
    tracemalloc.start()
    twin = model.twin()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000
    assert twin.blocks is model.blocks
    assert np.shares_memory(twin.reterms[0].z, model.reterms[0].z)
    assert not np.shares_memory(twin.reterms[0].theta, model.reterms[0].theta)


def test_disagreement_is_told(fitted, plugin):
    name = plugin("lazy", stay)
    comparison = mm.allfit(fitted(SLEEP, "sleepstudy"), ["nlopt:LN_BOBYQA", name])
    assert not comparison.agree
    assert "1 of 2 optimisers agree" in comparison.verdict
    assert "Worse than the best: lazy:SEARCH (by 33)" in comparison.verdict
    wide = mm.allfit(fitted(SLEEP, "sleepstudy"), ["nlopt:LN_BOBYQA", name], tolerance=50)
    assert wide.agree


def test_failures_and_warnings_are_lines_of_the_table(fitted, plugin, recwarn):
    names = [plugin("failing", fail), "nlopt:LN_SBPLX"]
    comparison = mm.allfit(fitted(SLEEP, "sleepstudy"), names, maxfeval=10)
    table = comparison.table.set_index("optimizer")
    assert "not today" in table.loc["failing:SEARCH", "message"]
    assert (table["returnvalue"] == "FAILED").sum() == 1
    assert table.loc["failing:SEARCH", ["objective", "Subject.Days"]].isna().all()
    assert table.loc["nlopt:LN_SBPLX", "returnvalue"] == "MAXEVAL_REACHED"
    assert "did not converge" in table.loc["nlopt:LN_SBPLX", "message"]
    assert len(recwarn) == 0
    assert not comparison.agree
    assert "Failed: failing:SEARCH" in comparison.verdict


def test_nothing_but_failures(fitted, plugin):
    comparison = mm.allfit(fitted(SLEEP, "sleepstudy"), plugin("failing", fail))
    assert not comparison.agree
    assert "0 of 1" in repr(comparison)


def test_interrupt_ends_the_comparison(fitted, plugin):
    names = ["nlopt:LN_BOBYQA", plugin("stopped", interrupt), "nlopt:LN_SBPLX"]
    table = mm.allfit(fitted(SLEEP, "sleepstudy"), names).table
    assert set(table["optimizer"]) == {"nlopt:LN_BOBYQA", "stopped:SEARCH"}
    assert "INTERRUPTED" in set(table["returnvalue"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizers": []}, "at least one"),
        ({"optimizers": "nlopt:LN_BOBYKA"}, "LN_BOBYQA"),
        ({"maxfeval": 0}, "maxfeval must be"),
    ],
)
def test_mistakes_are_told_before_any_fit(fitted, arguments, message):
    with pytest.raises(mm.OptionError, match=message):
        mm.allfit(fitted(SLEEP, "sleepstudy"), **arguments)


def test_printed(fitted, plugin):
    names = ["nlopt:LN_BOBYQA", plugin("<failing>", fail)]
    comparison = mm.allfit(fitted(SLEEP, "sleepstudy"), names)
    _, _, header, _, first, second, *_ = repr(comparison).splitlines()
    assert header.split() == [
        "optimizer", "objective", "excess", "Subject.Intercept", "Subject.Days.Intercept",
        "Subject.Days", "evaluations", "seconds", "returnvalue",
    ]  # fmt: skip
    assert first.split()[:3] == ["nlopt:LN_BOBYQA", "1751.9393", "0.000000"]
    assert second.split() == ["<failing>:SEARCH", *["–"] * 6, second.split()[-2], "FAILED"]
    assert comparison.verdict in repr(comparison)
    html = comparison._repr_html_()
    assert ">1751.9393</td>" in html
    assert "&lt;failing&gt;:SEARCH: " in html and "<failing>" not in html


def test_seconds_are_those_of_the_search(first_use, tmp_path):
    """The first fit of a fresh cache compiles its kernels, here one of them, which takes longer."""
    cache = tmp_path / "cache"
    shutil.copytree(first_use.folder, cache, ignore=shutil.ignore_patterns("cholesky.objective-*"))
    script = (
        "import time, numbamm as mm\n"
        "from numbamm.blocks.jit import compile_time\n"
        "model = mm.LinearMixedModel('Yield ~ 1 + (1 | Batch)', mm.datasets.load('Dyestuff'))\n"
        "begin, before = time.perf_counter(), compile_time.seconds\n"
        "table = mm.allfit(model, ['nlopt:LN_NELDERMEAD', 'nlopt:LN_BOBYQA']).table\n"
        "compiled = compile_time.seconds - before\n"
        "assert compiled > 0.1, compiled\n"
        "rest = time.perf_counter() - begin - compiled\n"
        "assert table['seconds'].sum() < rest + 1e-3, (table, rest)\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def test_fits_do_not_depend_on_the_workers_and_warnings_stay_with_their_fits(fitted):
    model, some = fitted(SLEEP, "sleepstudy"), ["newton", "nlopt:LN_BOBYQA", "scipy:Powell"]
    tables = [
        mm.allfit(model, some, maxfeval=9, workers=workers).table.drop(columns="seconds")
        for workers in (1, 3)
    ]
    assert tables[0].equals(tables[1])
    messages = tables[0].set_index("optimizer")["message"]
    assert not messages["newton"] and "nlopt:LN_BOBYQA did not" in messages["nlopt:LN_BOBYQA"]
    assert "scipy:Powell did not" in messages["scipy:Powell"]


def test_a_process_that_ends_leaves_the_fits_that_are_done(fitted):
    model = fitted(SLEEP, "sleepstudy")
    with Dying(1) as workers, pytest.raises(mm.WorkerError) as caught:
        mm.allfit(model, ["newton", "nlopt:LN_BOBYQA"], workers=workers)
    assert caught.value.partial.table["optimizer"].to_list() == ["newton"]
