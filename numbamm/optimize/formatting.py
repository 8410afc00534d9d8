"""How numbers are printed while an optimisation runs and in its summary."""

from __future__ import annotations

from collections.abc import Iterable


def number(value: float, digits: int = 6) -> str:
    """At most `digits` significant digits, recognisably a float: ``1.0``, ``0.752581``."""
    return repr(float(f"{value:.{digits}g}"))


def vector(values: Iterable[float]) -> str:
    """Numbers in brackets: ``[1.0, 0.0, 1.0]``."""
    return f"[{', '.join(map(number, values))}]"


def objective(value: float) -> str:
    """At most five decimals: ``327.76702``, ``1784.6423``."""
    return repr(round(value, 5))
