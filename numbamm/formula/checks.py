"""Checks that hold for models with a residual variance only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import DataError

if TYPE_CHECKING:
    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame


def check_gaussian(frame: ModelFrame) -> None:
    """Refuse what a linear mixed model cannot tell apart, before heavy work.

    Raises
    ------
    DataError
        If the response is constant, or if the random effects of an unweighted term are as many
        as the observations.
    """
    if np.ptp(frame.y) == 0:
        raise DataError(
            f"the response '{frame.response}' is constant ({frame.y[0]:g}): "
            "there is no variance to divide"
        )
    if frame.weights is None:  # unequal weights tell the residual variance from the effects'
        for term in frame.reterms:
            _check_size(term, len(frame.y))


def _check_size(term: ReMat, n: int) -> None:
    # Columns that are uncorrelated by design are terms of their own: the largest block counts,
    # and a column of λ has an entry for each column of its block from its diagonal down.
    p = int(np.bincount(term.inds % term.p).max())
    if term.nlevels * p < n:
        return
    if term.nlevels == n and np.asarray(term.levels).dtype.kind == "f":
        raise DataError(
            f"the grouping factor '{term.group}' is continuous: each of the {n} rows has a level "
            f"of its own; as a covariate it stands left of a bar or among the fixed effects"
        )
    raise DataError(
        f"({', '.join(term.cnames)} | {term.group}) has {term.nlevels * p} random effects "
        f"({term.nlevels} levels × {p}) for {n} observations: "
        "the residual variance could not be told apart from theirs"
    )
