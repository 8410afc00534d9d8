"""A progress bar for long work, where tqdm is installed."""

from __future__ import annotations

import sys

from numbamm import config


class _Silent:
    """No progress bar."""

    def update(self, n: int) -> None:
        pass

    def close(self) -> None:
        pass


def progress_bar(total: int, wanted: bool | None, unit: str):
    """A bar with ``update(n)`` and ``close()``, on the standard error stream.

    Parameters
    ----------
    total : int
        Of what there is to do.
    wanted : bool or None
        Whether to show it; by the option ``progress``, or else on a terminal, if None.
    unit : str
        What is counted.
    """
    wanted = config.get("progress") if wanted is None else wanted
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Silent()
    shown = sys.stderr.isatty() if wanted is None else wanted
    return tqdm(total=total, unit=unit, delay=1.0, leave=False) if shown else _Silent()
