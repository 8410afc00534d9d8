"""Known covariances of levels, handed to the grouping factors that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from numbamm.errors import DataError, FormulaError, OptionError, did_you_mean
from numbamm.formula.levels import level_codes

if TYPE_CHECKING:
    from numbamm.formula.grouping import Grouping
    from numbamm.relations.relation import Relation


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
