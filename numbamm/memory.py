"""The memory that this process may use, and an error before a model would exceed it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from numbamm.errors import DataError

#: The largest share of the available memory that one part of a model may take.
SHARE = 0.5
#: Copies of a matrix that exist at once while a model is built: its columns, X, a basis, scratch.
HELD = 4


def refuse_beyond(needed: float, what: str, remedy: str) -> None:
    """Raise a `DataError` if something would take more than half of the available memory.

    Parameters
    ----------
    needed : float
        Bytes that it would take.
    what : str
        What it is, as the beginning of the message.
    remedy : str
        What the user can do instead, as the end of the message.
    """
    if needed < 2**26:  # fits into any memory: asking for the limits would take longer
        return
    limit = available()
    if needed > SHARE * limit:
        raise DataError(
            f"{what}: {gigabytes(needed)}, more than half of the {gigabytes(limit)} of memory "
            f"that this process may use; {remedy}"
        )


def gigabytes(size: float) -> str:
    """A number of bytes as text, ``"1.5 GB"``."""
    return f"{size / 1e9:,.1f} GB" if size < 1e12 else f"{size / 1e9:,.0f} GB"


def available() -> float:
    """Bytes that this process may use: the machine's memory, or less if the process is limited.

    Limits are those of control groups (containers) and of ``ulimit -v``; of the latter, what the
    process has mapped already is subtracted.
    """
    return max(0.0, min(_machine(), _control_group(), _address_space()))


@functools.cache
def _machine() -> float:
    """Bytes of the machine's memory; infinite if the platform does not tell."""
    try:
        import psutil

        return float(psutil.virtual_memory().total)
    except ImportError:
        pass
    if sys.platform == "win32":
        return _windows()
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such function, or no such name
        return _macos() if sys.platform == "darwin" else float("inf")


def _windows() -> float:
    """Bytes of memory by ``GlobalMemoryStatusEx``; infinite if that fails."""
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


def _macos() -> float:
    """Bytes of memory by ``sysctl hw.memsize``; infinite if that fails."""
    import ctypes

    value = ctypes.c_uint64(0)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    try:
        sysctl = ctypes.CDLL(None).sysctlbyname
    except (AttributeError, OSError, TypeError):
        return float("inf")
    failed = sysctl(b"hw.memsize", ctypes.byref(value), ctypes.byref(size), None, 0)
    return float("inf") if failed or not value.value else float(value.value)


def _control_group() -> float:
    """The lowest limit of the process's control groups (version 2 or 1) and of their parents."""
    limits = {1: "memory.limit_in_bytes", 2: "memory.max"}
    folders = control_groups("memory")
    return min((_number(folder / limits[v]) for folder, v in folders), default=float("inf"))


def control_groups(controller: str) -> Iterator[tuple[Path, int]]:
    """Folders of the process's control groups and of their parents, with their version, 1 or 2."""
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
        for folder in (group, *group.parents):  # inside a container, /proc has the names outside
            yield folder, version
            if folder == root:
                break


def _number(path: Path) -> float:
    """The number in a file; infinite if there is none."""
    try:
        return float(path.read_text(encoding="utf8"))
    except (OSError, ValueError):  # no such file, or "max"
        return float("inf")


def _address_space() -> float:
    """Bytes that ``ulimit -v`` leaves to the process; infinite without such a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return float("inf")
    if not hasattr(resource, "RLIMIT_AS"):
        return float("inf")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        pages = float(Path("/proc/self/statm").read_text(encoding="utf8").split()[0])
    except OSError:  # only Linux tells how much is mapped
        return float(limit)
    return limit - pages * resource.getpagesize()
