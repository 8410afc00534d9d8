"""The functions that a formula may call: formulaic's transforms, numpy's row by row, and ours."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from formulaic.materializers.types import FactorValues
from formulaic.transforms import TRANSFORMS
from formulaic.transforms.contrasts import ContrastsRegistry

from numbamm.errors import DataError, shown
from numbamm.formula.arithmetic import Unfit, as_number
from numbamm.formula.contrasts import CategoricalMetadata, as_contrasts
from numbamm.formula.levels import EXACT, positions
from numbamm.memory import HELD, refuse_beyond

#: Bounds on the number of columns that one call makes, on the degree of polynomials, and on the
#: degree of splines; all of them well above any sensible use.
WIDEST, HIGHEST, STEEPEST = 1000, 100, 20


def C(data: Any, contrasts: Any = None, *, levels: Any = None) -> FactorValues:
    """Mark `data` as categorical, with these contrasts and this order of levels."""
    values = pd.Series(data)
    if levels is not None:
        _refuse_levels(levels)
        codes = positions(values, pd.Index(levels))
        if (codes < 0).any():
            absent = values[codes < 0].iloc[0]
            raise DataError(
                f"C(): the value {absent!r} is none of the levels {list(levels)}: add it to them"
            )
        ordered = getattr(values.dtype, "ordered", False)
        values = pd.Series(pd.Categorical.from_codes(codes, list(levels), ordered=ordered))
    elif values.dtype.kind == "f" and (values == values.round()).all() and _is_exact(values):
        values = values.astype(np.int64)  # columns are evaluated as floats; labels are integers
    return FactorValues(
        values,
        metadata=CategoricalMetadata(
            contrasts=None if contrasts is None else as_contrasts(contrasts)
        ),
        kind="categorical",
        spans_intercept=True,
    )


def _refuse_levels(levels: Any) -> None:
    """Refuse levels that are not a list of distinct values."""
    try:
        listed = not isinstance(levels, str) and len(set(levels)) == len(levels)
    except TypeError:
        listed = False
    if not listed:
        raise DataError(f"C(): levels must be a list of different values, not {shown(levels)}")


def _is_exact(values: pd.Series) -> bool:
    return bool((values.abs() <= EXACT).all())


def fulldummy(data: Any) -> FactorValues:
    """Mark `data` as categorical with an indicator for every level, even with an intercept."""
    return FactorValues(C(data), spans_intercept=False)


def where(condition: Any, yes: Any, no: Any) -> np.ndarray:
    """`yes` in the rows where the condition holds, `no` in the others."""
    return np.where(condition, yes, no)


def clip(data: Any, lowest: Any, highest: Any) -> Any:
    """The values, with those outside the interval replaced by its nearer end."""
    return np.clip(data, lowest, highest)


def rounded(data: Any, decimals: int = 0) -> Any:
    """The values rounded to this number of decimals."""
    return np.round(data, decimals)


def exp10(data: Any) -> Any:
    """Ten to the power of the values; formulaic's ``exp10`` gives their tenth power instead."""
    return np.power(10.0, data)


FUNCTIONS: dict[str, Any] = {
    # without lag(), which uses other rows, and Q(), which back-quotes replace
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


_REQUIRED = inspect.Parameter.empty


def _remembered(name: str, **options: Any) -> Callable:
    """A statistic of numpy's as a stateful transform: new data get the value of the fit.

    `options` are the further arguments that it takes in formulas, with their defaults.
    """
    function = getattr(np, name)

    def statistic(
        data: Any, *args: Any, _state: dict, _spec: Any, _context: Any, _metadata: Any, **further
    ) -> Any:
        if "value" not in _state:
            values = np.asarray(data)
            if values.ndim != 1 or values.dtype.kind not in "biuf":
                raise DataError(
                    f"np.{name}() takes a column of numbers, not of text, dates or levels"
                )
            given = signature.bind(data, *args, **further).arguments  # numpy's own has more
            _state["value"] = function(values, **{k: v for k, v in given.items() if k != "data"})
        return _state["value"]

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            inspect.Parameter(parameter, kind, default=default)
            for parameter, default in {"data": _REQUIRED, **options}.items()
        ]
    )
    statistic.__is_stateful_transform__ = True
    statistic.__name__, statistic.__signature__ = name, signature
    return statistic


_QUANTILE = {"q": _REQUIRED, "method": "linear"}
#: Statistics of a column, and the further arguments of each with their defaults.
REMEMBERED: dict[str, dict[str, Any]] = {
    **{name: {} for name in "mean median max min amax amin ptp sum prod".split()},
    **{name: {} for name in "nanmean nanmedian nanmax nanmin".split()},
    **{name: {"ddof": 0} for name in "std var nanstd nanvar".split()},
    **{name: _QUANTILE for name in ("quantile", "percentile")},
}


def array(values: Any) -> np.ndarray:
    """Numbers or labels as an array."""
    result = np.array(values)
    if result.dtype.kind not in "biufUmM":
        raise DataError("np.array() takes a list of strings, or of numbers of at most 64 bits")
    return result


def zeros_like(data: Any) -> np.ndarray:
    """A zero for each row."""
    return np.zeros(np.shape(data))


def ones_like(data: Any) -> np.ndarray:
    """A one for each row."""
    return np.ones(np.shape(data))


def isin(data: Any, values: Any, invert: bool = False) -> np.ndarray:
    """Whether each entry of `data` is one of `values`."""
    return np.isin(data, values, invert=invert)


def digitize(data: Any, bins: Any, right: bool = False) -> np.ndarray:
    """Index of the interval between `bins` that each value lies in."""
    return np.digitize(data, bins, right=right)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> np.ndarray:
    """Linear interpolation at `x` between the points (xp, fp)."""
    return np.interp(x, xp, fp, left=left, right=right)


def searchsorted(a: Any, v: Any, side: str = "left") -> np.ndarray:
    """Positions at which `v` would be inserted into the sorted `a`."""
    return np.searchsorted(a, v, side=side)


def select(conditions: Any, choices: Any, default: Any = 0) -> np.ndarray:
    """For each row, the choice that belongs to the first condition that holds."""
    return np.select(conditions, choices, default)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> np.ndarray:
    """Whether each entry of `a` is close to that of `b`."""
    return np.isclose(a, b, rtol=rtol, atol=atol)


def sinc(data: Any) -> np.ndarray:
    """sin(πx) / (πx)."""
    return np.sinc(data)


#: numpy's functions other than ufuncs, with the arguments that formulas need; arguments that
#: choose a type, a shape or an output array are left out.
_ROW_BY_ROW = {
    "where": where,
    "clip": clip,
    "round": rounded,
    "around": rounded,
    "select": select,
    "isclose": isclose,
    "sinc": sinc,
    "ones_like": ones_like,
    "zeros_like": zeros_like,
    "array": array,
}
_LOOKUPS = {"isin": isin, "interp": interp, "digitize": digitize, "searchsorted": searchsorted}
#: Functions that use all entries of an argument, and the position of the one argument that may be
#: a column: it is looked up in the others, or summarised into a value that is kept from the fit.
LOOKING_UP = {
    "isin": 0,
    "interp": 0,
    "digitize": 0,
    "searchsorted": 1,
    **dict.fromkeys(REMEMBERED, 0),
}

#: numpy's functions and constants that formulas know, by their names after ``np.``.
NUMPY: dict[str, Any] = {
    **{
        name: value
        for name, value in vars(np).items()
        if isinstance(value, np.ufunc)
        and value.nout == 1
        and value.signature is None
        and not name.endswith("_shift")
    },
    **{name: _remembered(name, **options) for name, options in REMEMBERED.items()},
    **_ROW_BY_ROW,
    **_LOOKUPS,
    **{name: getattr(np, name) for name in ("pi", "e", "inf", "nan")},
}

#: The contrasts that a formula can name after ``contr.``, as in ``contr.sum``.
CONTRASTS = {k: v for k, v in vars(ContrastsRegistry).items() if not k.startswith("_")}

#: The functions and values that formulas know, by name; columns and the caller's come on top.
KNOWN: dict[str, Any] = {
    **FUNCTIONS,
    **{f"np.{name}": value for name, value in NUMPY.items()},
    **{f"contr.{name}": getattr(ContrastsRegistry, name) for name in CONTRASTS},
}


def is_row_by_row(value: Any, name: str) -> bool:
    """Whether a function is known to use each row alone, or to keep what it learnt in the fit."""
    if isinstance(value, np.ufunc):
        return value.signature is None
    return KNOWN.get(name) is value


def refuse_arguments(function: Any, args: Sequence, options: Mapping) -> None:
    """Refuse arguments that a function of numpy's does not take in formulas, as `out`.

    Raises
    ------
    Unfit
    """
    if not callable(function):
        raise Unfit("is a constant, not a function: leave the parentheses out")
    if isinstance(function, np.ufunc):
        if options or len(args) != function.nin:
            some = "one argument" if function.nin == 1 else f"{function.nin} arguments"
            raise Unfit(f"takes {some} in a formula")
        return
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        listed = ", ".join(map(str, plain))
        raise Unfit(f"takes ({listed}) in a formula: {error}") from None


def fit_arguments(function: Any, args: tuple, options: dict) -> tuple[tuple, dict]:
    """The arguments, checked and converted to the types that the function computes with.

    Raises
    ------
    Unfit
        If the function does not take them in formulas, or if they are out of its bounds.
    DataError
        If the matrix would be too large for the memory.
    """
    if isinstance(function, np.ufunc):
        try:
            refuse_arguments(function, args, options)
        except Unfit as why:
            raise Unfit(f"{function.__name__}() {why}") from None
        # numpy would compute logarithms and powers of small integers in float16
        computes = f"{'d' * function.nin}->d" in function.types
        return tuple(map(_computable, args)) if computes else args, options
    bounds = next((b for f, b in _BOUNDS.items() if function is f), None)
    return (args, options) if bounds is None else _bounded(function, args, options, bounds)


def _computable(value: Any) -> Any:
    value = as_number(value)
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _bounded(function: Any, args: tuple, options: dict, bounds: dict) -> tuple[tuple, dict]:
    try:
        given = inspect.signature(function).bind(*args, **options)
    except TypeError:
        return args, options  # the call itself raises the error
    columns = [1]
    for name, (least, most) in bounds.items():
        value = given.arguments.get(name)
        if value is None:
            continue
        if not (isinstance(value, Real | np.ndarray) and np.ndim(value) == 0 and value % 1 == 0):
            raise Unfit(f"{function.__name__}(): {name} must be a whole number")
        if not least <= value <= most:
            raise Unfit(
                f"{function.__name__}(): {name} is {value:.15g}; it must be from {least} to {most}"
            )
        given.arguments[name] = int(value)
        columns.append(int(value))
    rows = np.size(args[0]) if args else 0
    what = f"{function.__name__}() of {max(columns):,} columns and {rows:,} rows"
    refuse_beyond(HELD * 8 * rows * max(columns), what, "ask for fewer columns")
    return given.args, given.kwargs


#: Least and greatest values of the arguments that determine the number of columns.
_BOUNDS = {
    TRANSFORMS["bs"]: {"df": (1, WIDEST), "degree": (0, STEEPEST)},
    TRANSFORMS["poly"]: {"degree": (1, HIGHEST)},
    TRANSFORMS["hashed"]: {"levels": (1, WIDEST)},
    **{TRANSFORMS[name]: {"df": (1, WIDEST)} for name in ("cc", "cr", "cs")},
}
