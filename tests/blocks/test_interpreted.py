"""The kernels as plain Python: same results, and code that coverage can see."""

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_without_compilation():
    here = Path(__file__).parent
    names = ("test_blocks", "test_invert", "test_information", "search/test_newton")
    files = [str(here / f"{name}.py") for name in names]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        env=environment,
        capture_output=True,
        text=True,
        cwd=here.parents[1],
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
