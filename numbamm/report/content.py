"""The content of tables: titles, cells as text, and notes; `text` and `html` lay them out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

#: Stands for a number that does not exist, such as the coefficient of a dropped column.
MISSING = "–"


@dataclass
class Table:
    """A header and rows of cells as text.

    Attributes
    ----------
    header : list of str
    rows : list of list of str
    left : int
        Number of first columns that are words, set to the left; the others are numbers.
    """

    header: list[str]
    rows: list[list[str]]
    left: int = 1


@dataclass
class Report:
    """The content of the table of a fitted model.

    Attributes
    ----------
    title, formula : str
    criteria : Table
        Log-likelihood and information criteria.
    components : Table
        Variance components.
    counts : str
        Numbers of rows and levels.
    heading : str
        Heading of the coefficients.
    coefficients : Table
    notes : list of str
    """

    title: str
    formula: str
    criteria: Table
    components: Table
    counts: str
    heading: str
    coefficients: Table
    notes: list[str] = field(default_factory=list)


def components(varcorr) -> Table:
    """The table of variance components; a factor's name is in its first row only."""
    entries = varcorr.rows()
    variances = fixed_point([entry[2] for entry in entries], 8)
    deviations = fixed_point([entry[3] for entry in entries], 8)
    ncorr = max((len(entry[4]) for entry in entries), default=0)
    rows, before = [], None
    for (group, name, _, _, corr), variance, sd in zip(entries, variances, deviations, strict=True):
        label = group if group != before or group == "Residual" else ""
        cells = [label, shown_name(name), variance, sd]
        cells += [correlation(c) for c in corr] + [""] * (ncorr - len(corr))
        rows.append(cells)
        before = group
    return Table(["", "Column", "Variance", "Std.Dev.", *["Corr.", *[""] * ncorr][:ncorr]], rows, 2)


#: Headings and number formats of columns, by their names in the frames of results.
_COLUMNS = {
    "npar": ("npar", "{:.0f}"),
    "llf": ("logLik", "{:.4f}"),
    "objective": ("-2 logLik", "{:.4f}"),
    "aic": ("AIC", "{:.4f}"),
    "aicc": ("AICc", "{:.4f}"),
    "bic": ("BIC", "{:.4f}"),
    "delta": ("ΔAIC", "{:.4f}"),
    "weight": ("Weight", "{:.4f}"),
    "chisq": ("Chisq", "{:.4f}"),
    "F": ("F", "{:.4f}"),
    "numdf": ("NumDF", "{:.0f}"),
    "dendf": ("DenDF", "{:.2f}"),
    "df": ("df", "{:.2f}"),
    "rows": ("rows", "{:.0f}"),
    "ncoef": ("ncoef", "{:.0f}"),
    **{
        name: (name, "{:.4f}")
        for name in (
            *("R2", "adjusted", "unadjusted", "proportion", "cumulative", "gvif", "root"),
            *("ratio", "index"),
        )
    },
}
#: Headings of columns that have as many decimals as their largest number needs.
_MEASURED = {
    "estimate": "Estimate",
    "mean": "Mean",
    "power": "Power",
    "se": "Std. Error",
    "lower": "Lower",
    "upper": "Upper",
    "sumsq": "Sum Sq",
    "meansq": "Mean Sq",
    "sd": "Std.Dev.",
    "sigma": "σ",
    "cooks": "Cook's D",
    "covratio": "COVRATIO",
}


def of_result(result) -> Table:
    """The table of a result; the name of a column determines its heading and number format."""
    import pandas as pd

    frame = result.shown()
    header, columns, left = [], [], 0
    if not isinstance(frame.index, pd.RangeIndex):
        header, columns, left = [""], [[shown_name(str(label)) for label in frame.index]], 1
    for name in frame.columns:
        words = not _is_number(frame[name])
        left += words and left == len(header)
        heading, cells = _column(name, frame)
        header.append(result.headings.get(name, heading))
        columns.append(cells)
    return Table(header, [list(row) for row in zip(*columns, strict=True)], left)


def _is_number(values) -> bool:
    """Whether a column holds numbers; True and False count as words."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _column(name: str, frame) -> tuple[str, list[str]]:
    """Heading and cells of one column of a result's frame."""
    import pandas as pd

    values = frame[name]
    if not _is_number(values):
        return str(name), [MISSING if pd.isna(v) else str(v) for v in values]
    values = values.to_numpy(dtype=np.float64)
    if name in _MEASURED:
        return _MEASURED[name], fixed_point(values, 6)
    if name == "statistic":
        return _statistic(frame), [MISSING if np.isnan(v) else f"{v:.2f}" for v in values]
    if name == "pvalue":
        return _p_heading(frame), [p_value(p) for p in values]
    heading, number_format = _COLUMNS.get(name, (str(name), "{:.5g}"))
    if name in ("df", "dendf") and not (values[np.isfinite(values)] % 1).any():
        number_format = "{:.0f}"
    return heading, [MISSING if np.isnan(v) else _number(v, number_format) for v in values]


def _statistic(frame) -> str:
    """The heading of a test statistic: z without finite degrees of freedom, else t."""
    return "t" if "df" in frame and np.isfinite(frame["df"]).any() else "z"


def _p_heading(frame) -> str:
    """The heading of p-values, after the statistic that they belong to."""
    for name in ("F", "chisq"):
        if name in frame:
            return f"Pr(>{_COLUMNS[name][0]})"
    return f"Pr(>|{_statistic(frame)}|)" if "statistic" in frame else "p-value"


def _number(value: float, number_format: str) -> str:
    """A formatted number, or ∞; zero has no sign."""
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = number_format.format(value)
    return text.removeprefix("-") if float(text) == 0 else text


def shown_name(name: str) -> str:
    """A column's name as tables print it: ``(Intercept)`` for the constant."""
    return "(Intercept)" if name == "Intercept" else name


def correlation(value) -> str:
    """A correlation with its sign; a dot if the model has none, NaN if a variance is zero."""
    if value is None:
        return "."
    return "NaN" if np.isnan(value) else f"{value:+.2f}"


def p_value(p: float) -> str:
    """A p-value with four decimals, or a power of ten that it is below, ``<1e-05``."""
    if np.isnan(p):
        return MISSING
    if p >= 1e-4:
        return f"{p:.4f}"
    exponent = 99 if p < 1e-99 else math.ceil(-math.log10(p)) - 1
    return f"<1e-{exponent:02d}"


def fixed_point(values, digits: int) -> list[str]:
    """Numbers as text with equally many decimals: `digits` significant digits for the largest.

    A number that would have fewer than three significant digits gets `digits` of its own.
    """
    values = np.asarray(values, dtype=np.float64) + 0.0  # no negative zeros
    largest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    decimals = digits - 2 if largest == 0 else digits - 1 - math.floor(math.log10(largest))
    if decimals > digits + 6:
        return [MISSING if np.isnan(v) else f"{v:.{digits - 1}e}" for v in values]
    decimals = max(decimals, 0)

    def shown(value: float) -> str:
        if np.isnan(value):
            return MISSING
        if value != 0 and abs(value) < 100 * 10.0**-decimals:
            return f"{value:.{digits}g}"
        return f"{value:.{decimals}f}"

    return [shown(v) for v in values]
