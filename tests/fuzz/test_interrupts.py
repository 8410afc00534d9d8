"""Ctrl-C at any moment: the process lives, and models are consistent."""

import os
import subprocess
import sys

import numba
import pytest

from fuzz.farm import environment

pytestmark = pytest.mark.skipif(
    numba.config.DISABLE_JIT or os.name != "posix", reason="compiled code and POSIX signals"
)


def interrupted(seed, times, module="fuzz.interrupts"):
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", module, str(seed), str(times)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, (run.stdout.splitlines()[-1:], run.stderr[-2000:])
    assert sum(line[0].isdigit() for line in run.stdout.splitlines()) == times


def test_a_few_interrupts():
    interrupted(0, 60)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_interrupts(seed):
    interrupted(seed, 300)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(1, 5))
def test_interrupts_while_kernels_compile(seed):
    interrupted(seed, 12, module="fuzz.cold_interrupts")
