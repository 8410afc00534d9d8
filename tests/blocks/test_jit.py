"""Compilation where nothing can be cached, and what the user hears of it."""

import numba
import pytest

from numbamm.blocks import jit as module


def twice(x):
    return 2 * x


@pytest.fixture
def no_folder(monkeypatch):
    """numba as it is where it finds no folder that it can write."""
    njit = numba.njit

    def refuse(*function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'twice': no locator available")
        return njit(*function, **options)

    monkeypatch.setattr(numba, "njit", refuse)
    monkeypatch.setattr(module, "_announced", set())


def test_without_a_cache_folder_kernels_still_compile(no_folder, capsys):
    kernel = module.jit(twice)
    module.announce_compilation(kernel, 15)
    assert "NUMBA_CACHE_DIR" in capsys.readouterr().err
    assert kernel(2) == 4
    module.announce_compilation(kernel, 15)
    assert capsys.readouterr().err == ""


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        module.jit(twice)
