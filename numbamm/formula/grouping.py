"""Grouping expressions (right of the bar), and the coding of rows as levels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from numbamm.errors import DataError, FormulaError, OptionError, did_you_mean, shown
from numbamm.formula.levels import level_codes, positions, type_hint
from numbamm.formula.names import as_part, joined, unquoted
from numbamm.formula.scan import RandomTerm
from numbamm.formula.tokens import brief, tokenise
from numbamm.relations.relation import Relation
from numbamm.structures.registry import by_name

#: Greatest number of factors in one expression, and of columns in one factor.
MOST = 100

Factors = tuple[str, ...]  # the columns whose interaction is one grouping factor


@functools.lru_cache(maxsize=256)  # programs fit the same formula again and again
def grouping_factors(term: RandomTerm) -> tuple[Factors, ...]:
    """The grouping factors that the right side of a term expands to.

    ``a:b`` and ``a & b`` are one factor; ``a/b`` is two factors, ``a`` and ``a:b``.

    Raises
    ------
    FormulaError
        If the expression is anything else.
    """
    if term.group == "1" and by_name()[term.structure].over_positions:
        return ((),)  # one group of all rows
    return tuple(_Grouping(term).parse())


class _Grouping:
    """Recursive descent through ``/`` and through ``:`` or ``&``, which bind more tightly."""

    def __init__(self, term: RandomTerm) -> None:
        self.term = term
        self.tokens = [token.text for token in tokenise(term.group)]

    def parse(self) -> list[Factors]:
        factors = self.nested()
        if self.tokens:
            raise self.error()
        return factors

    def nested(self) -> list[Factors]:
        outer = self.interaction()
        while self.tokens[:1] == ["/"]:
            self.tokens.pop(0)
            nesting = tuple(dict.fromkeys(name for factors in outer for name in factors))
            outer = self.few(outer + _product([nesting], self.interaction()))
        return outer

    def interaction(self) -> list[Factors]:
        factors = self.atom()
        while self.tokens and self.tokens[0] in (":", "&"):
            self.tokens.pop(0)
            factors = self.few(_product(factors, self.atom()))
        return factors

    def atom(self) -> list[Factors]:
        if not self.tokens:
            raise self.error()
        token = self.tokens.pop(0)
        if token in ("factor", "C") and self.tokens[:1] == ["("]:
            token = self.tokens.pop(0)
        if token == "(":
            inside = self.nested()
            if self.tokens[:1] != [")"]:
                raise self.error()
            self.tokens.pop(0)
            return inside
        if not (token.startswith("`") or token[0].isalpha() or token[0] in "_."):
            raise self.error()
        return [(unquoted(token),)]

    def few(self, factors: list[Factors]) -> list[Factors]:
        if len(factors) > MOST or max(map(len, factors)) > MOST:
            raise FormulaError(
                f"'{brief(self.term.group)}' has more than {MOST} grouping factors: leave some out"
            )
        return factors

    def error(self) -> FormulaError:
        return FormulaError(
            f"in {brief(self.term.text)}, '{brief(self.term.group)}' is not a grouping factor: "
            "write a column, an interaction a:b, or nesting a/b; and for several factors a term "
            "each, (1 | a) + (1 | b)"
        )


def _product(left: list[Factors], right: list[Factors]) -> list[Factors]:
    return [tuple(dict.fromkeys(a + b)) for a in left for b in right]


@dataclass
class Grouping:
    """The coding of rows as levels of one grouping factor, learnt from the data of the fit.

    Attributes
    ----------
    factors : tuple of str
        The columns that interact.
    labels : list of pandas.Index
        The levels of each column.
    pairs : list of pandas.Index
        For each column after the first, the combinations that occur, as numbers
        ``(code of the columns before) × (number of its levels) + (its code)``.
    relation : Relation or None
        Known covariances of the levels, whose labels the levels then are.
    """

    factors: Factors
    labels: list[pd.Index] = field(default_factory=list)
    pairs: list[pd.Index] = field(default_factory=list)
    relation: Relation | None = None

    @property
    def name(self) -> str:
        """Name of the factor, as tables print it; ``"1"`` for one group of all rows."""
        return joined(self.factors) if self.factors else "1"

    @property
    def levels(self) -> np.ndarray:
        """Labels of the levels; those of an interaction are joined by colons, see `joined`."""
        if not self.factors:
            return np.array(["all"], dtype=object)
        if not self.pairs:
            return self.labels[0].to_numpy()
        codes = [np.arange(self.nlevels)]
        for labels, pairs in zip(self.labels[:0:-1], self.pairs[::-1], strict=True):
            outer, inner = np.divmod(pairs.to_numpy()[codes[0]], len(labels))
            codes = [outer, inner, *codes[1:]]
        parts = []  # each label is converted once, however many combinations it occurs in
        for labels, c in zip(self.labels, codes, strict=True):
            texts = [as_part(str(label)) for label in labels]
            parts.append([texts[i] for i in c.tolist()])
        return np.array([":".join(part) for part in zip(*parts, strict=True)], dtype=object)

    @property
    def nlevels(self) -> int:
        """Number of levels."""
        if not self.factors:
            return 1
        return len(self.pairs[-1] if self.pairs else self.labels[0])

    def fit(self, frame: dict[str, pd.Series]) -> np.ndarray:
        """Learn the levels that occur, and code the rows: int32, shape (n,).

        Raises
        ------
        DataError
            If there is only one level.
        """
        refs = self.learn(frame)
        if self.factors and refs.max() == 0:
            raise DataError(
                f"the grouping factor '{self.name}' has a single level "
                f"({self.levels[0]!r}) in the rows used: leave its term out"
            )
        return refs

    def learn(self, frame: dict[str, pd.Series]) -> np.ndarray:
        """As `fit`; a single level will do."""
        if not self.factors:
            return np.zeros(len(next(iter(frame.values()))), dtype=np.int32)
        if self.relation is not None:
            return self._fit_related(frame[self.factors[0]])
        refs = np.zeros(0)
        for k, name in enumerate(self.factors):
            codes, labels = level_codes(frame[name])
            self.labels.append(labels)
            if k == 0:
                refs = codes
            else:  # column by column, so that the products never overflow
                refs, pairs = pd.factorize(refs * len(labels) + codes, sort=True)
                self.pairs.append(pd.Index(pairs))
        return refs.astype(np.int32)

    def _fit_related(self, column: pd.Series) -> np.ndarray:
        """Code the rows by the labels of the relation.

        Raises
        ------
        DataError
            Some levels of the data are none of its labels.
        """
        relation = self.relation
        assert relation is not None
        self.labels = [pd.Index(relation.labels)]
        refs = positions(column, self.labels[0])
        if (refs < 0).any():
            absent = column[refs < 0].drop_duplicates().tolist()
            listed = ", ".join(map(shown, absent[:5]))
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            hint = type_hint(absent, relation.labels).replace("the fit", relation.name)
            raise DataError(
                f"{relation.name} lacks levels of '{self.name}' that the data have: "
                f"{listed}{more}{hint}"
            )
        return refs.astype(np.int32)

    def code(self, frame: dict[str, pd.Series]) -> tuple[np.ndarray, list]:
        """Code the rows of other data, in which nothing is missing.

        Returns
        -------
        refs : ndarray of int32, shape (m,)
            Levels of the rows; new levels are numbered after those of the fit.
        unseen : list
            Labels of the new levels, in order of appearance.
        """
        if not self.factors:
            return np.zeros(len(next(iter(frame.values()))), dtype=np.int32), []
        columns = [frame[name] for name in self.factors]
        refs = positions(columns[0], self.labels[0])
        for column, labels, pairs in zip(columns[1:], self.labels[1:], self.pairs, strict=True):
            codes = positions(column, labels)
            both = pairs.get_indexer(refs * len(labels) + codes)
            refs = np.where((refs < 0) | (codes < 0), -1, both)
        new = np.flatnonzero(refs < 0)
        codes = np.zeros(len(new), dtype=np.int64)
        for column in columns:
            inner, labels = pd.factorize(column.iloc[new])
            codes, _ = pd.factorize(codes * len(labels) + inner)  # in order of appearance
        first = new[np.unique(codes, return_index=True)[1]]
        refs[new] = self.nlevels + codes
        labels = zip(*(column.iloc[first] for column in columns), strict=True)
        unseen = [label[0] if len(label) == 1 else _label(label) for label in labels]
        return refs.astype(np.int32), unseen


def _label(labels: tuple) -> str:
    return joined([str(label) for label in labels])


def put_relations(
    groupings: Mapping[str, Grouping],
    relations: Mapping[str, Relation],
    columns: Mapping[str, pd.Series],
    used: Mapping[str, pd.Series],
) -> None:
    """Give each relation to its grouping factor.

    Parameters
    ----------
    groupings, relations
        By the names of the factors.
    columns, used
        The columns, and their rows that are used, by which matrices without labels get them.

    Raises
    ------
    OptionError
        There is no such factor.
    FormulaError
        It is an interaction.
    DataError
        A matrix without labels has another number of rows than there are levels.
    """
    for name, relation in relations.items():
        if name not in groupings:
            argument = relation.name.partition("[")[0]
            near = did_you_mean(name, groupings) or (
                f"; there are {', '.join(groupings)}" if groupings else "; it has none"
            )
            raise OptionError(f"{argument}: '{name}' is no grouping factor of the formula{near}")
        if len(groupings[name].factors) != 1:
            raise FormulaError(
                f"{relation.name}: '{name}' is no column, and known covariances are those of the "
                "levels of a column: make a column of it first"
            )
        [column] = groupings[name].factors
        if relation.labels is None:
            labels = _in_order(columns[column], used[column], relation)
            relation = relation.with_labels(labels)
        groupings[name].relation = relation


def _in_order(column: pd.Series, used: pd.Series, relation: Relation) -> np.ndarray:
    """The levels for the rows of a matrix: all categories of a column, or the levels that occur."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        if len(column.cat.categories) == relation.size:
            return column.cat.categories.to_numpy()
    labels = level_codes(used)[1]
    if len(labels) != relation.size:
        raise DataError(
            f"{relation.name} has {relation.size} rows and no labels, but the column has "
            f"{len(labels)} levels: give a DataFrame with the levels as its index and columns, or "
            "a pair (matrix, labels)"
        )
    return labels.to_numpy()
