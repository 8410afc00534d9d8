"""The kernels as plain Python: same results, and code that coverage can see."""

import os
import subprocess
import sys
from pathlib import Path

#: Files whose models are small enough, beside those of the compiled searches.
INTERPRETED = [
    *("cholesky", "crossprod", "eigen", "gradient"),
    *("information", "invert", "lapack", "layout"),
    *("solve", "variances", "vectors"),
]


def test_kernels_without_compilation():
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in INTERPRETED]
    files.append(str(here / "tail" / "test_dense_tail.py"))
    files += map(str, (here / "search").glob("test_[nc]*.py"))
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
