"""Kernels compiled ahead, in several processes: what comes of it, and of whatever may go wrong."""

import os
import signal
import subprocess
import sys
import time

import numba
import numpy as np
import pytest

from numbamm.blocks import crew
from numbamm.blocks import jit as module
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import NOTHING, NUMBER, REALS

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to compile")
#: Kernels in a file of their own, as another process must find them by name.
KERNELS = """
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import NUMBER, REALS

@jit(takes=(REALS,), gives=NUMBER)
def total(x):
    result = 0.0
    for i in range(len(x)):
        result += x[i]
    return result

@jit(takes=(REALS,), gives=NUMBER)
def mean(x):
    return _half(total(x)) * 2.0 / len(x)

@jit
def _half(x):
    return 0.5 * x

@jit(takes=(REALS, REALS))
def center(x, out):
    for i in range(len(x)):
        out[i] = x[i] - mean(x)
"""
USE = """
import sys, time
import numpy as np
from numbamm.blocks import crew, jit
import kernels

jit.compile_ahead(kernels.center)
jit.compile_ahead(kernels.mean, kernels.center)  # under way already
{meanwhile}
x, out = np.array([1.0, 2.0, 6.0]), np.empty(3)
kernels.center(x, out)
assert (out == [-2.0, -1.0, 3.0]).all() and kernels.mean(x) == 3.0
for kernel in kernels.total, kernels.mean, kernels.center:
    cache = jit.dispatcher_of(kernel).stats
    print(kernel.signatures and sum(cache.cache_hits.values()), end=" ")
"""


@pytest.fixture
def use(tmp_path):
    """Runs the script in a new process; the cache stays."""
    (tmp_path / "kernels.py").write_text(KERNELS)

    def run(meanwhile="", **environment):
        paths = [str(tmp_path), *sys.path]
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **environment,
        }
        script = [sys.executable, "-c", USE.format(meanwhile=meanwhile)]
        return subprocess.run(script, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_other_processes_fill_the_cache(use):
    """The first process finds all that it calls in the cache, though it was empty."""
    wait = (
        "crew._crew._left and time.sleep(0.01)\nwhile len(crew._crew._done) < 3: time.sleep(0.01)"
    )
    first = use(wait, NUMBAMM_COMPILE_PROCESSES="2")
    assert first.returncode == 0, first.stderr
    assert first.stdout.split() == ["1", "1", "1"]
    assert first.stderr.count("\n") == 1 and "2 processes" in first.stderr
    second = use()
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_all_compile_where_nobody_waits(use):
    run = use(NUMBAMM_COMPILE_PROCESSES="3")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "meanwhile",
    [
        "for process in crew._crew.processes: process.kill()",
        "crew._crew.stop()",
    ],
)
def test_lost_processes_are_made_up_for(use, meanwhile):
    run = use(meanwhile, NUMBAMM_COMPILE_PROCESSES="2")
    assert run.returncode == 0, run.stderr
    assert use().stderr == ""


def test_code_that_would_call_a_kernel_the_old_way_is_not_run(use, tmp_path):
    """Its callers in other files, which numba takes for unchanged, are compiled anew."""
    (tmp_path / "apart.py").write_text(KERNELS.split("@jit(takes=(REALS, REALS))")[0])
    head = "from numbamm.blocks.jit import jit\nfrom numbamm.blocks.kinds import *\n"
    tail = KERNELS[KERNELS.index("@jit(takes=(REALS, REALS))") :]
    (tmp_path / "kernels.py").write_text(head + "from apart import mean, total\n" + tail)
    assert use().returncode == 0
    changed = KERNELS.split("@jit(takes=(REALS, REALS))")[0]
    changed = changed.replace("def mean(x)", "def mean(x, more=0.0)").replace(
        "@jit(takes=(REALS,), gives=NUMBER)\ndef mean",
        "@jit(takes=(REALS, NUMBER), gives=NUMBER)\ndef mean",
    )
    (tmp_path / "apart.py").write_text(changed)
    run = use()
    assert run.returncode == 1 and "Fatal" not in run.stderr, run.stderr
    assert "mean" in run.stderr


def test_one_process_compiles_in_line(use):
    run = use("assert crew._crew is None", NUMBAMM_COMPILE_PROCESSES="1")
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["0", "0", "0"] and "processes" not in run.stderr


def test_no_process_can_be_started(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(crew, "_crew", None)
    assert crew.prepare([here, there], 2) == 1
    assert crew._crew is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("executable", "/usr/bin/blender"), ("executable", None), ("frozen", True)],
)
def test_programs_that_are_not_python_start_none(monkeypatch, name, value):
    monkeypatch.setattr(sys, name, value, raising=False)
    assert not crew.can_start()


def test_workers_start_none(monkeypatch):
    import multiprocessing

    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    assert not crew.can_start()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_all_and_leaves_a_cache_that_serves(use):
    interrupt = """
import os, signal, threading
processes = crew._crew.processes
threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    crew._crew.wait_for([kernels.center, kernels.total, kernels.mean])
    time.sleep(5)
except KeyboardInterrupt:
    crew._crew.stop()
for process in processes:
    assert process.wait(10) is not None
"""
    run = use(interrupt, NUMBAMM_COMPILE_PROCESSES="2")
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert use().returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_nobody_is_left_behind(use):
    """A process that is killed takes its helpers along: their input ends."""
    kill = """
import os, signal
print(*[process.pid for process in crew._crew.processes], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = use(kill, NUMBAMM_COMPILE_PROCESSES="2")
    assert run.returncode == -signal.SIGKILL
    (helper,) = map(int, run.stdout.split())
    for _ in range(600):
        try:
            os.kill(helper, 0)
        except ProcessLookupError:
            return
        if f"{helper} (python" in _status(helper) and ") Z" in _status(helper):
            return  # ended; nobody has asked how
        time.sleep(0.1)
    raise AssertionError(f"process {helper} goes on")


def _status(process: int) -> str:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read()
    except OSError:
        return ""


@jit(takes=(REALS,), gives=NUMBER, cache=False)
def here(x):
    """Adds up."""
    return x.sum()


@jit(takes=(REALS, REALS), gives=NOTHING, cache=False)
def there(x, out):
    """Calls the other through its address, and numpy's functions."""
    out[0] = here(x) + np.sqrt(x[0])


def test_sizes_order_kernels():
    assert module._size(there) > module._size(here) > 0
