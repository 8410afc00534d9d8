"""The arguments `cov` and `precision` of models; what reads them is imported where it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numbamm.errors import OptionError

if TYPE_CHECKING:
    from numbamm.relations.relation import Relation


def relations_of(cov, precision) -> dict[str, Relation]:
    """Relations by grouping factor, as users give them; see `given.read_relations`."""
    if cov is None and precision is None:
        return {}
    from numbamm.relations.given import read_relations  # which imports pandas

    return read_relations(cov, precision)


def refuse_streamed(relations: Mapping[str, Relation]) -> None:
    """Refuse known covariances where rows stream."""
    if relations:
        name = next(iter(relations.values())).name
        raise OptionError(f"{name}: not where rows stream; give the data as one frame")
