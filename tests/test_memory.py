"""The memory that a process may use: of the machine, of its control group, of ``ulimit``."""

import builtins
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


def test_without_psutil_and_without_sysconf(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "psutil":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert memory._machine.__wrapped__() > 1e8
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory._machine.__wrapped__() == float("inf")


def test_the_refusal(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 4e9)
    memory.refuse_beyond(1.9e9, "X", "drop it")
    with pytest.raises(DataError, match=r"^X: 2\.1 GB, more than half of the 4.0 GB .*; drop it$"):
        memory.refuse_beyond(2.1e9, "X", "drop it")
    memory.refuse_beyond(1e6, "something small", "")  # nobody asks
