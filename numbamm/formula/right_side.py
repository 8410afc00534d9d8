"""`Design`: the right-hand side of a formula, applied to the data of the fit and to other data."""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic.formula import SimpleFormula
from formulaic.parser.types import Factor
from formulaic.transforms.contrasts import Contrasts

from numbamm import config
from numbamm.errors import FormulaError, OptionError
from numbamm.formula.columns import Table
from numbamm.formula.contrasts import Coding, as_contrasts
from numbamm.formula.effects import parse_effects
from numbamm.formula.expressions import read
from numbamm.formula.functions import FUNCTIONS, KNOWN
from numbamm.formula.grouping import Factors, Grouping, grouping_factors
from numbamm.formula.language import instead_of_function
from numbamm.formula.materializer import Materializer
from numbamm.formula.names import joined, unquoted
from numbamm.formula.parts.one_sided import one_sided, with_bars
from numbamm.formula.points import Points
from numbamm.formula.rowwise import refuse_dependent
from numbamm.formula.scan import FormulaText, RandomTerm
from numbamm.formula.tokens import brief, show, tokenise
from numbamm.structures.registry import by_name, make, others
from numbamm.structures.structure import Structure


@dataclass
class DesignTerm:
    """One random-effects term before amalgamation.

    Attributes
    ----------
    lhs : str
        Key of its left-hand side among the design's specifications; terms with the same effects
        share it.
    grouping : Grouping
        Its grouping factor; terms on the same factor share it.
    structure : str
        The name of its covariance structure.
    columns : set of str
        The data's columns that it uses, on both sides of the bar.
    text : str
        The term, as messages print it.
    options : dict of str → int
        Options of the structure.
    points : Points or None
        The points of the fit's data, for a structure over positions.
    part : str
        The part of the model that it belongs to, if not to the mean.
    """

    lhs: str
    grouping: Grouping
    structure: str
    columns: set[str]
    text: str = ""
    options: dict[str, int] = field(default_factory=dict)
    points: Points | None = None
    part: str = ""

    @property
    def group(self) -> str:
        """The name of its grouping factor, with that of the part, as tables print it."""
        name = self.grouping.name
        if self.points is not None and self.points.within is not None:
            name = joined((*self.points.within.factors, *self.points.names))
        return f"{name} ({self.part})" if self.part else name

    def made(self, p: int) -> Structure:
        """Its structure, for p columns."""
        if self.points is None:
            return make(self.structure, p, **self.options)
        options = {"points": tuple(map(tuple, self.points.at.tolist()))}
        if self.points.within is not None:
            options["in_groups"] = True
        return make(self.structure, p, **options)

    @property
    def over_positions(self) -> bool:
        """Whether its effects belong to points."""
        return by_name()[self.structure].over_positions


@dataclass
class Matrices:
    """The matrices of a design on a frame of n rows.

    Attributes
    ----------
    X : ndarray of float64, shape (n, p)
    xnames : list of str
    lhs : dict of str → ndarray, shape (n, columns)
        The columns left of the bars, by key.
    lhs_names : dict of str → list of str
    offset : ndarray of float64, shape (n,), or None
        Sum of the formula's ``offset()`` terms.
    elsewhere : dict of str → (which, points)
        For terms over positions whose rows are at other points than those of the fit, by key: the
        other point of each row, negative if it has none, and the other points. Their rows have
        zeros left of the bar.
    """

    X: np.ndarray
    xnames: list[str]
    lhs: dict[str, np.ndarray]
    lhs_names: dict[str, list[str]]
    offset: np.ndarray | None
    elsewhere: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


class Design:
    """The right-hand side of a formula, and what it has learnt from the data of the fit.

    Parameters
    ----------
    text
        The formula's pieces.
    table
        The data, of which only the columns' names are used; nothing is kept.
    contrasts
        Contrasts by column, as `as_contrasts` takes them.
    context
        The user's own functions and values; only those that the formula uses are kept.

    Attributes
    ----------
    response_columns, fixed_columns : set of str
        Columns used by the response, and by the fixed effects and offsets.
    terms : list of DesignTerm
        The random-effects terms in the formula's order.
    full : bool
        Whether an expression needs all of Python, which the configuration then allowed.
    parts : dict of str → set of str
        Columns used by the formulas of further parts of the model, by their names.
    """

    def __init__(
        self,
        text: FormulaText,
        table: Table,
        contrasts: Mapping[str, Any] | None,
        context: Mapping[str, Any] | None,
    ) -> None:
        self.text = text
        self.own: dict[str, Any] = {}
        self.coding = Coding(_contrasts_by_column(contrasts or {}))
        self.specs: dict[str, Any] = {"fixed": parse_effects(text.fixed)}
        self.terms: list[DesignTerm] = []
        self.fitted = False
        self.offset_state: dict = {}
        columns = _Columns(table, context or {}, self.own)
        self.response_columns = columns.of_python(*(text.counts or (text.response,)))
        self.fixed_columns = columns.of_formula(self.specs["fixed"])
        self.fixed_columns |= columns.of_python(*text.offsets)
        for term in text.terms:
            self._add(term, columns)
        self.full = columns.full
        self.parts: dict[str, set[str]] = {}
        self._part_specs: dict[str, Any] = {}

    def add_part(
        self, name: str, text: str, table: Table, context: Mapping[str, Any] | None
    ) -> None:
        """Add the one-sided formula of a part; `part` gives its columns."""
        columns = _Columns(table, context or {}, self.own)
        text, terms = with_bars(name, text)
        for term in terms:
            self._add(term, columns, name)
        self._part_specs[name] = formula = one_sided(name, text)
        self.parts[name] = columns.of_formula(formula)
        self.full = self.full or columns.full

    def of_part(self, name: str) -> Design:
        """The design whose fixed effects are those of a part; it has no offset."""
        other = copy(self)
        other.specs = {**self.specs, "fixed": self._part_specs[name]}
        other.fixed_columns, other.response_columns = self.parts[name], {name}
        other.text = replace(self.text, response=name, counts=(), offsets=())
        return other

    def part(self, name: str, data: Materializer) -> tuple[np.ndarray, list[str]]:
        """The columns of a part, shape (n, columns), and their names.

        The first call learns the levels and the state of transforms; later calls apply them.
        """
        fitted = not isinstance(self._part_specs[name], SimpleFormula)
        self.coding.fitted = fitted  # levels of a factor that other parts use are the same ones
        built = data.matrices({name: self._part_specs[name]})[name]
        self.coding.fitted = True
        self._part_specs[name] = spec = built.model_spec
        if not fitted:
            self._refuse_factors(data, dict(spec.transform_state))
        return built.__wrapped__, list(spec.column_names)

    @property
    def random_columns(self) -> set[str]:
        """Columns used by the random-effects terms."""
        return set().union(*(term.columns for term in self.terms))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "own": {k: v for k, v in self.own.items() if _pickles(v)}}

    def materializer(self, frame: dict[str, pd.Series], rows: np.ndarray) -> Materializer:
        """An evaluator of expressions on a frame: these rows of the user's data."""
        return Materializer(frame, rows, FUNCTIONS | self.own, self.coding, self.full)

    def matrices(
        self,
        data: Materializer,
        terms: list[DesignTerm] | None = None,
        *,
        new_points: bool = False,
    ) -> Matrices:
        """Columns of the fixed effects and of the left-hand sides of all terms, or of those given.

        The first call learns the levels and the state of transforms; later calls apply them.
        Points that were not in the data of the fit are refused, unless `new_points`.
        """
        terms = self.terms if terms is None else terms
        specs = {key: self.specs[key] for key in ("fixed", *(term.lhs for term in terms))}
        built = data.matrices(specs)
        offsets = [data.numbers(e, self.offset_state) for e in self.text.offsets]
        if not self.fitted:
            self.specs |= {key: built[key].model_spec for key in specs}
            self.coding.fitted = self.fitted = True
            self._refuse_dependent(data, offsets)
        names = {key: list(self.specs[key].column_names) for key in specs}
        arrays = {key: built[key].__wrapped__ for key in specs}
        elsewhere = {}
        for term in terms:
            if term.over_positions:
                if term.points is None:
                    if len(names[term.lhs]) != len(self.specs[term.lhs].term_slices):
                        raise FormulaError(f"{term.text}: coordinates must be numbers, not factors")
                    factors = term.grouping.factors
                    own = arrays[term.lhs], names[term.lhs], term.text, factors, data.columns
                    term.points = Points.of(*own)
                    if term.points.within is not None:  # one level has the effects of all
                        term.grouping = Grouping(())
                arrays[term.lhs] = term.points.located(arrays[term.lhs], data.columns)
                if new_points:
                    which, others = term.points.found(arrays[term.lhs])
                    arrays[term.lhs] = term.points.columns(which)
                    if len(others):
                        elsewhere[term.lhs] = which - len(term.points.at), others
                else:
                    arrays[term.lhs] = term.points.indicators(arrays[term.lhs], term.text)
                names[term.lhs] = term.points.labels
        return Matrices(
            X=arrays.pop("fixed"),
            xnames=names.pop("fixed"),
            lhs=arrays,
            lhs_names=names,
            offset=sum(offsets) if offsets else None,
            elsewhere=elsewhere,
        )

    def _refuse_dependent(self, data: Materializer, offsets: list[np.ndarray]) -> None:
        """Refuse expressions whose values in a row depend on the other rows."""
        state: dict = {}
        for spec in self.specs.values():
            state |= spec.transform_state
        self._refuse_factors(data, state)
        for text, values in zip(self.text.offsets, offsets, strict=True):
            refuse_dependent(text, data, values, self.offset_state)

    @staticmethod
    def _refuse_factors(data: Materializer, state: dict) -> None:
        for text, factor in data.factor_cache.items():
            if factor.factor.eval_method is Factor.EvalMethod.PYTHON:
                refuse_dependent(text, data, factor.values, state)

    def _add(self, term: RandomTerm, columns: _Columns, part: str = "") -> None:
        formula = parse_effects(term.lhs, term.text)
        sides = [SimpleFormula([t]) for t in formula if term.kind == "||"] or [formula]
        left = columns.of_formula(formula)
        for factors in grouping_factors(term):
            columns.of_names(*factors)
            if both := left & set(factors):
                raise FormulaError(
                    f"in {term.text}, '{min(both)}' stands on both sides of the bar: leave it out "
                    "on one side"
                )
            for side in sides:
                key = f"({term.lhs if side is formula else side[0]} {term.kind} ...)"
                if by_name()[term.structure].over_positions:  # its columns are changed to points'
                    key = f"{term.text} {len(self.terms)}"
                self.specs[key] = side
                grouping = self._grouping(factors)
                columns_used = left | set(factors)
                named = DesignTerm(key, grouping, term.structure, columns_used, term.text)
                named.options, named.part = dict(term.options), part
                self.terms.append(named)

    def _grouping(self, factors: Factors) -> Grouping:
        same = (term.grouping for term in self.terms if term.grouping.factors == factors)
        return next(same, None) or Grouping(factors)


class _Columns:
    """Finds the columns that expressions use, and collects the names from the user's scope."""

    def __init__(self, table: Table, context: Mapping[str, Any], own: dict[str, Any]) -> None:
        self.table, self.context, self.own = table, context, own
        self.full = False

    def of_names(self, *names: str) -> set[str]:
        self.table.require(list(names))
        return set(names)

    def of_formula(self, formula: SimpleFormula) -> set[str]:
        columns = set()
        for factor in (factor for term in formula for factor in term.factors):
            if factor.eval_method is Factor.EvalMethod.LOOKUP:
                columns |= self.of_names(unquoted(factor.expr))
            elif factor.eval_method is Factor.EvalMethod.PYTHON:
                columns |= self.of_python(factor.expr)
        return columns

    def of_python(self, *texts: str) -> set[str]:
        columns = set()
        for text in texts:
            try:
                expression = read(text, self.table.names)
            except FormulaError as refusal:
                self._need_python(refusal)
                expression = read(text, self.table.names, full=True)
            self.table.require(sorted(expression.used), f"the data, for '{text}'")
            columns |= expression.used
            for name in expression.functions | expression.values:
                self._resolve(name, text, called=name in expression.functions)
        return columns

    def _need_python(self, refusal: FormulaError) -> None:
        if config.get("formula_code") != "full":
            raise refusal
        self.full = True

    def _resolve(self, name: str, text: str, called: bool) -> None:
        """Look up a name other than a column, in the user's scope and among known functions."""
        value = self.context.get(name)
        if name in self.context and _is_meant(name, value, called):
            self.own[name] = value
        elif name in KNOWN:
            return
        elif called or hasattr(builtins, name):
            kind = "function" if called else "column"
            hint = instead_of_function(name) if called else ""
            if called and "|" in text:
                hint += f", nor a covariance structure{others(name)}"
            at = next((t.start for t in tokenise(text) if t.text == name), 0)
            refusal = show(text, f"there is no {kind} '{name}' for '{brief(text)}'{hint}", at)
            if not hasattr(builtins, name):
                raise refusal
            self._need_python(refusal)
        else:
            self.table.require([name], f"the data, for '{brief(text)}'")


def _contrasts_by_column(given: Any) -> dict[str, Contrasts]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise OptionError('contrasts must be a dict of column → contrasts, as in {"f": "sum"}')
    return {name: as_contrasts(value) for name, value in given.items()}


def _is_meant(name: str, value: Any, called: bool) -> bool:
    """Whether a formula means this value of the user's scope rather than a known function."""
    if called and not callable(value):
        return False
    takes_one_number = getattr(value, "__module__", None) == "math"
    return value is not FUNCTIONS.get(name) and not (takes_one_number and name in FUNCTIONS)


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # whatever a user's object raises
        return False
    return True
