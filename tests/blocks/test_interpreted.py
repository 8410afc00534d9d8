"""The kernels as plain Python: same results, and code that coverage can see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Files whose models are small enough, beside those of the compiled searches.
INTERPRETED = [
    *("cholesky", "crossprod", "eigen", "gradient"),
    *("information", "invert", "lapack", "layout"),
    *("solve", "variances", "vectors"),
]
#: Designs of several blocks of each kind, and searches of many evaluations. What is left has each
#: kind of block; of the searches, one design and one family of false optima are taken.
LARGE = (
    "partly or chain or three or six or (sparsely and vectors) or many_parameters or pivots"
    " or one_evaluation or escape or escapes or certified_minimum"
)
SMALL = f"not ({LARGE}) or (certified_minimum and nested and densely) or (escapes and full and two)"


@pytest.mark.parametrize(
    "tests", [SMALL, pytest.param("", marks=pytest.mark.slow)], ids=["small", "all"]
)
def test_kernels_without_compilation(tests):
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in INTERPRETED]
    files.append(str(here / "tail" / "test_dense_tail.py"))
    files += map(str, (here / "search").glob("test_[nc]*.py"))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", tests, *files],
        env=environment,
        capture_output=True,
        text=True,
        cwd=here.parents[1],
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
