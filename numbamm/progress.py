"""A progress bar for long computations, if tqdm is installed."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

from numbamm import config


def shown(wanted: bool | None) -> AbstractContextManager:
    """A block in which progress is shown or not, if that is given, whatever the option says."""
    return nullcontext() if wanted is None else config.context(progress=wanted)


class _Silent:
    """The methods of a progress bar that shows nothing."""

    def update(self, n: int) -> None:
        pass

    def close(self) -> None:
        pass


def progress_bar(total: int | None, wanted: bool | None, unit: str, what: str | None = None):
    """A bar with ``update(n)`` and ``close()``, on the standard error stream.

    Parameters
    ----------
    total : int or None
        Number of steps, if it is known.
    wanted : bool or None
        Whether to show the bar. If None, the option ``progress`` decides; if that is not set
        either, the bar appears on a terminal.
    unit : str
        Name of a step, ``"fit"``.
    what : str, optional
        What is under way, as the bar's beginning.
    """
    wanted = config.get("progress") if wanted is None else wanted
    shown = sys.stderr.isatty() if wanted is None else wanted
    if not shown:  # tqdm warns in notebooks as soon as it is imported there
        return _Silent()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Silent()
    return tqdm(total=total, unit=unit, desc=what, delay=1.0, leave=False, unit_scale=unit == "row")
