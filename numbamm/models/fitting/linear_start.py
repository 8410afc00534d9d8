"""`space_with_starts`: the search space of a linear fit, and where its search begins."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.moments import moment_theta
from numbamm.models.fitting.approximate_start import approximate_theta
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.light_starts import SMALL, LightStarts
from numbamm.models.fitting.residual_starts import ResidualStarts
from numbamm.models.fitting.residual_variance import is_unbounded
from numbamm.models.fitting.structured_starts import StructuredStarts
from numbamm.models.spaces.linear_space import LinearSpace
from numbamm.models.spaces.model_space import ModelSpace
from numbamm.optimize.auto import AUTO, FEW, LIGHT, NEWTON
from numbamm.optimize.run import gradient_demand

#: Valleys are looked for in so many scales, and, with more parameters than a search by differences
#: takes, where an evaluation has so few operations: some microseconds.
MOST_SCALES, LIGHTER = 8, 1e4


def space_with_starts(model) -> ModelSpace:
    """The space of a fit, whose search begins at the start that the user has set, or by default.

    Where evaluations are light, the default search has starts in several valleys. Other searches
    by gradients begin at the moments' estimate of θ; where evaluations are heavy, Newton's begins
    where an approximate search from there ends.

    Parameters
    ----------
    model : LinearMixedModel
        Its `optsum` says how; the default start is put there.
    """
    if model.residual_side is not None:
        return _with_residual_side(model)
    optsum, scaled, blocks = model.optsum, model.scaled, model.blocks
    start, work = model._usual_start, blocks.operations
    ntheta, is_newton = len(start), optsum.optimizer in (AUTO, NEWTON)
    is_free = blocks.joint.is_free and blocks.is_compiled  # starts are for light evaluations
    by_differences = optsum.optimizer == AUTO and is_free and ntheta <= FEW and work <= LIGHT
    space = LinearSpace(
        scaled,
        blocks,
        model._criterion(),
        (optsum.ftol_abs, optsum.ftol_rel),
        model.search_coordinates if by_differences else None,
    )
    many = optsum.optimizer == AUTO and not blocks.joint.is_free and work <= LIGHT
    if not model._default_start.is_in(optsum):
        if many and model._bounds_are_usual():
            usual = moment_theta(scaled.terms, model.layout, blocks.A, space.criterion.sigma)
            usual = scaled.of_one_sd(1.0) if usual is None else usual
            space.starts = StructuredStarts(scaled, scaled.to_scaled(optsum.initial), usual)
        return space
    if model._bounds_are_usual():
        scales = sum(term.p for term in model.reterms)
        light = work <= (LIGHT if ntheta <= FEW else LIGHTER) and is_free
        if optsum.optimizer == AUTO and light and scales <= MOST_SCALES:
            # where the likelihood is unbounded, a lower end is no better an estimate
            some = model.nobs <= SMALL and not is_unbounded(model)
            space.starts = LightStarts(model.search_coordinates, model.nobs if some else np.inf)
        elif gradient_demand(optsum, ntheta, has_gradient=True, work=work) != "none":
            theta = moment_theta(scaled.terms, model.layout, blocks.A, space.criterion.sigma)
            if is_newton:
                at = scaled.to_scaled(start) if theta is None else theta
                better = approximate_theta(model, space.criterion, at)
                theta = theta if better is None else better
            start = start if theta is None else scaled.to_user(theta)
            if many:
                nranef = sum(term.nranef for term in model.reterms)
                if nranef >= model.nobs and space.criterion.sigma == 0:
                    space.starts = StructuredStarts(scaled, scaled.to_scaled(start))
    model._default_start = DefaultStart.put(optsum, start)
    return space


def _with_residual_side(model) -> ModelSpace:
    """The space in φ and θ; by default θ begins at its moments where φ begins.

    Where evaluations are light, and the search ends at an edge, others follow, among them that
    from the default start where the user has set another.
    """
    optsum, side, scaled = model.optsum, model.residual_side, model.scaled
    space = model.space_with(model._criterion(), (optsum.ftol_abs, optsum.ftol_rel))
    if not model._bounds_are_usual():
        return space
    by_user = not model._default_start.is_in(optsum)
    light = optsum.optimizer == AUTO and scaled.structure.size and space.work <= LIGHT
    if by_user and not light:
        return space
    start = model._usual_start
    if scaled.structure.size and (at := side.rows.at(side.start)) is not None:
        sigma = space.criterion.sigma
        theta = moment_theta(scaled.terms, at.of.layout, at.tail.A, sigma)
        if theta is not None:
            start = np.concatenate([side.start, scaled.to_user(theta)])
    if light:
        first = space.to_scaled(optsum.initial if by_user else start)
        space.starts = ResidualStarts(space, first, space.to_scaled(start) if by_user else None)
    if not by_user:
        model._default_start = DefaultStart.put(optsum, start)
    return space
