"""Numbers as text: the numbers of one column have equally many decimals."""

from __future__ import annotations

import math

import numpy as np

#: Stands for a number that does not exist, such as the coefficient of a dropped column.
MISSING = "–"

#: Significant digits that the smallest number of a column has at least.
LEAST = 3
#: Significant digits that the smallest standard error of estimates has, where there is room.
OF_ERRORS = 2
#: Columns whose numbers would have more digits than these are written with exponents.
LONGEST = 9
#: Numbers below this share of the largest one in their column are rounding errors.
ROUNDING = 1e-12


def uniform(values, digits: int, errors=0.0, *, negligible: float = ROUNDING) -> list[str]:
    """Numbers as text with equally many decimals.

    The largest number has at least `digits` significant digits, and the smallest `LEAST`. If this
    takes more than `LONGEST` digits, all are written with exponents.

    Parameters
    ----------
    values : array-like
        NaN is shown as `MISSING`.
    digits : int
    errors : array-like, optional
        Standard errors of the values, or other numbers by which they are uncertain. A value that is
        smaller than that needs no digits of its own.
    negligible : float
        Values below this share of the largest one need no digits of their own, either.

    Returns
    -------
    list of str
    """
    values = np.asarray(values, dtype=np.float64)
    errors = np.broadcast_to(np.asarray(errors, dtype=np.float64), values.shape)
    decimals = common_decimals(values, digits, errors, negligible)
    if decimals is not None:
        return [fixed(value, decimals) for value in values]
    return [scientific(v, e, digits) for v, e in zip(values, errors, strict=True)]


def common_decimals(values, digits: int, errors=0.0, negligible: float = ROUNDING) -> int | None:
    """The number of decimals that `uniform` gives to numbers; None if they need exponents."""
    errors = np.asarray(errors, dtype=np.float64)
    sizes = _positive(np.fmax(np.abs(values), errors))
    sizes = sizes[sizes > negligible * sizes.max(initial=0.0)]
    if not len(sizes):
        return max(digits - 2, 0)
    high, low = _exponent(sizes.max()), _exponent(sizes.min())
    decimals, room = max(digits - 1 - high, LEAST - 1 - low, 0), LONGEST - 1 - max(high, 0)
    if decimals > room:
        return None
    errors = _positive(errors)
    wanted = OF_ERRORS - 1 - _exponent(errors.min()) if len(errors) else 0
    return max(decimals, min(wanted, room))


def _positive(values) -> np.ndarray:
    """The finite numbers above zero."""
    values = np.ravel(values)
    return values[np.isfinite(values) & (values > 0)]


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


def scientific(value: float, error: float, digits: int) -> str:
    """A number with an exponent; 0 if it is a rounding error of what it measures."""
    if not np.isfinite(value):
        return fixed(value, 0)
    return "0" if value == 0 or abs(value) <= 1e-6 * error else f"{value:.{digits - 1}e}"


def _exponent(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(value))


def coverage(alpha: float) -> str:
    """The coverage of intervals, one minus `alpha`, as text: ``95 %``."""
    return f"{100 * (1 - alpha):g} %"
