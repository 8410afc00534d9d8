"""What a formula may call: formulaic's transforms, and numpy's functions row by row."""

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

from numbamm.errors import DataError
from numbamm.formula.arithmetic import Unfit, as_number
from numbamm.formula.contrasts import CategoricalMetadata, as_contrasts
from numbamm.formula.levels import EXACT, positions
from numbamm.memory import HELD, refuse_beyond
from numbamm.options import shown

#: The columns that one call may make, and the degrees of polynomials and of those between knots:
#: more than anybody's have.
WIDEST, HIGHEST, STEEPEST = 1000, 100, 20


def C(data: Any, contrasts: Any = None, *, levels: Any = None) -> FactorValues:
    """Mark `data` as categorical, with these contrasts and this order of levels."""
    values = pd.Series(data)
    if levels is not None:
        _refuse_levels(levels)
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


def _refuse_levels(levels: Any) -> None:
    """Refuse what is no list of different levels."""
    try:
        listed = not isinstance(levels, str) and len(set(levels)) == len(levels)
    except TypeError:
        listed = False
    if not listed:
        raise DataError(f"levels are a list of different values, not {shown(levels)}")


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


_REQUIRED = inspect.Parameter.empty


def _remembered(name: str, **options: Any) -> Callable:
    """numpy's statistic of a column as a constant of the fit, which other data take over.

    `options` are the further arguments that it has in formulas, with their defaults.
    """
    function = getattr(np, name)

    def statistic(
        data: Any, *args: Any, _state: dict, _spec: Any, _context: Any, _metadata: Any, **further
    ) -> Any:
        if "value" not in _state:
            values = np.asarray(data)
            if values.ndim != 1 or values.dtype.kind not in "biuf":
                raise DataError(f"{name}() is of a column of numbers")
            given = signature.bind(data, *args, **further).arguments  # by name: numpy has more
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
#: Statistics of a column, by the further arguments that they have.
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
        raise DataError("np.array() is of numbers or of texts")
    return result


def zeros_like(data: Any) -> np.ndarray:
    """A zero for each row."""
    return np.zeros(np.shape(data))


def ones_like(data: Any) -> np.ndarray:
    """A one for each row."""
    return np.ones(np.shape(data))


def isin(data: Any, values: Any, invert: bool = False) -> np.ndarray:
    """Whether each of `data` is among the values."""
    return np.isin(data, values, invert=invert)


def digitize(data: Any, bins: Any, right: bool = False) -> np.ndarray:
    """Number of the interval between `bins` in which each of `data` lies."""
    return np.digitize(data, bins, right=right)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> np.ndarray:
    """Values at `x` of the lines between the points (xp, fp)."""
    return np.interp(x, xp, fp, left=left, right=right)


def searchsorted(a: Any, v: Any, side: str = "left") -> np.ndarray:
    """Positions at which `v` would stand in `a`."""
    return np.searchsorted(a, v, side=side)


def select(conditions: Any, choices: Any, default: Any = 0) -> np.ndarray:
    """Of each row, the choice whose condition is the first to hold."""
    return np.select(conditions, choices, default)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> np.ndarray:
    """Whether each of `a` is near that of `b`."""
    return np.isclose(a, b, rtol=rtol, atol=atol)


def sinc(data: Any) -> np.ndarray:
    """sin(πx) / (πx)."""
    return np.sinc(data)


#: numpy's functions that are none of its ufuncs. They have here what formulas need of them: no
#: way to choose a type, a shape, or where to write to.
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
#: Functions that look at all of what they are given, and the position of the argument that may be
#: a column: it is looked up in the others, or is summed up and remembered.
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


def refuse_arguments(function: Any, args: Sequence, options: Mapping) -> None:
    """Refuse arguments that a function of numpy's has not in formulas; `out` would write.

    Raises
    ------
    Unfit
    """
    if not callable(function):
        raise Unfit("is no function")
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
    """The arguments as they can be used.

    Raises
    ------
    Unfit
        If they would write into a column, or make a matrix beyond reason.
    DataError
        If the matrix would be too large for the memory.
    """
    if isinstance(function, np.ufunc):
        try:
            refuse_arguments(function, args, options)
        except Unfit as why:
            raise Unfit(f"{function.__name__}() {why}") from None
        # of bool and small integers, numpy would take logarithms and powers in few bits
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
        return args, options  # which the call says in its own words
    columns = [1]
    for name, (least, most) in bounds.items():
        value = given.arguments.get(name)
        if value is None:
            continue
        if not (isinstance(value, Real | np.ndarray) and np.ndim(value) == 0 and value % 1 == 0):
            raise Unfit(f"{name} is a whole number")
        if not least <= value <= most:
            raise Unfit(f"{name} is {value:.15g}, which is not from {least} to {most}")
        given.arguments[name] = int(value)
        columns.append(int(value))
    rows = np.size(args[0]) if args else 0
    what = f"{function.__name__}() of {max(columns):,} columns and {rows:,} rows"
    refuse_beyond(HELD * 8 * rows * max(columns), what, "ask for fewer columns")
    return given.args, given.kwargs


#: The least and the most that arguments may be which say how many columns there are to be.
_BOUNDS = {
    TRANSFORMS["bs"]: {"df": (1, WIDEST), "degree": (0, STEEPEST)},
    TRANSFORMS["poly"]: {"degree": (1, HIGHEST)},
    TRANSFORMS["hashed"]: {"levels": (1, WIDEST)},
    **{TRANSFORMS[name]: {"df": (1, WIDEST)} for name in ("cc", "cr", "cs")},
}
