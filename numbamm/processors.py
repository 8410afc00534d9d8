"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from numbamm.memory import control_groups


def available() -> int:
    """Processors that this process may use, at least one: control groups may allow it less."""
    if hasattr(os, "sched_getaffinity"):
        number = len(os.sched_getaffinity(0))
    else:
        number = os.cpu_count() or 1
    for folder, version in control_groups("cpu"):
        number = min(number, _quota(folder, version))
    return max(1, math.ceil(number))


def _quota(folder: Path, version: int) -> float:
    """Processors that a control group may use; infinite if it has no limit of its own."""
    try:
        if version == 2:
            quota, period = (folder / "cpu.max").read_text(encoding="utf8").split()
        else:
            names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
            quota, period = ((folder / name).read_text(encoding="utf8") for name in names)
        share = float(quota) / float(period)  # "max" and -1: no limit
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
    return share if share > 0 else math.inf
