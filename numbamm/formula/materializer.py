"""formulaic's evaluation of terms, with numbamm's categoricals, functions and checks."""

from __future__ import annotations

import builtins as python
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from formulaic.errors import FactorEncodingError, FactorEvaluationError
from formulaic.formula import SimpleFormula
from formulaic.materializers import PandasMaterializer
from formulaic.materializers.types import EvaluatedFactor, FactorValues, NAAction
from formulaic.model_matrix import ModelMatrix
from formulaic.model_spec import ModelSpec
from formulaic.parser.types import Factor
from interface_meta import override

from numbamm.errors import DataError, FormulaError, NumbammError
from numbamm.formula.arithmetic import is_whole
from numbamm.formula.columns import refuse_rows
from numbamm.formula.contrasts import Coding
from numbamm.formula.expressions import evaluate, lone_column, read
from numbamm.formula.functions import KNOWN
from numbamm.formula.levels import EXACT, as_array, is_missing, positions
from numbamm.formula.names import unquoted
from numbamm.formula.tokens import brief
from numbamm.memory import HELD, refuse_beyond

#: A matrix of fewer numbers than this fits into any memory, and is not checked.
ALWAYS_FITS = 2**21


class Materializer(PandasMaterializer):
    """Evaluates formulas on a frame without missing values.

    Parameters
    ----------
    columns
        The columns that the formulas use, without missing values.
    rows
        Positions of their rows in the user's data, for messages.
    functions
        Functions and values that the formulas may use besides columns.
    coding
        How categorical factors are coded.
    full
        Whether expressions may use all of Python.
    """

    def __init__(
        self,
        columns: Mapping[str, pd.Series],
        rows: np.ndarray,
        functions: Mapping[str, Any],
        coding: Coding,
        full: bool = False,
    ) -> None:
        # floats, so that powers and differences of small or unsigned integers cannot wrap
        floats = {name: _as_floats(column) for name, column in columns.items()}
        super().__init__(floats, context=functions)
        self.columns: Mapping[str, pd.Series] = columns
        self.rows, self.functions = rows, functions
        self.coding, self.full = coding, full

    def forget(self) -> None:
        """Drop the data and what was made of them, which reference cycles may keep for long."""
        self.columns = {}
        for kept in (self.data, self.factor_cache, self.encoded_cache):
            kept.clear()

    @override
    def _init(self):
        pass  # formulaic would make a frame of the columns, in which each look-up is slow

    @property
    @override
    def nrows(self):
        return len(self.rows)

    def matrix(self, formula: SimpleFormula) -> ModelMatrix:
        """The model matrix of one formula; its levels and transforms are learnt from these data."""
        return self.matrices({"": formula})[""]

    def matrices(self, specs: Mapping[str, SimpleFormula | ModelSpec]) -> dict[str, ModelMatrix]:
        """formulaic's model matrices (numpy) of formulas, or of fitted specifications.

        It gives the same as formulaic's ``get_model_matrix`` in less time: each factor is
        evaluated once, and the state of its transforms is shared by all specifications.
        Specifications with the same effects, as ``1 + x`` on both sides of a bar, share a matrix.
        """
        effects = {key: tuple(map(str, _formula(spec))) for key, spec in specs.items()}
        distinct = {effects[key]: specified(spec) for key, spec in specs.items()}
        state: dict = {}
        for spec in distinct.values():
            state |= spec.transform_state
        pooled = specified(SimpleFormula([]), state)
        with _translated():
            self._refuse_count(sum(len(spec.formula) for spec in distinct.values()))
            for term in chain.from_iterable(spec.formula for spec in distinct.values()):
                for factor in term.factors:
                    self._evaluate_factor(factor, pooled, set())
            for spec in distinct.values():
                self._refuse_size(spec)
                spec.transform_state.update(state)
            built = {k: self._build_model_matrix(spec, []) for k, spec in distinct.items()}
            return {key: built[effects[key]] for key in specs}

    def evaluated_factor(self, factor: Factor, state: dict) -> EvaluatedFactor:
        """One factor, evaluated; `state` is the state of its stateful transforms."""
        with _translated():
            return self._evaluate_factor(factor, specified(SimpleFormula([]), state), set())

    def _refuse_count(self, effects: int) -> None:
        """Refuse so many effects that a matrix with one column for each exceeds the memory."""
        if effects * self.nrows >= ALWAYS_FITS:
            what = f"{effects:,} effects for {self.nrows:,} rows"
            refuse_beyond(HELD * 8 * self.nrows * effects, what, "leave some effects out")

    def _refuse_size(self, spec: ModelSpec) -> None:
        """Refuse effects whose columns exceed the memory, before any column is computed."""
        widths = [math.prod(self._width(f.expr) for f in t.factors) for t in spec.formula]
        count = sum(widths)
        if count * self.nrows < ALWAYS_FITS:
            return
        widest = widths.index(max(widths))
        refuse_beyond(
            HELD * 8 * self.nrows * count,
            f"'{spec.formula[widest]}' alone has {widths[widest]:,} of {count:,} columns, for "
            f"{self.nrows:,} rows",
            "a factor of many levels belongs to the right of a bar, (1 | factor)",
        )

    def _width(self, expression: str) -> int:
        """The least number of columns that an evaluated factor gives a term."""
        evaluated = self.factor_cache[expression]
        values = evaluated.values.__wrapped__
        if evaluated.metadata.kind is Factor.Kind.CATEGORICAL and np.ndim(values) == 1:
            dtype = getattr(values, "dtype", None)
            categorical = isinstance(dtype, pd.CategoricalDtype)
            levels = len(dtype.categories) if categorical else pd.Series(values).nunique()
            return max(1, levels - 1)
        if isinstance(values, dict):
            return len(values)
        return values.shape[1] if np.ndim(values) == 2 else 1

    def factor(self, factor: Factor, spec: ModelSpec) -> tuple[pd.Index | None, np.ndarray]:
        """Values of one factor of a fitted specification, before contrasts are applied.

        Returns
        -------
        levels : pandas.Index or None
            Levels of a categorical factor; None for a numeric one.
        values : ndarray
            For a categorical factor the position of each row's level, shape (n,); for a numeric
            one its columns, shape (n, columns).
        """
        evaluated = self._evaluate_factor(factor, spec, set())
        levels = self.coding.levels.get(without_fulldummy(factor.expr))
        if levels is not None:
            return levels, positions(evaluated.values.__wrapped__, levels)
        if evaluated.metadata.kind is Factor.Kind.CONSTANT:
            return None, np.full((self.nrows, 1), float(evaluated.values.__wrapped__))
        columns = self._encode_evaled_factor(evaluated, spec, set(), reduced_rank=False)
        if set(columns) != {factor.expr}:  # formulaic would drop a column named like __x
            columns = self._flatten_encoded_evaled_factor(factor.expr, columns)
        return None, np.column_stack([np.asarray(c, dtype=float) for c in columns.values()])

    def numbers(self, expression: str, state: dict) -> np.ndarray:
        """Values of a Python expression as finite floats, shape (n,); see `values`."""
        return self.numeric(expression, self.values(expression, state))

    def values(self, expression: str, state: dict) -> Any:
        """Value of a Python expression; `state` is the state of its stateful transforms."""
        if (column := lone_column(expression)) in self.data:
            return self.data[column]
        with np.errstate(all="ignore"):
            return self.evaluated(expression, state)

    def evaluated(self, text: str, state: dict, spec: ModelSpec | None = None) -> Any:
        """Value of a Python expression on these columns.

        Raises
        ------
        FormulaError
            If the evaluation raises an error other than numbamm's own, which passes unchanged.
        """
        expression = read(text, self.data, self.full)
        names = {name: self.data[column] for name, column in expression.columns.items()}
        names |= {name: self.as_it_is(column) for name, column in expression.exact.items()}
        names |= {name: self.meaning(name) for name in expression.functions | expression.values}
        if absent := [name for name, value in names.items() if value is None]:
            raise FormulaError(
                f"'{text}' uses '{absent[0]}', a function or value of the caller's that could not "
                "be pickled with the model: fit the model anew where it is defined"
            )
        builtins = vars(python) if self.full else {}
        try:
            values = evaluate(expression, names, state, spec, self.layered_context, builtins)
        except NumbammError:
            raise
        except Exception as error:  # whatever a function raises
            reason = brief(f"{type(error).__name__}: {error}")
            raise FormulaError(f"'{brief(text)}' cannot be evaluated: {reason}") from error
        return values if isinstance(values, FactorValues) else _in_floats(values, text)

    def meaning(self, name: str) -> Any:
        """The function or value behind a name that is not a column; None if it is unknown."""
        for scope in (self.functions, KNOWN, vars(python) if self.full else {}):
            if name in scope:
                return scope[name]
        return None

    def as_it_is(self, column: str) -> pd.Series:
        """A column as floats, or in its own type if floats would make large integers coincide."""
        exact, floats = self.columns[column], self.data[column]
        if not _is_whole(exact) or exact.between(-EXACT, EXACT).all():
            return floats
        return exact

    def row(self, i: int, names: Iterable[str]) -> Materializer:
        """An evaluator of the same expressions on row `i` alone, with the columns `names`."""
        columns = {k: self.columns[k].iloc[[i]].reset_index(drop=True) for k in names}
        return Materializer(columns, self.rows[[i]], self.functions, self.coding, self.full)

    def numeric(self, name: str, values: Any) -> np.ndarray:
        """Values of an expression as finite floats, shape (n,).

        Raises
        ------
        DataError
            If the values are not numbers, are not finite, or are not one for each row.
        """
        name = brief(name)
        if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
            raise DataError(f"'{name}' is categorical, not numeric: numbers are needed here")
        array = as_array(values)
        if array.dtype.kind not in "biuf":
            kinds = {"M": "dates", "m": "durations", "c": "complex numbers"}
            given = getattr(values, "dtype", array.dtype).kind  # dates with a zone become objects
            raise DataError(f"'{name}' holds {kinds.get(given, 'text')}, not numbers")
        array = np.full(self.nrows, array) if array.ndim == 0 else array
        if array.ndim > 1:
            raise DataError(f"'{name}' gives {array.shape[1]} columns where one is needed")
        self.refuse_length(name, array)
        refuse_rows(~np.isfinite(array), f"'{name}' is not a finite number", self.rows)
        return array.astype(float, copy=False)

    def refuse_length(self, name: str, values: Any) -> None:
        """Refuse an expression that does not give one value for each row."""
        if len(values) != self.nrows:
            raise DataError(f"'{name}' gives {len(values)} values for {self.nrows} rows")

    @override
    def _evaluate(self, expr, metadata, spec):
        return self.evaluated(expr, spec.transform_state, spec), set()

    @override
    def _lookup(self, name):
        return _in_floats(self.data[unquoted(name)], name), set()

    @override
    def _is_categorical(self, values):
        return is_categorical(values)

    @override
    def _check_for_nulls(self, name, values, na_action, drop_rows):
        # formulaic calls this after evaluating each factor; columns have no missing values here
        name = brief(name)
        kind, values = values.__formulaic_metadata__.kind, values.__wrapped__
        if (
            kind is not Factor.Kind.CONSTANT
            and not isinstance(values, dict)
            and not np.ndim(values)
        ):
            raise DataError(
                f"'{name}' is one value, not one for each row: leave it out, or use a column"
            )
        if kind is Factor.Kind.CATEGORICAL:
            if np.ndim(values) == 1:
                self.refuse_length(name, values)
                refuse_rows(is_missing(values), f"'{name}' is missing", self.rows)
        elif kind is Factor.Kind.NUMERICAL:
            for part in _parts(values):
                self.numeric(name, part)

    @override
    def _encode_evaled_factor(self, factor, spec, drop_rows, reduced_rank=False):
        metadata = factor.metadata
        plain = metadata.encoder is None and not metadata.encoded
        categorical = plain and metadata.kind is Factor.Kind.CATEGORICAL
        if not (categorical or factor.expr in self.coding.levels):
            values = factor.values.__wrapped__
            if plain and metadata.kind is Factor.Kind.NUMERICAL and getattr(values, "ndim", 0) == 1:
                return {factor.expr: as_array(values).astype(float, copy=False)}
            return super()._encode_evaled_factor(factor, spec, drop_rows, reduced_rank)
        key = (factor.expr, reduced_rank)
        if key not in self.encoded_cache:
            requested = getattr(metadata, "contrasts", None)
            name = without_fulldummy(factor.expr)
            self.encoded_cache[key] = self.coding.columns(
                name, factor.values.__wrapped__, reduced_rank, requested
            )
        return dict(self.encoded_cache[key])

    @override
    def _combine_columns(self, cols, spec, drop_rows):
        matrix = np.empty((self.nrows, len(cols)), order="F")
        for j, (_, column) in enumerate(cols):
            matrix[:, j] = column
        return matrix


@contextmanager
def _translated() -> Iterator[None]:
    """Let errors that formulaic raises be ours, and numpy be silent."""
    try:
        with np.errstate(all="ignore"):  # `numeric` refuses values that are not finite
            yield
    except FactorEvaluationError as error:
        raise error.__cause__ from error.__cause__.__cause__  # an error of numbamm's
    except FactorEncodingError as error:
        raise DataError(f"the data do not fit the formula: {error}") from error
    except NumbammError:
        raise
    except Exception as error:  # raised by a transform on unexpected values
        reason = f"{type(error).__name__}: {error}"
        raise FormulaError(f"the effects of the formula cannot be evaluated: {reason}") from error


def _as_floats(column: pd.Series) -> pd.Series:
    try:
        return column.astype(float) if _is_whole(column) else column
    except OverflowError:  # integers of hundreds of digits are labels
        return column


def _in_floats(values: Any, text: str) -> Any:
    """Integers beyond 64 bits as floats; all other values as they are."""
    if _kind(values) != "O" or not is_whole(values):
        return values
    try:
        return values.astype(float)
    except OverflowError:
        raise DataError(
            f"'{brief(text)}' holds integers too large for floats: if they are labels, write "
            f"C({brief(text)})"
        ) from None


def _is_whole(column: pd.Series) -> bool:
    """Whether a column holds integers; those beyond 64 bits are stored as objects."""
    return column.dtype.kind in "iu" or column.dtype == object


def _formula(spec: SimpleFormula | ModelSpec) -> SimpleFormula:
    return spec.formula if isinstance(spec, ModelSpec) else spec


def specified(formula: SimpleFormula | ModelSpec, state: dict | None = None) -> ModelSpec:
    """A specification as it is, or one of a formula, with this state of its transforms."""
    if isinstance(formula, ModelSpec):
        return formula
    return ModelSpec(
        formula,
        materializer="pandas",
        na_action=NAAction.IGNORE,
        output="numpy",
        transform_state={} if state is None else state,
    )


def is_categorical(values: Any) -> bool:
    """Whether values are levels rather than numbers; bool counts as levels, as in R."""
    kind = _kind(values)
    return kind is not None and kind in "bOUS"


def _kind(values: Any) -> str | None:
    """numpy's letter for the type of an array or a column."""
    kind = getattr(getattr(values, "dtype", None), "kind", None)
    return kind if isinstance(kind, str) else None


def _parts(values: Any) -> Iterable[Any]:
    """The columns of a numeric factor, which may be a dict of them or a matrix."""
    if isinstance(values, dict):
        return values.values()
    return np.asarray(values).T if np.ndim(values) == 2 else [values]


def without_fulldummy(expression: str) -> str:
    """``f`` for ``fulldummy(f)``, since both share the levels that are stored under ``f``."""
    inside = expression.removeprefix("fulldummy(")
    return unquoted(inside.removesuffix(")")) if inside != expression else expression
