"""`RowChoice`: which rows a table of models shows, in which order, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.inference.comparison.modelcolumn import ModelColumn
from numbamm.inference.comparison.modelrows import rows_of
from numbamm.options import mapping, name_list
from numbamm.report.content import shown_name

#: The parts of the table, and the headings above them.
PARTS = {"fixed": "Fixed effects", "random": "Random effects", "model": "Model"}


@dataclass
class RowChoice:
    """Labels of rows, and which of them are shown.

    Attributes
    ----------
    labels : dict of str to str
        By the names of coefficients and grouping factors, or by whole labels.
    rows : list of str, or None
        Names of the rows that are shown, in their order; all of them, if None.
    drop : list of str
        Names of rows that are not.
    """

    labels: dict[str, str] = field(default_factory=dict)
    rows: list[str] | None = None
    drop: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, labels, rows=None, drop=None) -> RowChoice:
        """The choice that the options of `modeltable` stand for.

        Raises
        ------
        OptionError
            An option is no dict or list of texts.
        """
        words = {} if labels is None else dict(mapping("labels", labels))
        for name, word in words.items():
            if not (isinstance(name, str) and isinstance(word, str)):
                raise OptionError(
                    f"labels must be a dict of names and texts, not one with {shown(name)}: "
                    f"{shown(word)}"
                )
        return cls(
            words,
            None if rows is None else name_list("rows", rows),
            [] if drop is None else name_list("drop", drop, least=0),
        )

    def word(self, name: str) -> str:
        """How a coefficient or a grouping factor is called."""
        return self.labels.get(name, self.labels.get(shown_name(name), shown_name(name)))

    def label(self, row: str) -> str:
        """How a row of random effects or of the model is called."""
        return self.labels.get(row, row)

    def arranged(self, columns: list[ModelColumn]) -> dict[str, list[str]]:
        """For each part of the table the rows that are shown, in their order.

        Raises
        ------
        OptionError
            A name is that of no row; or two coefficients of a model have one label.
        """
        self._refuse_same_labels(columns)
        found = rows_of(columns)
        names = {
            (part, row): self._names(part, row, columns) for part in found for row in found[part]
        }
        known = {name for each in names.values() for name in each} | {*PARTS}
        raw = {name for column in columns for name in column.names}
        raw |= {shown_name(name) for name in raw}
        self._refuse_unknown("labels", self.labels, (known | raw) - {*PARTS})
        self._refuse_unknown("rows", self.rows or [], known)
        self._refuse_unknown("drop", self.drop, known)

        def place(part: str, row: str) -> int | None:
            """Where a row stands; None if it is not shown."""
            if _first(self.drop, part, names[part, row]) is not None:
                return None
            return 0 if self.rows is None else _first(self.rows, part, names[part, row])

        chosen = {}
        for part, rows in found.items():
            places = {row: place(part, row) for row in rows}
            kept = [row for row in rows if places[row] is not None]
            chosen[part] = sorted(kept, key=lambda row: places[row])
        return chosen

    def _names(self, part: str, row: str, columns: list[ModelColumn]) -> set[str]:
        """The names that stand for a row in the options."""
        own = {row, self.label(row)}
        if part == "fixed":
            own |= {n for c in columns for n in c.coefficient_names if self.word(n) == row}
            own |= {shown_name(name) for name in own}
        return own

    def _refuse_same_labels(self, columns: list[ModelColumn]) -> None:
        for column in columns:
            taken: dict[str, str] = {}
            for name in column.coefficient_names:
                if (other := taken.setdefault(self.word(name), name)) != name:
                    raise OptionError(
                        f"labels: two coefficients of {column.name}, {shown(other)} and "
                        f"{shown(name)}, cannot have one label, {shown(self.word(name))}"
                    )

    @staticmethod
    def _refuse_unknown(option: str, given: Iterable[str], known: set[str]) -> None:
        for name in given:
            if name not in known and not any(_fits(name, other) for other in known - {*PARTS}):
                listed = sorted(known - {*PARTS})
                raise OptionError(
                    f"{option}: {shown(name)} is no row of the table{did_you_mean(name, listed)}; "
                    f"there are {', '.join(listed)}"
                )


def _first(patterns: list[str], part: str, names: set[str]) -> int | None:
    """Position of the first pattern that is the part of a row, or that one of its names fits."""
    fits = (p == part or any(_fits(p, name) for name in names) for p in patterns)
    return next((i for i, found in enumerate(fits) if found), None)


def _fits(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, in which ``*`` stands for any characters."""
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), name) is not None
