"""Damaged and unwritable caches of kernels: right results, and a warning that names the folder."""

import errno
import os
import subprocess
import warnings

import numba
import pytest

from numbamm.blocks import cache, jit
from numbamm.errors import NumbammWarning

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to keep")


def twice(x):
    return 2 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path


def called(x=21):
    """What a new process would get from the kernel, what it warned of, and whether it compiled."""
    kernel = jit.jit(twice)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = kernel(x)
    return result, [str(w.message) for w in caught], sum(kernel.stats.cache_misses.values())


def only(folder, pattern):
    [path] = folder.rglob(pattern)
    return path


def test_a_kept_kernel_is_not_compiled_again(folder):
    assert called() == (42, [], 1)
    assert called() == (42, [], 0)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGES = {
    "cut off": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"not a pickle",
    "a byte less": lambda data: data[:-1],
}


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_made_anew(folder, pattern, damage):
    called()
    path = only(folder, pattern)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    result, messages, compiled = called()
    assert (result, compiled) == (42, 1)
    assert len(messages) == 1 or (pattern == "*.nbi" and damage == "a byte less")
    assert all(str(path.parent) in message for message in messages)
    assert called() == (42, [], 0)


def test_one_wrong_bit_anywhere_in_the_code_is_noticed(folder):
    called()
    path = only(folder, "*.nbc")
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 20):
        path.write_bytes(flipped(whole, at))
        assert (called()[0], called()[2]) == (42, 0)
        assert path.read_bytes() != flipped(whole, at)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_or_locked_disk_keeps_nothing(folder, monkeypatch, code):
    def refuse(self, path):
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(cache.KernelCacheFile, "_open_for_write", refuse)
    result, messages, _ = called()
    assert result == 42
    assert len(messages) == 1
    assert os.strerror(code) in messages[0] and "NUMBA_CACHE_DIR" in messages[0]
    assert not list(folder.rglob("*.nbc"))
    assert called()[:2] == (42, [])  # said once


def test_fits_go_on_with_a_damaged_cache(first_use):
    """Two kernels that are compiled anew in a second, one of which calls the other."""

    def run():
        environment = first_use.environment | {"PYTHONWARNINGS": "always"}
        return subprocess.run(first_use.command, env=environment, capture_output=True, text=True)

    for name in ("cholesky.objective", "vectors.scale"):
        path = only(first_use.folder, f"{name}-*.nbc")
        path.write_bytes(path.read_bytes()[:100])
    second = run()
    assert second.stdout == first_use.stdout != ""
    assert NumbammWarning.__name__ in second.stderr and "is damaged" in second.stderr
    assert run().stderr == ""
