"""Known covariances of levels, handed to the grouping factors that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numbamm.errors import FormulaError, OptionError, did_you_mean

if TYPE_CHECKING:
    from numbamm.formula.grouping import Grouping
    from numbamm.relations.relation import Relation


def put_relations(groupings: Mapping[str, Grouping], relations: Mapping[str, Relation]) -> None:
    """Give each relation to its grouping factor.

    Raises
    ------
    OptionError
        There is no such factor.
    FormulaError
        It is an interaction.
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
        groupings[name].relation = relation
