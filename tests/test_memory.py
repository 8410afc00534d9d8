"""The memory that a process may use: limits of the machine, control groups and ``ulimit``."""

import builtins
import ctypes
import subprocess
import sys

import pytest

from numbamm import memory
from numbamm.errors import DataError


def test_the_machine_has_some():
    assert 1e8 < memory.available() < 1e15


def test_an_address_space_that_is_limited():
    script = (
        "import resource; from numbamm import memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))\n"
        "print(memory.available())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if run.returncode:
        pytest.skip(f"no such limit here: {run.stderr[-200:]}")
    assert 1e9 < float(run.stdout) < 3 * 2**30


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("0::/a/b\n", {"a/memory.max": "1000\n", "a/b/memory.max": "max\n"}, 1000),
        ("0::/a\n", {"memory.max": "500", "a/memory.max": "1000"}, 500),
        ("3:cpu:/x\n4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "700"}, 700),
        ("0::/gone\n", {}, float("inf")),
    ],
)
def test_control_groups(tmp_path, monkeypatch, text, files, expected):
    for name, content in {"cgroup": text, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def moved(path):
        if path == "/proc/self/cgroup":
            return tmp_path / "cgroup"
        return tmp_path / str(path).removeprefix("/sys/fs/cgroup").lstrip("/")

    monkeypatch.setattr(memory, "Path", moved)
    assert memory._control_group() == expected


@pytest.fixture
def without(monkeypatch):
    """A function after whose call these modules cannot be imported."""

    def make(*modules):
        original = builtins.__import__

        def import_(name, *args, **kwargs):
            if name in modules:
                raise ImportError(name)
            return original(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", import_)

    return make


def test_without_psutil(without):
    without("psutil")
    assert memory._machine.__wrapped__() > 1e8


def no_such_name(name):
    raise ValueError(f"unrecognized configuration name {name}")


@pytest.mark.parametrize("sysconf", [None, no_such_name])
def test_without_psutil_and_sysconf(without, monkeypatch, sysconf):
    without("psutil")
    if sysconf is None:
        monkeypatch.delattr(memory.os, "sysconf")
    else:
        monkeypatch.setattr(memory.os, "sysconf", sysconf)
    monkeypatch.setattr(memory.sys, "platform", "openbsd")
    assert memory._machine.__wrapped__() == float("inf")


class FakeLibrary:
    """The part of a C library that tells the memory: ``sysctlbyname``, ``GlobalMemoryStatusEx``."""

    def __init__(self, total, status):
        self.total, self.status = total, status
        self.kernel32 = self

    def sysctlbyname(self, name, value, size, new, new_size):
        assert (name, size._obj.value, new, new_size) == (b"hw.memsize", 8, None, 0)
        value._obj.value = self.total
        return self.status

    def GlobalMemoryStatusEx(self, status):
        assert status._obj.length == ctypes.sizeof(status._obj)
        status._obj.total = self.total
        return not self.status


@pytest.mark.parametrize(
    ("total", "status", "expected"),
    [(16 * 2**30, 0, 16 * 2**30), (0, 0, float("inf")), (123, -1, float("inf"))],
)
def test_macos_without_psutil_and_sysconf(without, monkeypatch, total, status, expected):
    without("psutil")
    monkeypatch.setattr(memory.os, "sysconf", no_such_name)
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeLibrary(total, status))
    assert memory._machine.__wrapped__() == expected


@pytest.mark.parametrize(
    ("total", "status", "expected"), [(8 * 2**30, 0, 8 * 2**30), (123, -1, float("inf"))]
)
def test_windows_without_psutil(without, monkeypatch, total, status, expected):
    without("psutil", "resource")
    monkeypatch.delattr(memory.os, "sysconf")
    monkeypatch.setattr(memory.sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", FakeLibrary(total, status), raising=False)
    monkeypatch.setattr(memory, "_control_group", lambda: float("inf"))
    monkeypatch.setattr(memory, "_machine", memory._machine.__wrapped__)
    assert memory.available() == expected


def test_an_address_space_without_sysconf(monkeypatch):
    monkeypatch.delattr(memory.os, "sysconf")
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (5 * 2**40, 5 * 2**40))
    assert 0 < memory._address_space() <= 5 * 2**40
    monkeypatch.delattr(resource, "RLIMIT_AS")
    assert memory._address_space() == float("inf")


def test_the_refusal(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 4e9)
    memory.refuse_beyond(1.9e9, "X", "drop it")
    with pytest.raises(DataError, match=r"^X: 2\.1 GB, more than half of the 4.0 GB .*; drop it$"):
        memory.refuse_beyond(2.1e9, "X", "drop it")
    memory.refuse_beyond(1e6, "something small", "")
