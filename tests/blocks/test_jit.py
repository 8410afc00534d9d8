"""Compilation where nothing can be cached, and what the user hears of it."""

import gc
import os
import signal

import numba
import pytest
from numba.core.compiler import Compiler

from numbamm.blocks import jit as module
from numbamm.blocks.kinds import INTEGER


def twice(x):
    return 2 * x


@pytest.fixture
def no_folder(monkeypatch):
    """numba as it is where it finds no folder that it can write."""

    def refuse(function):
        raise RuntimeError("cannot cache function 'twice': no locator available")

    monkeypatch.setattr(module, "KernelCache", refuse)
    monkeypatch.setattr(module, "_announced", set())


def test_without_a_cache_folder_kernels_still_compile(no_folder, capsys):
    kernel = module.jit(twice, takes=(INTEGER,))
    module.compile_ahead(kernel)
    assert "NUMBA_CACHE_DIR" in capsys.readouterr().err
    assert kernel(2) == 4
    module.compile_ahead(kernel)
    assert capsys.readouterr().err == ""


def test_garbage_is_not_collected_while_kernels_compile(monkeypatch):
    seen = []

    def compile_extra(self, func, original=Compiler.compile_extra):
        seen.append(gc.isenabled())
        return original(self, func)

    monkeypatch.setattr(Compiler, "compile_extra", compile_extra)
    assert module.jit(twice, cache=False)(2) == 4
    with pytest.raises(numba.TypingError):
        module.jit(lambda x: x.no_such_name, cache=False)(2)
    assert seen == [False, False]
    assert gc.isenabled()


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        module.jit(twice)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_interrupts_wait_for_the_compiler():
    """One in its midst would leave a kernel that can neither be used nor compiled again."""
    reached = []
    with pytest.raises(KeyboardInterrupt), module.interrupts_wait():
        signal.raise_signal(signal.SIGINT)
        reached.append("end")
    assert reached == ["end"]
    with module.interrupts_wait():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
