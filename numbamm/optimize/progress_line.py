"""`Progress`: one line on the terminal while a long optimisation runs."""

from __future__ import annotations

import sys
from time import perf_counter

from numbamm.optimize import formatting

FIRST_AFTER = 1.0
THEN_EVERY = 0.2


class Progress:
    """Shows evaluations and best objective on standard error, from the second second on.

    Parameters
    ----------
    label
        What stands before the number of evaluations.
    wanted
        Whether to show it; None for only where standard error is a terminal.
    """

    def __init__(self, label: str, wanted: bool | None = None):
        shown = sys.stderr.isatty() if wanted is None else wanted
        self._label = label
        self._next = perf_counter() + FIRST_AFTER if shown else None
        self._width = 0

    @property
    def wanted(self) -> bool:
        """Whether it is shown at all."""
        return self._next is not None

    def update(self, feval: int, fbest: float) -> None:
        """Redraw the line if it is time."""
        if not self.wanted or (now := perf_counter()) < self._next:
            return
        self._next = now + THEN_EVERY
        line = f"{self._label}_{feval}: {formatting.objective(fbest)}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def close(self) -> None:
        """Wipe the line out, if there is one."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
