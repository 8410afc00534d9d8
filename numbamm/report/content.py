"""What tables say, before anyone decides how they look: titles, cells, notes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

#: Shown where a number does not exist: the coefficient of a dropped column.
MISSING = "–"


@dataclass
class Table:
    """A header and rows of strings; `left` says which columns are words."""

    header: list[str]
    rows: list[list[str]]
    left: int = 1


@dataclass
class Report:
    """Everything that the table of a fitted model shows."""

    title: str
    formula: str
    criteria: Table
    components: Table
    counts: str
    heading: str
    coefficients: Table
    notes: list[str] = field(default_factory=list)


def components(varcorr) -> Table:
    """Variance components; a factor's name stands on its first line only."""
    lines = varcorr.rows()
    variances = fixed_point([line[2] for line in lines], 8)
    deviations = fixed_point([line[3] for line in lines], 8)
    ncorr = max((len(line[4]) for line in lines), default=0)
    rows, before = [], None
    for (group, name, _, _, corr), variance, sd in zip(lines, variances, deviations, strict=True):
        first = group if group != before or group == "Residual" else ""
        cells = [first, shown_name(name), variance, sd]
        cells += [correlation(c) for c in corr] + [""] * (ncorr - len(corr))
        rows.append(cells)
        before = group
    return Table(["", "Column", "Variance", "Std.Dev.", *["Corr.", *[""] * ncorr][:ncorr]], rows, 2)


#: Headings and number formats of the columns that inferences share, by the frames' names.
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
#: Columns of the same kind of number, which share their count of decimals.
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
    """The table of an inference's frame: each column by what its name says it holds."""
    import pandas as pd

    frame = result.shown()
    header, columns, left = [], [], 0
    if not isinstance(frame.index, pd.RangeIndex):
        header, columns, left = [""], [[shown_name(str(label)) for label in frame.index]], 1
    for name in frame.columns:
        words = not _is_number(frame[name])
        left += words and left == len(header)
        heading, cells = _column(name, frame)
        header.append(heading)
        columns.append(cells)
    return Table(header, [list(row) for row in zip(*columns, strict=True)], left)


def _is_number(values) -> bool:
    """Whether a column has numbers; True and False are words."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _column(name: str, frame) -> tuple[str, list[str]]:
    """Heading and cells of one column of an inference's frame."""
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
    heading, form = _COLUMNS.get(name, (str(name), "{:.5g}"))
    if name in ("df", "dendf") and not (values[np.isfinite(values)] % 1).any():
        form = "{:.0f}"
    return heading, [MISSING if np.isnan(v) else _number(v, form) for v in values]


def _statistic(frame) -> str:
    """z where every df is infinite, else t."""
    return "t" if np.isfinite(frame["df"]).any() else "z"


def _p_heading(frame) -> str:
    for name in ("F", "chisq"):
        if name in frame:
            return f"Pr(>{_COLUMNS[name][0]})"
    return f"Pr(>|{_statistic(frame)}|)" if "statistic" in frame else "p-value"


def _number(value: float, form: str) -> str:
    """A number in its form, or a sign for infinity; no negative zeros."""
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = form.format(value)
    return text.removeprefix("-") if float(text) == 0 else text


def shown_name(name: str) -> str:
    """A column's name as the tables print it: the constant in parentheses, as no data column is."""
    return "(Intercept)" if name == "Intercept" else name


def correlation(value) -> str:
    """A signed correlation; a dot where the model has none, NaN where a variance is zero."""
    if value is None:
        return "."
    return "NaN" if np.isnan(value) else f"{value:+.2f}"


def p_value(p: float) -> str:
    """Four decimals, or the power of ten below which a small p lies."""
    if np.isnan(p):
        return MISSING
    if p >= 1e-4:
        return f"{p:.4f}"
    exponent = 99 if p < 1e-99 else math.ceil(-math.log10(p)) - 1
    return f"<1e-{exponent:02d}"


def fixed_point(values, digits: int) -> list[str]:
    """Numbers with one count of decimals: `digits` significant ones for the largest.

    A number that would keep fewer than three digits so has its own form instead.
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
