"""Rows of the table of several models: coefficients, random effects, and statistics."""

from __future__ import annotations

import numpy as np

from numbamm.inference.comparison.modelcolumn import RESIDUAL, ModelColumn
from numbamm.report.content import Hanging
from numbamm.report.digits import (
    MISSING,
    common_decimals,
    correlation,
    fixed,
    scientific,
    uniform,
)

#: Significant digits of the largest estimate, at least.
DIGITS = 3
#: Decimals of statistics that are shares of variance, and of information criteria.
_DECIMALS = {"R² marginal": 3, "R² conditional": 3, "ICC": 3, "logLik": 2, "AIC": 2, "BIC": 2}
#: The statistics, in the order of their rows.
_ORDER = ["R² marginal", "R² conditional", "ICC", "Observations", "Levels", "logLik", "AIC", "BIC"]
_ORDER += ["Response", "Family", "Link", "Shape", "Fitted by", "Weights", "Offset"]
#: What linear models have: not shown if all models are linear.
_LINEAR = {"Family": "Gaussian", "Link": "identity"}


def rows_of(columns: list[ModelColumn]) -> dict[str, list[str]]:
    """The labels of all rows of each part of the table, in their usual order."""
    linear = all(_LINEAR.items() <= column.statistics.items() for column in columns)
    responses = {column.statistics["Response"] for column in columns}
    omitted = [*_LINEAR] * linear + ["Response"] * (len(responses) == 1)
    random = [*union(c.deviations for c in columns), *union(c.correlations for c in columns)]
    factors = [*union([label.partition(": ")[0]] for label in random if label != RESIDUAL)]
    statistics = union(column.statistics for column in columns)
    return {
        "fixed": union(column.coefficients.index for column in columns),
        "random": sorted(
            random, key=lambda label: [*factors, RESIDUAL].index(label.partition(": ")[0])
        ),
        "model": sorted((label for label in statistics if label not in omitted), key=_place),
    }


def fixed_rows(
    columns: list[ModelColumn], terms: list[str], below: str, stars: dict[str, float]
) -> list[list[str]]:
    """Two rows for each coefficient: the estimates, and what stands below them."""
    import pandas as pd

    if not terms:
        return []
    frames = [column.coefficients.reindex(terms) for column in columns]
    each = {n: pd.concat([f[n] for f in frames], axis=1).to_numpy() for n in frames[0]}
    texts = _of_estimates(columns, each, below)
    rows = []
    for i, term in enumerate(terms):
        first, second = [term], [""]
        for j, column in enumerate(columns):
            if np.isnan(each["estimate"][i, j]):
                first.append(MISSING if term in column.coefficients.index else "")
                second.append("")
                continue
            first.append(Hanging(texts["estimate"][i, j], _mark(each["pvalue"][i, j], stars)))
            second.append(_beneath(below, texts, each["pvalue"], i, j))
        rows += [first, second] if any(second) else [first]
    return rows


def _of_estimates(columns, each: dict[str, np.ndarray], below: str) -> dict[str, np.ndarray]:
    """Estimates, standard errors and limits as text.

    Those of models of one kind have equally many decimals or, if they need too many digits
    for that, those in each row.
    """
    errors, nothing = each["se"], np.zeros_like(each["se"])
    measured = [(each["estimate"], errors)]
    measured += [(errors, nothing)] if below == "se" else []
    decimals = _decimals(columns, measured)
    return {name: _texts(each[name], errors, decimals) for name in each if name != "pvalue"}


def _decimals(columns, measured: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Numbers of decimals for each row and model, from values and their errors; NaN: none."""
    values, errors = (np.stack(part) for part in zip(*measured, strict=True))
    decimals = np.full(values.shape[1:], np.nan)
    kinds = [column.kind for column in columns]
    for kind in set(kinds):
        same = [j for j, other in enumerate(kinds) if other == kind]
        joint = common_decimals(values[:, :, same], DIGITS, errors[:, :, same])
        for i in range(len(decimals)):
            row = joint
            if row is None:
                row = common_decimals(values[:, i, same], DIGITS, errors[:, i, same])
            decimals[i, same] = np.nan if row is None else row
    return decimals


def _beneath(below: str, texts, pvalues, i: int, j: int) -> str:
    """What stands below an estimate."""
    if below == "none":
        return ""
    if below == "se":
        return Hanging(f"({texts['se'][i, j]}", ")")
    if below == "interval":
        return Hanging(f"[{texts['lower'][i, j]}, {texts['upper'][i, j]}", "]")
    p = pvalues[i, j]
    return Hanging("(p < 0.001" if p < 0.001 else f"(p = {fixed(p, 3)}", ")")


def _mark(p: float, stars: dict[str, float]) -> str:
    """The mark of a p-value: that of the smallest bound that it is below."""
    passed = [(bound, mark) for mark, bound in stars.items() if p < bound]
    return min(passed)[1] if passed else ""


def random_rows(columns: list[ModelColumn], labels: list[str]) -> list[list[str]]:
    """Standard deviations and correlations."""
    values = np.array(
        [[column.deviations.get(n, np.nan) for column in columns] for n in labels]
    ).reshape(len(labels), len(columns))
    errors = np.zeros_like(values)
    texts = _texts(values, errors, _decimals(columns, [(values, errors)]))
    texts[np.isnan(values)] = ""
    rows = []
    for label, line in zip(labels, texts, strict=True):
        for j, column in enumerate(columns):
            if label in column.correlations:
                line[j] = correlation(column.correlations[label])
        rows.append([label, *line])
    return rows


def statistic_rows(columns: list[ModelColumn], labels: list[str]) -> list[list[str]]:
    """Shares of variance, numbers of rows and levels, criteria and kinds of models."""
    return [
        [label, *(_statistic(label, column.statistics.get(label)) for column in columns)]
        for label in labels
    ]


def _statistic(label: str, value) -> str:
    """A statistic as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if label == "Shape":
        return uniform([value], 3)[0]
    return fixed(value, _DECIMALS[label]) if label in _DECIMALS else str(value)


def _texts(values: np.ndarray, errors: np.ndarray, decimals: np.ndarray) -> np.ndarray:
    """Numbers as text, with given numbers of decimals; NaN for exponents."""
    texts = np.empty(values.shape, dtype=object)
    for place, value in np.ndenumerate(values):
        number = decimals[place]
        if np.isnan(number):
            texts[place] = scientific(float(value), float(errors[place]), DIGITS)
        else:
            texts[place] = fixed(float(value), int(number))
    return texts


def _place(label: str) -> int:
    """Where the row of a statistic stands."""
    return _ORDER.index("Levels" if label.startswith("Levels of ") else label)


def union(groups) -> list:
    """The elements of all groups, each once, in the order of their first occurrence."""
    return list(dict.fromkeys(label for group in groups for label in group))
