"""`comparisons`: changes of the mean response by steps of a variable, averaged over the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError, shown
from numbamm.inference.fixed.marginalmeans import named
from numbamm.inference.marginal.averages import MEASURES, Averages
from numbamm.inference.marginal.counterfactual import Counterfactual, covariate
from numbamm.options import numbers, one_of
from numbamm.report.digits import coverage

BETWEEN = ("reference", "pairwise", "consecutive")


@names_arguments
def comparisons(
    model,
    var: str,
    between: Any = None,
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    measure: str = "difference",
    type: str = "response",
    re: str = "zero",
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    alpha: float = 0.05,
) -> Averages:
    """Average changes of the mean response by steps of a variable.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    var : str
        The variable whose steps are taken in all rows.
    between : optional
        Of a factor: ``"reference"``, each level with the first, if not given; ``"pairwise"`` or
        ``"consecutive"``; or a pair of levels, ``["N", "Y"]``. Of a covariate: a step from each
        row's own value, 1 if not given; or a pair of values.
    by, at, type, re, ddf, robust, cluster, alpha
        As for `slopes`.
    measure : {"difference", "ratio", "odds ratio"}
        How averages are compared. The mean response is averaged first: a ratio is that of two
        averages.

    Returns
    -------
    Averages
        A row per comparison: ``contrast, estimate, se, df, statistic, pvalue, lower, upper``. Tests
        and intervals of ratios are those of their logarithms.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown, or averages have no ratio or odds.
    DataError
        `at` or `between` has an unknown level, or the data have streamed.

    See Also
    --------
    slopes : Derivatives by a covariate.
    emmeans : Averages over a balanced grid, and comparisons of them.

    Notes
    -----
    All rows of the data take the one value, then the other, each with its own other values, and the
    averages are compared (standardisation, or g-computation). Standard errors are those of the
    delta method, for the rows as given.

    Examples
    --------
    >>> import numbamm as mm
    >>> data = mm.datasets.load("Contraception")
    >>> g = mm.glmm("use ~ age + urban + livch + (1 | district)", data, "bernoulli")
    >>> g.comparisons("urban", re="integrated").frame[["contrast", "estimate"]].round(3).values
    array([['Y - N', 0.161]], dtype=object)
    """
    one_of("measure", measure, MEASURES)
    context = Counterfactual(
        model, by=by, at=at, type=type, re=re, ddf=ddf, robust=robust, cluster=cluster, alpha=alpha
    )
    if measure != "difference" and type == "link":
        raise OptionError(f'measure="{measure}" is for type="response"')
    var = covariate(context, var, "var")
    if var in context.settings[0]:
        raise OptionError(f"'{var}' is compared, and cannot be in at")
    if var in context.by and var in context.grid.factors:
        raise OptionError(f"'{var}' is compared, and cannot be in by")
    steps = _steps(context, var, between, measure)
    known: dict = {}

    def averages(value, setting):
        key = (repr(value), repr(setting))
        if key not in known:
            known[key] = context.mean_responses(context.with_values(**setting, **{var: value}))
        return known[key]

    def compute(setting):
        known.clear()
        return [
            (
                {"contrast": name} | line,
                _compared(averages(low, setting), averages(high, setting), measure, j),
            )
            for name, low, high in steps
            for j, line in enumerate(context.outcomes)
        ]

    ratios = measure != "difference"
    table = context.table(
        compute,
        f"Average comparisons of {var}",
        [
            f"{coverage(context.alpha)} intervals.",
            *(["Tests and intervals are those of the logarithms."] if ratios else []),
        ],
        ratios=ratios,
        headings={"estimate": measure.replace(" ", ".")} if ratios else {},
    )
    return _exponentiated(table) if ratios else table


def _steps(context: Counterfactual, var: str, between: Any, measure: str) -> list[tuple]:
    """Names of the comparisons, with the values of the variable that they compare."""
    sign = " - " if measure == "difference" else " / "
    if var in context.grid.factors:
        levels = context.grid.values[var]
        if between is None or isinstance(between, str):
            kind = one_of("between", "reference" if between is None else between, BETWEEN)
            m = len(levels)
            pairs = {
                "reference": [(0, j) for j in range(1, m)],
                "pairwise": list(combinations(range(m), 2)),
                "consecutive": [(j, j + 1) for j in range(m - 1)],
            }[kind]
            if not pairs:
                raise OptionError(f"'{var}' has a single level, and nothing to compare")
            pairs = [(levels[a], levels[b]) for a, b in pairs]
        else:
            pairs = [tuple(between)]
            if len(pairs[0]) != 2:
                raise OptionError(
                    f"between must be a pair of levels of '{var}', not {shown(between)}"
                )
            for level in pairs[0]:
                if level not in levels:
                    raise DataError(
                        f"between: {shown(level)} is no level of '{var}', which has "
                        f"{', '.join(map(str, levels))}"
                    )
        return [(f"{named(high)}{sign}{named(low)}", low, high) for low, high in pairs]
    values = numbers("between", 1.0 if between is None else between)
    if not np.isfinite(values).all() or values.shape not in ((), (2,)):
        raise OptionError(f"between must be a step, or a pair of values, not {shown(between)}")
    if values.shape == (2,):
        low, high = map(float, values)
        return [(f"{named(high)}{sign}{named(low)}", low, high)]
    own = context.data[var].to_numpy(dtype=float)
    name = f"{var} + {named(float(values))}"
    return [(f"({name}){sign}{var}", own, own + float(values))]


def _compared(low, high, measure: str, j: int):
    """A function of rows: the comparison of two averages over them, and its gradient.

    Of the outcome j.
    """

    def average(rows):
        (a, da), (b, db) = (
            (value[j, rows].mean(), gradient[j, rows].mean(axis=0))
            for value, gradient in (low, high)
        )
        if measure == "difference":
            return b - a, db - da
        top = 1.0 if measure == "odds ratio" else np.inf
        if not 0 < min(a, b) <= max(a, b) < top:
            between = "between 0 and 1" if np.isfinite(top) else "above 0"
            raise OptionError(f'measure="{measure}" is for averages {between}')
        if measure == "ratio":
            return np.log(b / a), db / b - da / a
        return np.log(b / (1 - b) / a * (1 - a)), db / (b * (1 - b)) - da / (a * (1 - a))

    return average


def _exponentiated(table: Averages) -> Averages:
    """Ratios in place of their logarithms."""
    frame = table.frame
    for name in ("estimate", "lower", "upper"):
        frame[name] = np.exp(frame[name])
    frame["se"] *= frame["estimate"]
    table.gradient = table.gradient * frame["estimate"].to_numpy()[:, None]
    return table
