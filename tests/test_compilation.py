"""All kernels compiled at once."""

import subprocess
import sys

import numba
import pytest

COMPILED = """
from numbamm import compilation
from numbamm.blocks.linking import dispatcher_of

compilation.call_kernels()
for kernel in map(dispatcher_of, compilation._kernels()):
    assert kernel.signatures in ([], [kernel.takes]), (kernel, kernel.signatures)
    if kernel.signatures:
        returned = {r.signature.return_type for r in kernel.overloads.values()}
        print(kernel.py_func.__name__, *map(str, returned))
"""
#: Kernels that Python calls, not only other kernels.
CALLED = {
    *("crossprod", "crossprod_response", "objective", "search", "objective_gradient", "solve"),
    *("quadratic_forms", "complete_normal", "certificates", "escape_entries"),
    *("advance", "advance_many", "fold", "refits"),
    *("pirls", "quadrature", "laplace_gradient", "laplace_normal", "evaluate_rows"),
}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to compile")
def test_the_command_compiles_every_kernel_that_python_calls():
    """An image without a place for a cache depends on it."""
    run = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    returned = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())
    assert set(returned) >= CALLED
    # Boxing an array or a named tuple while an interrupt is pending crashes the interpreter.
    assert {returned[name] for name in CALLED} <= {"none", "int64", "float64", "bool"}
