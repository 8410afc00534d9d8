"""The kernels as plain Python: same results, and code that coverage can see."""

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_without_compilation():
    tests = Path(__file__).with_name("test_blocks.py")
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tests.parents[2],
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
