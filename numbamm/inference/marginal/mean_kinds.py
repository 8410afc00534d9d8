"""What averages of predictions are of: the types that a model has, their grids and their means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numbamm.errors import OptionError
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.population import ResponseMeans

if TYPE_CHECKING:
    from numbamm.inference.categories.category_means import CategoryMeans

#: Types of averages of every model, and further ones of models of several parts.
TYPES = ("response", "link")
OF_PARTS = ("conditional", "zprob", "dispersion")


def types_of(model) -> tuple[str, ...]:
    """The types of averages that a model has."""
    if model.has_categories:
        from numbamm.inference.categories.category_means import KINDS, SPELLINGS

        return (*KINDS, *SPELLINGS)
    return (*TYPES, *OF_PARTS) if model.composition is not None else TYPES


def concerns_parts(model, type: str) -> bool:
    """Whether averages of a type depend on other predictors than that of the mean."""
    if model.has_categories:
        return type not in ("link", "latent")
    if model.composition is None or type == "link":
        return False
    return not (type == "response" and model.composition.mean_is_mu)


def grid_for(model, type: str, at: Mapping[str, Any] | None = None) -> ReferenceGrid:
    """A grid of the variables on which averages of a type depend."""
    if not concerns_parts(model, type):
        return ReferenceGrid(model.frame, at)
    from numbamm.inference.marginal.parts_means import frame_of_parts

    return ReferenceGrid(frame_of_parts(model), at)


def means_of(
    model, grid: ReferenceGrid, type: str, integrated: bool
) -> ResponseMeans | CategoryMeans:
    """What is averaged: a function of rows, with derivatives by the parameters.

    Parameters
    ----------
    model : MixedModel
    grid : ReferenceGrid
        From `grid_for`.
    type : str
        One of `types_of`.
    integrated : bool
        Whether to take means over the distribution of the random effects.

    Raises
    ------
    OptionError
        The model has no such part.
    """
    if model.has_categories:
        from numbamm.inference.categories.category_means import CategoryMeans, kind_of

        if integrated:
            raise OptionError(
                're="integrated" is not for ordinal models: take re="zero", or average '
                'predict(type="prob") over simulated random effects'
            )
        return CategoryMeans(model, grid, kind_of(type))
    if not concerns_parts(model, type):
        return ResponseMeans(model, grid, integrated, type == "link")
    from numbamm.inference.marginal.parts_means import PartsMeans

    return PartsMeans(model, grid, type, integrated)
