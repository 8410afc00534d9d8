"""The limit on BLAS threads: one for the process, however blocks overlap."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info

from numbamm import config
from numbamm.blocks import threads
from numbamm.blocks.threads import ThreadLocal, blas_threads

SCRIPT = """
from threading import Event, Thread
import scipy.linalg
from threadpoolctl import threadpool_info
from numbamm.blocks.threads import blas_threads

def limits():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

entered, left = Event(), Event()
inside_alone = []

def second():
    with blas_threads(1):
        entered.set()
        left.wait()
        inside_alone.append(limits())

before = limits()
thread = Thread(target=second)
with blas_threads(1):
    thread.start()
    entered.wait()
left.set()
thread.join()
print(before, inside_alone[0], limits())
"""


def test_overlapping_limits():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={"OPENBLAS_NUM_THREADS": "2", "PATH": ""},
    )
    assert done.stdout.split("\n")[0] == "{2} {1} {2}"


FORKED = """
import os, sys, threading, time
from numbamm.blocks.threads import blas_threads

def loop():
    while True:
        with blas_threads(1):
            time.sleep(1e-4)

for _ in range(3):
    threading.Thread(target=loop, daemon=True).start()
hung = 0
for _ in range(6):
    child = os.fork()
    if child == 0:
        with blas_threads(1):
            pass
        os._exit(0)
    for _ in range(1000):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.002)
    else:
        hung += 1
        os.kill(child, 9)
        os.waitpid(child, 0)
print(hung, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_forks_beside_threads_do_not_wait_for_them():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr


NESTED = """
import os
from threadpoolctl import threadpool_info
import scipy.linalg
from numbamm.blocks.threads import blas_threads

def limits():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

with blas_threads(1):
    child = os.fork()
    if child == 0:
        with blas_threads(1):
            pass
        print(limits(), flush=True)  # the block around the fork goes on in the child, too
if child:
    os.waitpid(child, 0)
print(limits(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_block_around_a_fork_ends_in_both_processes():
    done = subprocess.run(
        [sys.executable, "-c", NESTED],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
    )
    assert done.stdout.split() == ["{1}", "{2}", "{2}"]


def blas_limits() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_limit_is_the_option(threads):
    before = blas_limits()
    with config.context(threads=threads), blas_threads():
        assert blas_limits() == {threads}
    assert blas_limits() == before


class Counter(ThreadLocal):
    """Keeps a name, and for each thread the list of its calls."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def calls(self) -> list:
        if not hasattr(self._local, "calls"):
            self._local.calls = []
        self._local.calls.append(self.name)
        return self._local.calls


def test_each_thread_has_its_own_buffers():
    counter = Counter("a")
    assert len(counter.calls()) == 1
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(counter.calls).result()) == 1
    assert len(counter.calls()) == 2


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_leave_buffers_behind(copied):
    counter = Counter("a")
    counter.calls()
    other = copied(counter)
    assert other.name == "a"
    assert len(other.calls()) == 1
    assert len(counter.calls()) == 2


HELD = """
import os, sys, threading, time
import scipy.linalg
from numbamm.blocks import threads
from numbamm.errors import FitError

threads.FORK_WAIT = 0.5

def loop():
    while True:
        threads._product()

for _ in range(4):
    threading.Thread(target=loop, daemon=True).start()
answers = []
for _ in range(15):
    child = os.fork()
    if child == 0:
        answer = 1
        try:
            with threads.blas_threads(1):
                answer = 2
        except FitError as error:
            answer = 3 if "forkserver" in str(error) else 4
        os._exit(answer)
    deadline = time.time() + 30
    while time.time() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            answers.append(os.waitstatus_to_exitcode(status))
            break
        time.sleep(0.002)
    else:
        os.kill(child, 9)
        answers.append(0)
print(sorted(set(answers)))
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_never_waits_for_a_lock_of_blas():
    """Each child works, or says that BLAS was locked when it was forked."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HELD], capture_output=True, text=True, check=True
    )
    assert done.stdout in ("[2]\n", "[2, 3]\n", "[3]\n"), done.stdout + done.stderr


# ---- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7])
def test_each_part_runs_once(n):
    done = []
    threads.run_parts(done.append, n)
    assert sorted(done) == list(range(n))


def test_errors_come_out():
    def fail(part):
        raise ValueError(part)

    with pytest.raises(ValueError, match="0"):
        threads.run_parts(fail, 3)


def test_one_processor_needs_no_threads(monkeypatch):
    monkeypatch.setattr(threads, "_processors", lambda: 1)
    names = []
    threads.run_parts(lambda part: names.append(threading.current_thread()), 3)
    assert set(names) == {threading.current_thread()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    threads.run_parts(lambda part: None, 2)
    child = os.fork()
    if child == 0:
        done = []
        threads.run_parts(done.append, 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
