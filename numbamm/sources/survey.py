"""`Survey`: what the first pass over the rows finds: levels, states of transforms, counts."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Self

from formulaic.parser.types import Factor
from formulaic.transforms import TRANSFORMS
from interface_meta import override

from numbamm.errors import DataError
from numbamm.formula.functions import FUNCTIONS
from numbamm.formula.materializer import Materializer, is_categorical, without_fulldummy
from numbamm.formula.right_side import Design
from numbamm.sources.cover import Cover
from numbamm.sources.found_levels import FoundLevels
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.statistics import Statistic

#: The key under which a transform's state holds a `Statistic` until all rows have been seen.
GATHERING = "gathering"
#: Rows that are kept, for what can be learnt from any few of them.
SAMPLE = 1000


class Survey:
    """What a pass over the rows finds, before model matrices can be built.

    Surveys of parts of the rows are merged.

    Attributes
    ----------
    nrows, n_missing, n_used : int
        Rows read, rows that miss a value, and rows used.
    levels : dict of str → FoundLevels
        FoundLevels of the categorical factors of fixed effects and left-hand sides, by expression.
    states : dict of str → dict
        States of stateful transforms, by the text of the call, in ``"effects"``, ``"offset"`` and
        ``"response"``.
    response_levels : FoundLevels
        FoundLevels of a two-level response; none of a numeric one.
    cover : Cover
    sample : Chunk or None
        Some of the first used rows.
    """

    def __init__(self, reading: Reading, states: dict[str, dict] | None = None) -> None:
        self.reading, design = reading, reading.design
        self.nrows = self.n_missing = self.n_used = 0
        self.levels: dict[str, FoundLevels] = {}
        self._numeric: set[str] = set()
        self._waiting: set[str] = set()  # factors whose levels depend on states not yet known
        self.states = {"effects": {}, "offset": {}, "response": {}} if states is None else states
        self.response_levels = FoundLevels(design.text.response)
        self.cover = Cover([term.grouping.factors for term in design.terms])
        self.sample: Chunk | None = None

    def empty(self) -> Survey:
        """A survey of no rows, for the same pass."""
        known = {
            part: {text: state for text, state in states.items() if GATHERING not in state}
            for part, states in self.states.items()
        }
        return Survey(self.reading, deepcopy(known))

    # ---- a chunk --------------------------------------------------------------------------

    def add(self, chunk: Chunk) -> Self:
        """Look at a chunk."""
        self.nrows += chunk.nrows
        self.n_missing += chunk.n_missing
        self.n_used += len(chunk.rows)
        if not len(chunk.rows):
            return self
        if self.sample is None:
            self.sample = _head(chunk)
        data = _Surveyor(chunk, self.reading.design, list(self.states.values()))
        for factor in _factors(self.reading.design):
            self._add_factor(factor, data)
        self._add_sides(data)
        self.cover.add(chunk.columns)
        return self

    def _add_factor(self, factor: Factor, data: _Surveyor) -> None:
        data.waits = False
        evaluated = data.evaluated_factor(factor, self.states["effects"])
        name = without_fulldummy(factor.expr)
        if evaluated.metadata.kind is not Factor.Kind.CATEGORICAL:
            self._numeric |= {name} if evaluated.metadata.kind is Factor.Kind.NUMERICAL else set()
        elif data.waits:
            self._waiting.add(name)
        else:
            self.levels.setdefault(name, FoundLevels(name)).add(evaluated.values.__wrapped__)
        self._refuse_two_kinds()

    def _add_sides(self, data: _Surveyor) -> None:
        """Look at the response and at the formula's offsets."""
        text = self.reading.design.text
        for expression in text.offsets:
            data.values(expression, self.states["offset"])
        for expression in text.counts or (text.response,):
            values = data.values(expression, self.states["response"])
            if self.reading.two_level and is_categorical(values):
                self.response_levels.add(values)

    def _refuse_two_kinds(self) -> None:
        if both := self._numeric & (set(self.levels) | self._waiting):
            raise DataError(
                f"'{min(both)}' holds numbers in some chunks and levels in others: convert the "
                "column to one type"
            )

    def merge(self, other: Survey) -> Self:
        """Add what a survey of later rows has found."""
        self.nrows += other.nrows
        self.n_missing += other.n_missing
        self.n_used += other.n_used
        for name, levels in other.levels.items():
            self.levels.setdefault(name, FoundLevels(name)).merge(levels)
        self._numeric |= other._numeric
        self._waiting |= other._waiting
        self._refuse_two_kinds()
        self.response_levels.merge(other.response_levels)
        self.cover.merge(other.cover)
        self.sample = other.sample if self.sample is None else self.sample
        for part, states in other.states.items():
            for text, state in states.items():
                own = self.states[part].setdefault(text, state)
                if own is not state and GATHERING in own:
                    own[GATHERING].gathered.merge(state[GATHERING].gathered)
        return self

    # ---- after all rows -------------------------------------------------------------------

    def settle(self) -> bool:
        """Compute the states of transforms; whether another pass must look for the rest.

        A transform of another transform's values has to wait until the inner state is known.
        """
        again = bool(self._waiting)
        for states in self.states.values():
            open_ = [text for text, state in states.items() if GATHERING in state]
            for text in open_:
                if any(other in text for other in open_ if other != text):
                    del states[text]
                    again = True
        for states in self.states.values():
            for state in states.values():
                if GATHERING in state:
                    found = state.pop(GATHERING).state()
                    state.update(found)
        return again


class _Surveyor(Materializer):
    """Evaluates factors for a survey: transforms whose state is unknown gather what they need.

    Attributes
    ----------
    waits : bool
        Whether a value has been needed that depends on an unknown state.
    """

    waits = False

    def __init__(self, chunk: Chunk, design: Design, states: list[dict]) -> None:
        super().__init__(chunk.columns, chunk.rows, FUNCTIONS | design.own, design.coding)
        self.full, self._gathered, self._states = design.full, set(), states

    def _text(self, state: dict) -> str:
        """The call whose state this is."""
        known = (item for states in self._states for item in states.items())
        return next(text for text, other in known if other is state)

    @override
    def meaning(self, name: str) -> Any:
        value = super().meaning(name)
        stateful = getattr(value, "__is_stateful_transform__", False)
        return self._gathering(value, name) if stateful else value

    def _gathering(self, function: Callable, name: str) -> Callable:
        """A transform that, while its state is unknown, gathers and returns any values."""

        def transform(data: Any, *args: Any, _state: dict, **options: Any) -> Any:
            given = {k: v for k, v in options.items() if not k.startswith("_")}
            raw = function is TRANSFORMS["poly"] and (given.get("raw") or True in args[1:2])
            if (_state and GATHERING not in _state) or raw:
                return function(data, *args, _state=_state, **options)
            self.waits = True
            if GATHERING not in _state:
                _state[GATHERING] = Statistic(function, self._text(_state), args, given)
            values = self.numeric(f"the argument of {name}()", data)
            if id(_state) not in self._gathered:  # one call may stand in several factors
                self._gathered.add(id(_state))
                _state[GATHERING].gathered.add(values)
            return values

        transform.__is_stateful_transform__ = True  # type: ignore[attr-defined]
        return transform

    @override
    def _check_for_nulls(self, name, values, na_action, drop_rows):
        if not self.waits:  # what depends on an unknown state is checked once that is known
            super()._check_for_nulls(name, values, na_action, drop_rows)


def _factors(design: Design) -> list[Factor]:
    """The factors of the fixed effects and of all left-hand sides, each once."""
    formulas = (spec for spec in design.specs.values())
    found = {factor.expr: factor for f in formulas for term in f for factor in term.factors}
    return list(found.values())


def _head(chunk: Chunk) -> Chunk:
    """The first used rows of a chunk, copied: the chunk itself can be let go."""
    n = SAMPLE

    def cut(values):
        return None if values is None else values[:n].copy()

    return Chunk(
        {name: column.iloc[:n].copy() for name, column in chunk.columns.items()},
        cut(chunk.rows),
        cut(chunk.weights),
        cut(chunk.offset),
        chunk.first,
        chunk.nrows,
        chunk.n_missing,
        None,
    )
