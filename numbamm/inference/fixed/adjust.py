"""Adjustment of p-values and intervals for several comparisons."""

from __future__ import annotations

import numpy as np

from numbamm.elsewhere import value_hint
from numbamm.errors import OptionError, shown

METHODS = ("none", "bonferroni", "holm", "sidak", "tukey", "mvt")


def method_name(adjust: str) -> str:
    """The option `adjust` in lower case.

    Raises
    ------
    OptionError
        The method is unknown.
    """
    name = str(adjust).lower()
    if name not in METHODS:
        raise OptionError(
            f"unknown adjust {shown(adjust)}{value_hint('adjust', name, METHODS)}; there are "
            f"{', '.join(METHODS)}"
        )
    return name


def pvalues(adjust: str, plain, statistic, df, means: int, correlation=None) -> np.ndarray:
    """Adjusted p-values of one family of comparisons.

    Parameters
    ----------
    adjust : str
        One of `METHODS`.
    plain, statistic, df : ndarray, shape (comparisons,)
        Unadjusted two-sided p-values, t statistics and degrees of freedom.
    means : int
        Number of means that Tukey's method compares with each other.
    correlation : ndarray, shape (comparisons, comparisons)
        Correlations of the comparisons, for the multivariate t distribution.
    """
    plain, m = np.asarray(plain, dtype=np.float64), len(plain)
    if adjust == "bonferroni":
        return np.minimum(1.0, m * plain)
    if adjust == "sidak":
        return -np.expm1(m * np.log1p(-plain))
    if adjust == "holm":
        order = np.argsort(plain)
        increasing = np.maximum.accumulate((m - np.arange(m)) * plain[order])
        out = np.empty(m)
        out[order] = np.minimum(1.0, increasing)
        return out
    if adjust == "tukey":
        from scipy.stats import studentized_range

        # scipy's tail is one minus an integral: what it rounds to zero is above the plain p-value.
        tail = studentized_range.sf(np.sqrt(2) * np.abs(statistic), means, df)
        return np.maximum(tail, plain)
    if adjust == "mvt":
        from numbamm.inference.marginal.multivariate_t import beyond

        out = plain.copy()
        for value, index in _distinct(df):
            out[index] = beyond(np.asarray(statistic)[index], correlation, value)
        return np.maximum(out, plain)
    return plain


def critical(
    adjust: str, alpha: float, comparisons: int, df, means: int, correlation=None
) -> np.ndarray:
    """Half-widths of the intervals in standard errors.

    Holm's method has no intervals; those of Bonferroni's are used instead.
    """
    from scipy.stats import t

    df = np.asarray(df, dtype=np.float64)
    if adjust == "tukey":
        from scipy.stats import studentized_range

        # A quantile takes a tenth of a second: compute each once.
        distinct, index = np.unique(df.round(4), return_inverse=True)
        return (studentized_range.ppf(1 - alpha, means, distinct) / np.sqrt(2))[index]
    if adjust == "mvt":
        from numbamm.inference.marginal.multivariate_t import quantile

        half = np.empty(len(df))
        for value, index in _distinct(df):
            half[index] = quantile(alpha, correlation, value)
        return half
    if adjust in ("bonferroni", "holm"):
        alpha = alpha / comparisons
    elif adjust == "sidak":
        alpha = -np.expm1(np.log1p(-alpha) / comparisons)
    return t.ppf(1 - alpha / 2, df)


def _distinct(df):
    """The distinct degrees of freedom, but for rounding errors, and where each is."""
    df = np.asarray(df, dtype=np.float64)
    values, index = np.unique(df.round(4), return_inverse=True)
    return [(value, np.flatnonzero(index == i)) for i, value in enumerate(values)]
