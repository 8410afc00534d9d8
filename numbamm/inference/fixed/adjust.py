"""p-values and intervals of several comparisons at once."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError, did_you_mean
from numbamm.options import shown

METHODS = ("none", "bonferroni", "holm", "sidak", "tukey")


def checked(adjust: str) -> str:
    """The method's name, or an error that lists those there are."""
    name = str(adjust).lower()
    if name not in METHODS:
        raise OptionError(
            f"unknown adjust {shown(adjust)}{did_you_mean(name, METHODS)}; there are "
            f"{', '.join(METHODS)}"
        )
    return name


def pvalues(adjust: str, plain, statistic, df, means: int) -> np.ndarray:
    """Adjusted p-values of one family of comparisons.

    Parameters
    ----------
    adjust : str
        One of `METHODS`.
    plain, statistic, df : ndarray, shape (comparisons,)
        Two-sided p-values, and the t statistics and degrees of freedom that they come from.
    means : int
        How many means Tukey's method compares with each other.
    """
    plain, m = np.asarray(plain, dtype=np.float64), len(plain)
    if adjust == "bonferroni":
        return np.minimum(1.0, m * plain)
    if adjust == "sidak":
        return -np.expm1(m * np.log1p(-plain))
    if adjust == "holm":
        order = np.argsort(plain)
        stepped = np.maximum.accumulate((m - np.arange(m)) * plain[order])
        out = np.empty(m)
        out[order] = np.minimum(1.0, stepped)
        return out
    if adjust == "tukey":
        from scipy.stats import studentized_range

        return studentized_range.sf(np.sqrt(2) * np.abs(statistic), means, df)
    return plain


def critical(adjust: str, alpha: float, comparisons: int, df, means: int) -> np.ndarray:
    """How many standard errors an interval of the family extends to each side.

    Holm's method gives no intervals; Bonferroni's take their place.
    """
    from scipy.stats import t

    df = np.asarray(df, dtype=np.float64)
    if adjust == "tukey":
        from scipy.stats import studentized_range

        some, where = np.unique(df.round(4), return_inverse=True)  # each takes a tenth of a second
        return (studentized_range.ppf(1 - alpha, means, some) / np.sqrt(2))[where]
    if adjust in ("bonferroni", "holm"):
        alpha = alpha / comparisons
    elif adjust == "sidak":
        alpha = -np.expm1(np.log1p(-alpha) / comparisons)
    return t.ppf(1 - alpha / 2, df)
