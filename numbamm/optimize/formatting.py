"""How numbers are printed while an optimisation runs and in its summary."""

from __future__ import annotations

from collections.abc import Iterable


def number(value: float, digits: int = 6) -> str:
    """At most `digits` significant digits, recognisably a float: ``1.0``, ``0.752581``."""
    return repr(float(f"{value:.{digits}g}"))


def vector(values: Iterable[float]) -> str:
    """Numbers in brackets: ``[1.0, 0.0, 1.0]``."""
    return f"[{', '.join(map(number, values))}]"


def short(values: Iterable[object], most: int = 6) -> str:
    """Values in brackets, of many the first ones and the last: ``[1.0, 0.0, ..., 1.0] (21)``."""
    texts = [number(v) if isinstance(v, float) else str(v) for v in values]
    if len(texts) <= most:
        return f"[{', '.join(texts)}]"
    return f"[{', '.join(texts[: most - 2])}, ..., {texts[-1]}] ({len(texts)})"


def objective(value: float) -> str:
    """At most five decimals: ``327.76702``, ``1784.6423``."""
    return repr(round(value, 5))
