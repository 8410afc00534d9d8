"""How much linear predictors vary about the fixed effects: random effects and residuals."""

from __future__ import annotations

import numpy as np


def total_variance(model, grid) -> np.ndarray:
    """Variance of the linear predictor at each row of a reference grid.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    grid : ReferenceGrid

    Returns
    -------
    ndarray, shape (rows,)
        Of the random effects, z'Σz for each term; where the columns left of a bar are not in
        the grid, its average over the rows of the data. Linear models have the variance of a
        residual of weight one besides.
    """
    from numbamm.models.linear import LinearMixedModel

    residual = model.sigma**2 if isinstance(model, LinearMixedModel) else 0.0
    total = np.full(len(grid.rows), residual)
    terms = zip(model.reterms, model.varcorr.terms, model.frame.members, strict=True)
    for term, estimated, members in terms:
        z = _left_of_bar(model.frame, members, grid)
        some = term.z if z is None else z
        each = np.einsum("an,ab,bn->n", some, estimated.cov, some)
        total += each.mean() if z is None else each
    return total


def _left_of_bar(frame, members, grid) -> np.ndarray | None:
    """A term's columns left of the bar at the grid's rows, if it has the columns for them."""
    parts = [frame.design.terms[i] for i in members]
    needed = set().union(*(part.columns - set(part.grouping.factors) for part in parts))
    if not needed <= set(grid.rows):
        return None
    columns = {name: grid.rows[name] for name in grid.rows}
    data = frame.design.materializer(columns, np.arange(len(grid.rows)))
    lhs = frame.design.matrices(data, parts).lhs
    return np.vstack([lhs[part.lhs].T for part in parts])
