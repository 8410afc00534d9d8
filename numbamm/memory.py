"""How much memory this process may use, and refusals before it is asked for too much."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from numbamm.errors import DataError

#: A part of a model may take so much of the memory there is.
SHARE = 0.5
#: A matrix is held so often while a model is built: its columns, X, its basis, and scratch.
HELD = 4


def refuse_beyond(needed: float, what: str, remedy: str) -> None:
    """Raise a `DataError` if something would take more than half of the memory.

    Parameters
    ----------
    needed : float
        Bytes.
    what : str
        What takes them, as the beginning of a sentence.
    remedy : str
        What to do instead.
    """
    if needed < 2**26:  # not worth a look
        return
    there_is = available()
    if needed > SHARE * there_is:
        raise DataError(
            f"{what}: {gigabytes(needed)}, more than half of the {gigabytes(there_is)} of memory "
            f"that this process may use; {remedy}"
        )


def gigabytes(size: float) -> str:
    """Bytes in words, ``"1.5 GB"``."""
    return f"{size / 1e9:,.1f} GB" if size < 1e12 else f"{size / 1e9:,.0f} GB"


def available() -> float:
    """Bytes that this process may use: the machine's, or fewer if it is limited.

    Limits are those of control groups (containers) and of ``ulimit -v``, less what the process
    has mapped already.
    """
    return max(0.0, min(_machine(), _control_group(), _address_space()))


@functools.cache
def _machine() -> float:
    """The machine's memory; infinite where nobody can tell."""
    try:
        import psutil

        return float(psutil.virtual_memory().total)
    except ImportError:
        pass
    if sys.platform == "win32":
        return _windows()
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return float("inf")


def _windows() -> float:
    import ctypes

    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "pagefile", "page_free")),
            *((name, ctypes.c_ulonglong) for name in ("virtual", "virtual_free", "extended")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    windll = ctypes.windll  # type: ignore[attr-defined]
    if not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return float("inf")
    return float(status.total)


def _control_group() -> float:
    """The limit of the process's control group, version 2 or 1, or of one around it."""
    limits = {1: "memory.limit_in_bytes", 2: "memory.max"}
    folders = control_groups("memory")
    return min((_number(folder / limits[v]) for folder, v in folders), default=float("inf"))


def control_groups(controller: str) -> Iterator[tuple[Path, int]]:
    """Folders of the process's control group and of those around it, and their version, 1 or 2."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, version = Path("/sys/fs/cgroup"), 2
        elif controller in controllers.split(","):
            root, version = Path("/sys/fs/cgroup") / controller, 1
        else:
            continue
        group = root / name.lstrip("/")
        for folder in (group, *group.parents):  # in a container the names are those outside of it
            yield folder, version
            if folder == root:
                break


def _number(path: Path) -> float:
    try:
        return float(path.read_text(encoding="utf8"))
    except (OSError, ValueError):  # no such file, or "max"
        return float("inf")


def _address_space() -> float:
    """What ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return float("inf")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        pages = float(Path("/proc/self/statm").read_text(encoding="utf8").split()[0])
    except OSError:
        return float(limit)
    return limit - pages * os.sysconf("SC_PAGE_SIZE")
