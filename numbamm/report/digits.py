"""Numbers as text: the numbers of one column have equally many decimals."""

from __future__ import annotations

import math

import numpy as np

#: Stands for a number that does not exist, such as the coefficient of a dropped column.
MISSING = "–"

#: Significant digits that the smallest number of a column has at least.
LEAST = 3
#: Columns whose numbers would have more digits than these are written with exponents.
LONGEST = 9
#: Numbers below this share of the largest one in their column are rounding errors.
ROUNDING = 1e-12


def uniform(values, digits: int, sizes=0.0, *, negligible: float = ROUNDING) -> list[str]:
    """Numbers as text with equally many decimals.

    The largest number has at least `digits` significant digits, and the smallest `LEAST`. If this
    takes more than `LONGEST` digits, all are written with exponents.

    Parameters
    ----------
    values : array-like
        NaN is shown as `MISSING`.
    digits : int
    sizes : array-like, optional
        Numbers by which the values are uncertain, such as their standard errors. A value that is
        smaller than that needs no digits of its own.
    negligible : float
        Values below this share of the largest one need no digits of their own, either.

    Returns
    -------
    list of str
    """
    values = np.asarray(values, dtype=np.float64)
    sizes = np.fmax(np.abs(values), np.broadcast_to(sizes, values.shape))
    decimals = common_decimals(sizes, digits, negligible)
    if decimals is not None:
        return [fixed(value, decimals) for value in values]
    return [_scientific(v, s, digits) for v, s in zip(values, sizes, strict=True)]


def common_decimals(sizes, digits: int, negligible: float = ROUNDING) -> int | None:
    """The number of decimals for numbers of these sizes; None if they need exponents."""
    sizes = np.asarray(sizes, dtype=np.float64)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    sizes = sizes[sizes > negligible * sizes.max(initial=0.0)]
    if not len(sizes):
        return max(digits - 2, 0)
    high, low = _exponent(sizes.max()), _exponent(sizes.min())
    decimals = max(digits - 1 - high, LEAST - 1 - low, 0)
    return decimals if max(high, 0) + 1 + decimals <= LONGEST else None


def plain(values, digits: int = 5) -> list[str]:
    """Numbers with no more decimals than they need, such as values of a covariate."""
    values = np.asarray(values, dtype=np.float64)
    shortest = [f"{value:.{digits}g}" for value in values[np.isfinite(values)]]
    decimals = max((len(text.partition(".")[2]) for text in shortest), default=0)
    whole = max((len(text.lstrip("-").partition(".")[0]) for text in shortest), default=1)
    if any("e" in text for text in shortest) or whole + decimals > LONGEST:
        return uniform(values, digits)
    return [fixed(value, decimals) for value in values]


def fixed(value: float, decimals: int) -> str:
    """A number with a given number of decimals, ∞ or `MISSING`; zero has no sign."""
    if np.isnan(value):
        return MISSING
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:z.{decimals}f}"


def p_value(p: float) -> str:
    """A p-value with four decimals, or a power of ten that it is below, ``<1e-05``."""
    if np.isnan(p):
        return MISSING
    if p >= 1e-4:
        return f"{p:.4f}"
    exponent = 99 if p < 1e-99 else math.ceil(-math.log10(p)) - 1
    return f"<1e-{exponent:02d}"


def correlation(value) -> str:
    """A correlation with its sign; a dot if the model has none, NaN if a variance is zero."""
    if value is None:
        return "."
    return "NaN" if np.isnan(value) else f"{value:+.2f}"


def _scientific(value: float, size: float, digits: int) -> str:
    """A number with an exponent; 0 if it is a rounding error of what it measures."""
    if not np.isfinite(value):
        return fixed(value, 0)
    return "0" if abs(value) <= 1e-6 * size else f"{value:.{digits - 1}e}"


def _exponent(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(value))
