"""Where the search of a generalized fit ended: whether at a minimum, and what else to try.

Links whose means have a bounded range (identity, inverse, the square root) leave parameters at
which there is no mode; a search may run into their edge and stop there, though the objective still
falls. And where a likelihood is not concave in η, the objective of few rows may have several
minima.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.models.curvature import derivatives, newton_step
from numbamm.optimize.auto import AUTO, DERIVATIVE_FREE, NEWTON
from numbamm.optimize.optsummary import GENUINE, OptSummary

#: How much the objective may still fall: its root is the distance to the minimum in standard
#: errors, of which a hundredth moves no digit that anybody reads.
NEGLIGIBLE = 1e-4
#: A gradient of this length, in coefficients of variance one, may leave more than that to gain.
STEEP = 0.02

#: By what the usual start of θ is multiplied where there is no mode.
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
#: The same where the first end was a variance of zero, beside which there may be another minimum.
FAR = 3.0
#: Two ends are different minima, and the higher one a rival of the lower, if it is higher by this.
RIVAL = 1e-3, 10.0
#: The shape at which these begin: a large one that the start may have is a flat place.
SHAPE = 1.0
#: Up to so many operations an evaluation a fit of several minima tries again in any case.
LIGHT = 2e6


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
    """

    is_minimum: bool
    at_edge: bool
    lower: float = 0.0
    rivals: int = 0


def ending(model) -> Ending:
    """Whether the search that `optsum` describes ended at a minimum.

    Derivatives are looked at only where there is a reason to doubt it.
    """
    optsum = model.optsum
    at_edge = any(not np.isfinite(f) for _, f in optsum.log)
    free = np.flatnonzero(optsum.lowerbd < optsum.upperbd)
    judged = optsum.certificate is not None and len(free) == len(optsum.final)
    if judged and optsum.certificate < GENUINE:
        return Ending(False, at_edge)
    if not at_edge and not _is_steep(optsum):
        return Ending(True, at_edge)
    slopes, curvature = derivatives(model)
    _, gain, _, falls = newton_step(slopes[free], curvature[np.ix_(free, free)])
    return Ending(gain <= NEGLIGIBLE and not falls, at_edge)


def is_concave(model) -> bool:
    """Whether the density is concave in η, so that two minima are rare."""
    return model._family.is_concave(model._link)


def has_several_minima(model) -> bool:
    """Whether the objective may well have more than one, and another search costs little."""
    # Of proportions the Laplace approximation has one minimum with symmetric links, as a rule.
    irregular = model._family.proportions and not model._link.symmetric
    return (irregular or not is_concave(model)) and model._work <= LIGHT


def other_starts(model, chosen: str, end: Ending) -> list[tuple[np.ndarray, str]]:
    """What θ of the usual start is multiplied by in other attempts, and the optimiser of each.

    That is the one that was chosen, unless the choice was left open.
    """
    if is_concave(model) and not has_several_minima(model) and model.optsum.certificate is not None:
        return _in_proportion(model, chosen, (FAR,))
    if is_concave(model) and end.is_minimum and not model._free_shape:
        return _in_proportion(model, chosen, (FAR, 1 / FAR))
    at, effect = 0, []
    for term in model.reterms:
        effect.append(at + term.inds // term.p)
        at += term.p
    pairs = [(pair, other if chosen == AUTO else chosen) for pair, other in OTHERS]
    return [
        (np.array(pair)[np.concatenate(effect) % 2], optimizer)
        for pair, optimizer in dict.fromkeys(pairs)
        if at > 1 or pair[0] == pair[1]
    ]


def _in_proportion(model, chosen: str, factors) -> list[tuple[np.ndarray, str]]:
    """All θ of the usual start times each factor: enough where other minima are rare."""
    optimizer = NEWTON if chosen == AUTO else chosen
    return [(np.full(len(model.theta), factor), optimizer) for factor in factors]


def _is_steep(optsum: OptSummary) -> bool:
    """Whether the gradient at the end, as far as the search has met it, is no zero."""
    norm = vars(optsum)["_gradient_norm"]
    if callable(norm):  # nobody has computed it there
        return optsum.returnvalue != "CONVERGED"
    return norm is not None and not norm < STEEP
