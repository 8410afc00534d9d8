"""Linked kernels: called by address, from Python and from each other."""

import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from blocks.test_crew import here, there

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import NUMBER, REALS
from numbamm.blocks.linking import ahead, compiled_with, dispatcher_of, with_linked


def test_linked_kernels():
    x, out = np.array([4.0, 1.0]), np.empty(1)
    there(x, out)
    assert out[0] == 7.0 and here(x) == 5.0
    functions, linked = compiled_with(dispatcher_of(there))
    assert linked == [here] and functions == [dispatcher_of(there).py_func]
    assert set(with_linked([there])) == {here, there}


@pytest.mark.parametrize("first", ["ahead", "called"])
def test_what_is_compiled_for_callers_is_looked_up_quickly_from_python(monkeypatch, first):
    """A kernel that numba knows twice is ambiguous to it: every call would ask the compiler."""

    @jit(takes=(REALS,), gives=NUMBER, cache=False)
    def both(x):
        return 2 * x.sum()

    x, asked = np.ones(3), []
    if first == "ahead":
        with ahead():
            dispatcher_of(both).compile(both.signature.args)
    else:
        both(x)
    both.load()
    assert both(x) == 6.0
    monkeypatch.setattr(dispatcher_of(both), "compile", asked.append)
    assert both(x) == 6.0 and not asked


def test_threads_that_call_a_kernel_at_once_wait_for_what_it_calls(monkeypatch):
    """One of them loads the linked kernel; the others may not run its callers before."""

    @jit(takes=(REALS,), gives=NUMBER, cache=False)
    def inner(x):
        return x.sum()

    @jit(takes=(REALS,), cache=False)
    def outer(x):
        return 2 * inner(x)

    with ahead():
        outer.compile((REALS,))
    load = type(inner).load
    monkeypatch.setattr(type(inner), "load", lambda linked: time.sleep(0.2) or load(linked))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outer, [np.ones(3)] * 4)) == [6.0] * 4


def test_errors_of_linked_kernels_are_raised():
    @jit(takes=(REALS,), gives=NUMBER, cache=False)
    def refuse(x):
        raise ValueError("not this one")

    @numba.njit
    def call(x):
        return refuse(x)

    with pytest.raises(ValueError, match="not this one"):
        call(np.ones(1))


def test_another_type_is_told_apart():
    @numba.njit
    def call(x):
        return here(x)

    with pytest.raises(numba.core.errors.NumbaError):
        call(np.ones(3, dtype=np.int32))
