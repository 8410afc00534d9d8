"""The content of tables: titles, cells as text, and notes; a file for each form lays it out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from numbamm.report.digits import MISSING, ROUNDING, correlation, fixed, p_value, plain, uniform


@dataclass
class Table:
    """A header and rows of cells as text.

    Attributes
    ----------
    header : list of str
    rows : list of list of str
        A cell may be a `Hanging` text.
    left : int
        Number of first columns that are words, set to the left; the others are numbers.
    heading : str
        Words above the table.
    below : str
        Words below the table.
    ruled : bool
        Whether plain text has rules around the table.
    indent : int
        By how many spaces plain text indents the table.
    second : list of str
        A second row of the header; empty if there is none.
    sections : dict of int to str
        Headings of groups of rows, by the number of the first row of each.
    """

    header: list[str]
    rows: list[list[str]]
    left: int = 1
    heading: str = ""
    below: str = ""
    ruled: bool = True
    indent: int = 0
    second: list[str] = field(default_factory=list)
    sections: dict[int, str] = field(default_factory=dict)

    def widths(self) -> list[int]:
        """For each column the number of characters of its longest cell, and two between."""
        return [2 + max(map(len, column)) for column in zip(*self.heads, *self.rows, strict=True)]

    @property
    def has_marks(self) -> bool:
        """Whether marks stand outside the columns."""
        return any(isinstance(cell, Hanging) for row in self.rows for cell in row)

    @property
    def heads(self) -> list[list[str]]:
        """The rows of the header."""
        return [self.header, self.second] if self.second else [self.header]


class Hanging(str):
    """A number with a mark behind it, which stands outside the column: ``1.25**``, ``(0.31)``.

    Attributes
    ----------
    body, mark : str
        The number and the mark; the text is one after the other.
    """

    body: str
    mark: str

    def __new__(cls, body: str, mark: str = "") -> Hanging:
        text = super().__new__(cls, body + mark)
        text.body, text.mark = body, mark
        return text


@dataclass
class Report:
    """What is printed of a model or a result: a title, tables and notes.

    Attributes
    ----------
    title : str
        A line or more.
    formula : str
        The formula below the title; empty if there is none.
    tables : list of Table
    notes : list of str
        Sentences below the tables.
    """

    title: str
    formula: str = ""
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def components(varcorr, below: str = "") -> Table:
    """The table of variance components; a factor's name is in its first row only."""
    entries = varcorr.rows()
    # What counts as zero needs no digits of its own.
    zero = varcorr.negligible()
    single = np.array([np.isfinite(entry[2]) for entry in entries])  # others are such as rho
    numbers = np.array([entry[2:4] for entry in entries])
    variances, deviations = np.full((2, len(entries)), "", dtype=object)
    variances[single] = _of_components(numbers[single, 0], zero[single])
    deviations[single] = _of_components(numbers[single, 1], zero[single])
    ncorr = max((len(entry[4]) for entry in entries), default=0)
    rows, before = [], None
    for (group, name, _, _, corr), variance, sd in zip(entries, variances, deviations, strict=True):
        alone = group == "Residual" and name == ""
        label = group if group != before or alone else ""
        cells = [label, shown_name(name), variance, sd]
        cells += [
            correlation(c) if variance or name.startswith("rho") else plain([c])[0] for c in corr
        ]
        cells += [""] * (ncorr - len(corr))
        rows.append(cells)
        before = group
    other = ~single & [not entry[1].startswith("rho") for entry in entries]
    correlated = any(
        c is not None for e, o in zip(entries, other, strict=True) if not o for c in e[4]
    )
    heading = "Value" if other.any() and not correlated else "Corr."
    header = ["", "Column", "Variance", "Std.Dev.", *[heading, *[""] * ncorr][:ncorr]]
    if varcorr.related:
        known = f"Known covariance between levels: {', '.join(varcorr.related)}"
        below = "\n ".join(filter(None, [known, below]))
    return Table(header, rows, 2, "Variance components:", below, ruled=False)


def _of_components(values, zero) -> list[str]:
    """Variances or standard deviations as text."""
    return uniform(np.where(zero, 0.0, values), 6)


#: Headings and numbers of decimals of columns, by their names in the frames of results.
_COLUMNS = {
    "npar": ("npar", 0),
    "llf": ("logLik", 4),
    "objective": ("-2 logLik", 4),
    "aic": ("AIC", 4),
    "aicc": ("AICc", 4),
    "bic": ("BIC", 4),
    "delta": ("ΔAIC", 4),
    "weight": ("Weight", 4),
    "chisq": ("Chisq", 4),
    "F": ("F", 4),
    "numdf": ("NumDF", 0),
    "dendf": ("DenDF", 2),
    "df": ("df", 2),
    "rows": ("rows", 0),
    "ncoef": ("ncoef", 0),
    "cooks": ("Cook's D", 4),
    "covratio": ("COVRATIO", 4),
    "leverage": ("leverage", 4),
    "power": ("Power", 4),
    "excess": ("excess", 6),
    "evaluations": ("evaluations", 0),
    "seconds": ("seconds", 3),
    **{
        name: (name, 4)
        for name in (
            *("R2", "adjusted", "unadjusted", "proportion", "cumulative", "gvif", "root"),
            *("ratio", "index"),
        )
    },
}
#: Columns with a number for each row of the data.
_OF_ROWS = ("fitted", "resid", "pearson", "deviance", "studentized")
#: Headings of columns that have as many decimals as their numbers need.
_MEASURED = {
    "estimate": "Estimate",
    "mean": "Mean",
    "bias": "Bias",
    "se": "Std. Error",
    "lower": "Lower",
    "upper": "Upper",
    "sumsq": "Sum Sq",
    "meansq": "Mean Sq",
    "sd": "Std.Dev.",
    "sigma": "σ",
    **{name: name for name in _OF_ROWS},
}
#: Of these, columns without numbers by which they are uncertain: what is smaller than this share
#: of the largest number is shown as zero.
_NEGLIGIBLE = {"sumsq": 1e-6, "meansq": 1e-6, "sd": 1e-4, **dict.fromkeys(_OF_ROWS, 1e-2)}


def of_result(result) -> Table:
    """The table of a result; the name of a column determines its heading and number format."""
    return of_frame(result.shown(), result.headings)


def of_frame(frame, headings=None) -> Table:
    """The table of a frame.

    Parameters
    ----------
    frame : pandas.DataFrame
    headings : dict of str to str, optional
        Headings of columns, where they are not the usual ones.
    """
    import pandas as pd

    frame = frame.loc[:, ~_only_infinite(frame)]
    header, columns, left = [], [], 0
    if not isinstance(frame.index, pd.RangeIndex):
        header, columns, left = [""], [[shown_name(str(label)) for label in frame.index]], 1
    for j, name in enumerate(frame.columns):  # two columns may have one name
        values = frame.iloc[:, j]
        left += not _is_number(values) and left == len(header)
        heading, cells = _column(name, values, frame)
        header.append((headings or {}).get(name, heading))
        columns.append(cells)
    return Table(header, [list(row) for row in zip(*columns, strict=True)], left)


def _only_infinite(frame) -> np.ndarray:
    """Which columns of degrees of freedom are infinite throughout: the head says so, by z."""
    flags = np.zeros(frame.shape[1], dtype=bool)
    for j in np.flatnonzero(frame.columns.isin(["df", "dendf"])):
        values = frame.iloc[:, j]
        if _is_number(values):
            infinite = np.isinf(values).any() and not np.isfinite(values).any()
            flags[j] = infinite or len(values) == 0
    return flags


def of_effects(frame) -> Table:
    """The table of a frame with numbers alone, whose columns have the names of coefficients.

    What is smaller than a hundredth of the largest number of its column needs no digits of its own.
    """
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
    columns = [[" ".join(shown_name(str(part)) for part in key) for key in keys]]
    for j in range(frame.shape[1]):
        columns.append(uniform(frame.iloc[:, j], 4, negligible=1e-2))
    header = ["", *(shown_name(str(name)) for name in frame.columns)]
    return Table(header, [list(row) for row in zip(*columns, strict=True)])


def _is_number(values) -> bool:
    """Whether a column holds numbers; True and False count as words."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _column(name: str, values, frame) -> tuple[str, list[str]]:
    """Heading and cells of one column of a result's frame."""
    import pandas as pd

    if not _is_number(values):
        return str(name), [MISSING if pd.isna(v) else str(v) for v in values]
    values = values.to_numpy(dtype=np.float64)
    if name in _MEASURED:
        errors = 0.0 if name == "se" else _uncertainty(frame)
        negligible = _NEGLIGIBLE.get(name, ROUNDING)
        return _MEASURED[name], uniform(values, 6, errors, negligible=negligible)
    if name == "statistic":
        return _statistic(frame), [fixed(v, 2) for v in values]
    if name == "pvalue":
        return _p_heading(frame), [p_value(p) for p in values]
    if name == "padjusted":
        return "p adjusted", [p_value(p) for p in values]
    if name not in _COLUMNS:
        return str(name), plain(values)
    heading, decimals = _COLUMNS[name]
    if name in ("df", "dendf") and not (values[np.isfinite(values)] % 1).any():
        decimals = 0
    return heading, [fixed(v, decimals) for v in values]


def _uncertainty(frame):
    """By how much the estimates of a frame are uncertain: standard errors, or half intervals."""
    last = {name: frame.iloc[:, j] for j, name in enumerate(frame.columns)}
    known = {name: column for name, column in last.items() if _is_number(column)}
    if "se" in known:
        return known["se"].to_numpy(dtype=np.float64)
    if "lower" in known and "upper" in known:
        lower, upper = (known[name].to_numpy(dtype=np.float64) for name in ("lower", "upper"))
        with np.errstate(invalid="ignore"):
            return (upper - lower) / 2
    return 0.0


def _statistic(frame) -> str:
    """The heading of a test statistic: z without finite degrees of freedom, else t."""
    df = frame.loc[:, frame.columns == "df"].iloc[:, -1:]
    return "t" if np.isfinite(df).to_numpy().any() else "z"


def _p_heading(frame) -> str:
    """The heading of p-values, after the statistic that they belong to."""
    for name in ("F", "chisq"):
        if name in frame:
            return f"Pr(>{_COLUMNS[name][0]})"
    return f"Pr(>|{_statistic(frame)}|)" if "statistic" in frame else "p-value"


def shown_name(name: str) -> str:
    """A column's name as tables print it: ``(Intercept)`` for the constant."""
    return "(Intercept)" if name == "Intercept" else name
