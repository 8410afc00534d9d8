"""A model without some of its rows, to be fitted from the estimates or held at them.

Nothing is built anew: a linear model's A is that of all rows minus that of the rows left out, and
in a generalized model their weights are zero.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from numbamm.blocks.crossprod import crossprod
from numbamm.errors import FitError
from numbamm.glm.likelihood import Likelihood
from numbamm.models.fitting.generalized_start import Start
from numbamm.models.fitting.stages import options_of_start, renewed
from numbamm.models.residual_side.refusals import refuse_structure

#: A standard deviation that is less begins the search at twice this: at zero nothing has a slope.
SINGULAR = 0.05


def linear_without(model, rows):
    """A copy of a linear model without some rows, to fit from the estimates.

    Raises
    ------
    OptionError
        Residuals have a structure, for which this cannot be done.
    """
    refuse_structure(
        model, "fits without some rows", "fit to a part of the data by update(data=...)"
    )
    kept, twin = _all_but(model, rows), model.twin()
    twin.optsum.initial, twin.optsum.reml = model.theta, model.estimates.reml
    twin.frame = replace(model.frame, y=model.frame.y[kept])  # `nobs` is its length
    twin.blocks = _blocks_without(model.blocks, rows)
    if model.frame.weights is not None:
        twin._sum_log_w = float(np.log(model.frame.weights[kept]).sum())
    return twin


def _all_but(model, rows) -> np.ndarray:
    """Whether each row remains without some rows, shape (n,)."""
    kept = np.ones(model.nobs, dtype=bool)
    kept[rows] = False
    return kept


def _blocks_without(blocks, rows):
    """The blocks of the data without some rows, in the same layout."""
    if hasattr(blocks, "without_rows"):
        return blocks.without_rows(rows)
    layout, remaining = blocks.layout, copy(blocks)
    deleted = np.full_like(blocks.A, np.nan)
    crossprod(
        np.ascontiguousarray(blocks.refs[:, rows]),
        np.ascontiguousarray(blocks.z[rows]),
        np.ascontiguousarray(blocks.xy[rows]),
        layout.table,
        np.ascontiguousarray(layout.places[:, rows]),
        deleted,
    )
    remaining.A = blocks.A - deleted
    return remaining


def ordinal_without(model, rows):
    """A copy of an ordinal model with weight zero for some rows, to fit from the estimates.

    Raises
    ------
    FitError
        A category has no rows left, so that its thresholds have no estimates.
    """
    kept = _all_but(model, rows)
    y, weights = model.frame.y, np.where(kept, model.prior_weights, 0.0)
    absent = np.setdiff1d(np.arange(len(model.categories)), y[kept])
    if len(absent):
        raise FitError(
            f"without these rows there is none in category {model.categories[absent[0]]}, whose "
            "thresholds then have no estimates"
        )
    twin = model.twin()
    twin.prior_weights = weights
    twin._likelihood = Likelihood(model.family_record, y[kept], model.prior_weights[kept])
    twin._modes = model._modes.replaced(weights=weights)
    gamma = np.linalg.solve(model.columns.to_user, model.coefficients)
    theta = np.where(
        np.abs(model.theta) > SINGULAR, model.theta, 2 * SINGULAR * model.bounded_theta
    )
    twin._start = twin._begun = Start(gamma, 0.0, theta)
    twin.begin_at_start()
    return twin


def generalized_without(model, rows):
    """A copy of a generalized model with weight zero for some rows, to fit from the estimates."""
    kept, twin = _all_but(model, rows), model.twin()
    family, y, weights = (
        model.family_record,
        model.frame.y,
        np.where(kept, model.prior_weights, 0.0),
    )
    twin._likelihood, parts = (
        Likelihood(family, y[kept], model.prior_weights[kept]),
        {"weights": weights},
    )
    if model._cells:
        twin._likelihood.merged = model._cells.constant(family, y, weights)
        parts["y"], parts["weights"] = model._cells.merged(y, weights)
    if model.composition is not None:
        twin._likelihood = model.composition.likelihood(family, y[kept], model.prior_weights[kept])
        parts["weights"] = model.composition.rowwise(model, weights)
    twin._modes = model._modes.replaced(**parts)
    start = replace(model._start, theta=model.theta, shape=model.estimates.shape)
    twin._start = twin._begun = start
    twin.optsum = renewed(twin, model.optsum, options_of_start(twin).initial)
    twin.fast_optsum, twin._gamma_root, twin._warned = None, None, True
    return twin
