"""What a formula may call: formulaic's transforms, and numpy's functions row by row."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from formulaic.materializers.types import FactorValues
from formulaic.transforms import TRANSFORMS
from formulaic.transforms.contrasts import ContrastsRegistry

from numbamm.errors import DataError, FormulaError
from numbamm.formula.contrasts import CategoricalMetadata, as_contrasts
from numbamm.formula.levels import EXACT, positions

#: The columns that one call may make: more than anybody's spline or polynomial has.
WIDEST = 1000


def C(data: Any, contrasts: Any = None, *, levels: Any = None) -> FactorValues:
    """Mark `data` as categorical, with these contrasts and this order of levels."""
    values = pd.Series(data)
    if levels is not None:
        codes = positions(values, pd.Index(levels))
        if (codes < 0).any():
            raise DataError(f"{values[codes < 0].iloc[0]!r} is none of the levels {list(levels)}")
        ordered = getattr(values.dtype, "ordered", False)
        values = pd.Series(pd.Categorical.from_codes(codes, list(levels), ordered=ordered))
    elif values.dtype.kind == "f" and (values == values.round()).all() and _is_exact(values):
        values = values.astype(np.int64)  # evaluation made them floats; names are those of ints
    return FactorValues(
        values,
        metadata=CategoricalMetadata(
            contrasts=None if contrasts is None else as_contrasts(contrasts)
        ),
        kind="categorical",
        spans_intercept=True,
    )


def _is_exact(values: pd.Series) -> bool:
    return bool((values.abs() <= EXACT).all())


def fulldummy(data: Any) -> FactorValues:
    """Mark `data` as categorical with an indicator for every level, even beside an intercept."""
    return FactorValues(C(data), spans_intercept=False)


def where(condition: Any, yes: Any, no: Any) -> np.ndarray:
    """`yes` where the condition holds, else `no`."""
    return np.where(condition, yes, no)


def clip(data: Any, lowest: Any, highest: Any) -> Any:
    """The values, moved to the ends of an interval where they lie outside."""
    return np.clip(data, lowest, highest)


def rounded(data: Any, decimals: int = 0) -> Any:
    """The values with so many decimals."""
    return np.round(data, decimals)


def exp10(data: Any) -> Any:
    """Powers of ten; formulaic's function of that name takes tenth powers."""
    return np.power(10.0, data)


FUNCTIONS: dict[str, Any] = {
    # lag() looks at other rows, Q() is what back-quotes are for
    **{name: value for name, value in TRANSFORMS.items() if name not in ("np", "Q", "lag")},
    "C": C,
    "factor": C,
    "fulldummy": fulldummy,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "exp10": exp10,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "floor": np.floor,
    "ceiling": np.ceil,
    "ifelse": where,
    "pi": math.pi,
    "TRUE": True,
    "FALSE": False,
}


def _remembered(function: Callable) -> Callable:
    """A statistic of a column as a constant of the fit, which other data take over."""

    def statistic(
        data: Any, *args: Any, _state: dict, _spec: Any, _context: Any, _metadata: Any, **options
    ) -> Any:
        if "value" not in _state:
            values = np.asarray(data)
            if values.ndim != 1 or values.dtype.kind not in "biuf":
                raise DataError(f"{function.__name__}() is of a column of numbers")
            if "axis" in options or "out" in options:
                raise DataError(f"{function.__name__}() is of one column: no axis, no out")
            _state["value"] = function(values, *args, **options)
        return _state["value"]

    statistic.__is_stateful_transform__ = True
    return statistic


REMEMBERED = [
    *("mean", "median", "max", "min", "amax", "amin", "ptp", "std", "var", "sum", "prod"),
    *("quantile", "percentile", "nanmean", "nanmedian", "nanmax", "nanmin", "nanstd", "nanvar"),
]
_ROW_BY_ROW = {
    "where": where,
    "clip": clip,
    "round": rounded,
    "around": rounded,
    "select": np.select,
    "isclose": np.isclose,
    "sinc": np.sinc,
    "ones_like": np.ones_like,
    "zeros_like": np.zeros_like,
    "array": np.array,
}
#: Functions that look a column up in their other arguments, which may be no columns then, and the
#: position of the one that may.
LOOKING_UP = {"isin": 0, "interp": 0, "digitize": 0, "searchsorted": 1}

#: numpy's functions and constants that formulas know, by their names after ``np.``.
NUMPY: dict[str, Any] = {
    **{
        name: value
        for name, value in vars(np).items()
        if isinstance(value, np.ufunc) and value.nout == 1 and value.signature is None
    },
    **{name: _remembered(getattr(np, name)) for name in REMEMBERED},
    **_ROW_BY_ROW,
    **{name: getattr(np, name) for name in LOOKING_UP},
    **{name: getattr(np, name) for name in ("pi", "e", "inf", "nan")},
}

#: The contrasts that a formula names, ``contr.sum`` and its like.
CONTRASTS = {k: v for k, v in vars(ContrastsRegistry).items() if not k.startswith("_")}

#: What the names of a formula mean, besides columns and what is the caller's.
KNOWN: dict[str, Any] = {
    **FUNCTIONS,
    **{f"np.{name}": value for name, value in NUMPY.items()},
    **{f"contr.{name}": getattr(ContrastsRegistry, name) for name in CONTRASTS},
}


def is_row_by_row(value: Any, name: str) -> bool:
    """Whether a function is known to see each row alone, or to remember what it learns."""
    if isinstance(value, np.ufunc):
        return value.signature is None
    return KNOWN.get(name) is value


def refuse_call(function: Any, args: tuple, options: dict) -> None:
    """Refuse arguments that would write into a column, or make a matrix beyond reason.

    Raises
    ------
    FormulaError
    """
    if isinstance(function, np.ufunc):
        if options or len(args) != function.nin:
            some = "one argument" if function.nin == 1 else f"{function.nin} arguments"
            raise FormulaError(f"{function.__name__}() takes {some} in a formula")
    elif function in _WIDE:
        try:
            given = inspect.signature(function).bind(*args, **options).arguments
        except TypeError:
            return  # which the call says in its own words
        for name in ("df", "degree", "levels"):
            if isinstance(given.get(name), int | float) and given[name] > WIDEST:
                raise FormulaError(
                    f"{name}={given[name]} would make a matrix of so many columns: at most {WIDEST}"
                )


_WIDE = [TRANSFORMS[name] for name in ("bs", "cc", "cr", "cs", "poly", "hashed")]
