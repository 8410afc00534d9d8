"""The limit on BLAS threads: one for the process, however blocks overlap."""

import subprocess
import sys

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
