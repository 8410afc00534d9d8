"""Where the search of a generalized fit ended: whether at a minimum, and what else to try.

Links whose means have a bounded range (identity, inverse, the square root) leave parameters at
which there is no mode; a search may run into their edge and stop there, though the objective still
falls. And where a likelihood is not concave in η, the objective of few rows may have several
minima.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.models.fitting.other_minimum import MANY, OtherMinimum
from numbamm.models.fitting.runaway import levels_alike, runaway_terms
from numbamm.models.generalized_estimates import effects_at_mode, linear_predictors
from numbamm.optimize.auto import AUTO, DERIVATIVE_FREE, NEWTON
from numbamm.optimize.local_minimum import is_minimum
from numbamm.optimize.newton_step import newton_step
from numbamm.optimize.optsummary import OptSummary

#: How much the objective may still fall: its root is the distance to the minimum in standard
#: errors, of which a hundredth moves no digit that anybody reads.
NEGLIGIBLE = 1e-4
#: With a gradient of this length, in coefficients of variance one, it may fall by more than that.
STEEP = 0.02

#: By what the default start of θ is multiplied where there is no mode.
SMALLER = (0.3, 0.1, 0.03, 0.01)
#: The same where a fit tries again, for the effects by turns, and the optimiser if nobody chose.
OTHERS = (
    ((3.0, 3.0), DERIVATIVE_FREE),
    ((0.3, 0.3), DERIVATIVE_FREE),
    ((3.0, 3.0), NEWTON),
    ((0.3, 0.3), NEWTON),
    ((3.0, 0.1), NEWTON),
    ((0.1, 3.0), NEWTON),
    ((3.0, 0.1), DERIVATIVE_FREE),
    ((1.0, 0.1), NEWTON),
)
#: The first of these where gradients led to no minimum.
SAME = ((1.0, 1.0), DERIVATIVE_FREE)
#: The same where the first end was a variance of zero, where there may be another minimum.
FAR = 3.0
#: Two ends are different minima, and the higher one a rival of the lower, if it is higher by this.
RIVAL = 1e-3, 10.0
#: The shape at which these begin: a large one that the start may have is a flat place.
SHAPE = 1.0
#: Up to so many operations an evaluation a fit of several minima tries again in any case.
LIGHT = 2e6
#: With more rows two other starts suffice in a model of several parts: in 266 random designs of 140
#: rows all of `OTHERS` led nowhere lower.
MANY_DATA = 100

#: Where a density is not concave in η, rows may have negative information about η. In 1,467 small
#: data sets of random intercepts, few of whose levels are all alike, no other search ended lower if
#: that of each level's rows added up to this share, or more, of what it would be without signs, and
#: there were so many rows for each effect. Of slopes this is asked in every direction, in models of
#: several parts: in 109 data sets, of 40 rows at least, no other search ended lower either.
CONSENT, ENOUGH = 0.5, 5
#: From this share of rows on whose log-density is not concave, several minima are likely.
MANY_ROWS = 0.4
#: A step for second differences, in units of the size of η; and a share that is rounding.
STEP, ROUNDING = 1e-3, 1e-12


class Ending(NamedTuple):
    """What is known of the end of a search.

    Attributes
    ----------
    is_minimum : bool
    at_edge : bool
        Whether the search met parameters at which there is no mode.
    lower : float
        By how much the objective was lower where another search ended, at no minimum.
    rivals : int
        How many other minima there are that are not much higher, as far as has been seen.
    other : OtherMinimum or None
        Another minimum, of the approximation's making.
    """

    is_minimum: bool
    at_edge: bool
    lower: float = 0.0
    rivals: int = 0
    other: OtherMinimum | None = None


def ending(model) -> Ending:
    """Whether the search that `optsum` describes ended at a minimum.

    Derivatives are looked at only where there is a reason to doubt it.
    """
    optsum = model.optsum
    at_edge = _met_an_edge(optsum)
    free = np.flatnonzero(optsum.lowerbd < optsum.upperbd)
    judged = optsum.certificate is not None and len(free) == len(optsum.final)
    if judged and not is_minimum(optsum.certificate):
        return Ending(False, at_edge)
    if not at_edge and not _is_steep(optsum):
        return Ending(True, at_edge)
    space = model.space
    with blas_threads():
        slopes, curvature = space.derivatives(space.to_scaled(optsum.final))
    _, gain, _, falls = newton_step(slopes[free], curvature[np.ix_(free, free)])
    return Ending(gain <= NEGLIGIBLE and not falls, at_edge)


def _met_an_edge(optsum: OptSummary) -> bool:
    """Whether the search met parameters at which there is no mode."""
    return any(not np.isfinite(f) for _, f in optsum.log)


def is_concave(model) -> bool:
    """Whether the density is concave in η, so that two minima are rare."""
    return model.family_record.is_concave(model.link_record)


def has_several_minima(model) -> bool:
    """Whether the objective may well have more than one, and another search costs little."""
    if model._work > LIGHT:
        return False
    if not is_concave(model):
        return not _levels_agree(model)
    # Where any η has a mean there is an `other_minimum`, due to the approximation, if any.
    return model.family_record.proportions and not model.link_record.onto_unit


def has_few_rows(model) -> bool:
    """Whether rows are too few for several effects a level, where the density is not concave.

    Of such small data sets one in fifty has a minimum that no search from another start finds.
    """
    if is_concave(model) or all(term.p == 1 for term in model.reterms):
        return False
    return model.nobs < ENOUGH * sum(term.nranef for term in model.reterms)


def levels_vary(model) -> bool:
    """Whether both outcomes occur in most levels of a binomial model of random intercepts."""
    if not (model.family_record.proportions and model.link_record.onto_unit and is_concave(model)):
        return False
    return _few_are_alike(model)


def _few_are_alike(model) -> bool:
    """Whether there are random intercepts alone, and few levels whose responses are all alike.

    A model of several parts may have slopes.
    """
    return all(
        (model.composition is not None or (term.z == term.z[0, 0]).all())
        and levels_alike(term, model.family_record, model.frame.y) < MANY * term.nlevels
        for term in model.reterms
    )


def _levels_agree(model) -> bool:
    """Whether the rows of each level agree, but for little, that the density is concave there.

    Where a search ended, in a model whose standard deviations are ordinary. A link that turns gives
    two η the same mean, so that it says nothing that the density is concave at one of them.
    """
    few = model.nobs < ENOUGH * sum(term.nranef for term in model.reterms)
    if few or model.has_free_shape or model.link_record.turns or _met_an_edge(model.optsum):
        return False
    if not _few_are_alike(model) or runaway_terms(model):
        return False
    information = _information_of_rows(model)
    return information is not None and all(_consent(t, information) for t in model.reterms)


def _consent(term, information) -> bool:
    """Whether the rows' information about each level's effects has this share in all directions."""
    size, excess = np.abs(information), np.zeros((term.nlevels, term.p, term.p))
    for a, b in np.ndindex(term.p, term.p):
        w = term.z[a] * term.z[b]
        excess[:, a, b] = np.bincount(term.refs, w * (information - CONSENT * size), term.nlevels)
    most = np.bincount(term.refs, (term.z**2).sum(axis=0) * size, term.nlevels)
    return bool((np.linalg.eigvalsh(excess)[:, 0] >= -ROUNDING * most).all())


def _information_of_rows(model) -> np.ndarray | None:
    """Second derivatives of the rows' deviances in η where a search ended; None without a mode."""
    x = model.optsum.final
    model._set_theta(x[-len(model.theta) :])
    space = model.space_of(model.parameters_of(x), modes=model._modes)
    mode, at = space.laplace.at(space.to_scaled(x))
    if not mode.found:
        return None
    if model.composition is not None:
        return model._modes.row_information(vary=space.laplace.vary)
    eta, w = linear_predictors(model, at, effects_at_mode(model)[1]), model.prior_weights
    step = STEP * np.sqrt(np.mean(eta**2))
    family, link, y = model.family_record, model.link_record, model.frame.y
    below, here, above = (family.deviances(link, at.shape, y, eta + h) for h in (-step, 0.0, step))
    return w * (below - 2 * here + above)


def share_not_concave(model) -> float:
    """The share of rows whose log-density is not concave in η where a search ended.

    It was above 0.4 where default searches of small random data sets missed the lowest minimum, and
    almost always below in others.
    """
    if is_concave(model):
        return 0.0
    information = _information_of_rows(model)
    return 0.0 if information is None else float((information < 0).mean())


def other_starts(model, chosen: str, end: Ending, flat=False) -> list[tuple[np.ndarray, str]]:
    """What θ of the default start is multiplied by in other attempts, and the optimiser of each.

    That is the one that was chosen, unless the choice was left open. Where the objective is flat
    along a direction, gradients do not lead away from there.
    """
    if is_concave(model) and not has_several_minima(model) and model.optsum.certificate is not None:
        return _in_proportion(model, chosen, (FAR,))
    if is_concave(model) and end.is_minimum and not model.has_free_shape:
        return _in_proportion(model, chosen, (FAR, 1 / FAR))
    if model.composition is not None and end.is_minimum and model.nobs > MANY_DATA:
        return _in_proportion(model, chosen, (FAR, 1 / FAR), DERIVATIVE_FREE if flat else NEWTON)
    at, effect = 0, []
    for term in model.reterms:
        effect.append(at + term.structure.rows)
        at += term.p
    others = OTHERS if end.is_minimum else (SAME, *OTHERS)
    pairs = [(pair, other if chosen == AUTO else chosen) for pair, other in others]
    return [
        (np.array(pair)[np.concatenate(effect) % 2], optimizer)
        for pair, optimizer in dict.fromkeys(pairs)
        if at > 1 or pair[0] == pair[1]
    ]


def _in_proportion(model, chosen: str, factors, usual=NEWTON) -> list[tuple[np.ndarray, str]]:
    """All θ of the default start times each factor: enough where other minima are rare."""
    optimizer = usual if chosen == AUTO else chosen
    return [(np.full(len(model.theta), factor), optimizer) for factor in factors]


def _is_steep(optsum: OptSummary) -> bool:
    """Whether the gradient at the end, as far as the search has met it, is no zero."""
    norm = vars(optsum)["_gradient_norm"]
    if callable(norm):  # nobody has computed it there
        return optsum.returnvalue != "CONVERGED"
    return norm is not None and not norm < STEEP
