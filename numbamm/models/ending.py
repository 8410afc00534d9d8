"""Where the search of a generalized fit ended: whether at a minimum, and what else to try.

Links whose means have a bounded range (identity, inverse, the square root) leave parameters at which
there is no mode; a search may run into their edge and stop there, though the objective still falls.
And where a likelihood is not concave in η, the objective may have several minima.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.models.curvature import derivatives, newton_step
from numbamm.optimize.optsummary import GENUINE, OptSummary

#: How much the objective may still fall: its root is the distance to the minimum in standard
#: errors, of which a hundredth moves no digit that anybody reads.
NEGLIGIBLE = 1e-4
#: A gradient of this length, in coefficients of variance one, may leave more than that to gain.
STEEP = 0.02

#: By what the usual start of θ is multiplied where there is no mode, and where a fit tries again.
SMALLER, OTHERS = (0.3, 0.1, 0.03, 0.01), (0.3, 3.0)
#: Up to so many operations an evaluation a fit of several minima tries again in any case.
LIGHT = 5e6

#: Links with which the density of a family is concave in η.
CONCAVE = {
    families.BINOMIAL: {
        links.LOGIT, links.PROBIT, links.CLOGLOG, links.LOGLOG, links.LOG, links.IDENTITY
    },
    families.POISSON: {links.LOG, links.IDENTITY, links.SQRT},
    families.NEGATIVE_BINOMIAL: {links.LOG},
    families.GAMMA: {links.LOG, links.INVERSE},
    families.INVERSE_GAUSSIAN: {links.INVERSE, links.INVERSE_SQUARED},
    families.GAUSSIAN: {links.IDENTITY},
}  # fmt: skip


class Ending(NamedTuple):
    """What is known of the end of a search.

    Attributes
    ----------
    is_minimum : bool
    at_edge : bool
        Whether the search met parameters at which there is no mode.
    """

    is_minimum: bool
    at_edge: bool


def ending(model) -> Ending:
    """Whether the search that `optsum` describes ended at a minimum.

    Derivatives are looked at only where there is a reason to doubt it.
    """
    optsum = model.optsum
    at_edge = any(not np.isfinite(f) for _, f in optsum.log)
    if optsum.certificate is not None and optsum.certificate < GENUINE:
        return Ending(False, at_edge)
    if not at_edge and not _is_steep(optsum):
        return Ending(True, at_edge)
    free = np.flatnonzero(optsum.lowerbd < optsum.upperbd)
    slopes, curvature = derivatives(model)
    _, gain, _, falls = newton_step(slopes[free], curvature[np.ix_(free, free)])
    return Ending(gain <= NEGLIGIBLE and not falls, at_edge)


def has_several_minima(model) -> bool:
    """Whether the objective may well have more than one, and another search costs little."""
    family, link = model._family_code, links.NAMES[model.link]
    return link not in CONCAVE[family] and model._work <= LIGHT


def _is_steep(optsum: OptSummary) -> bool:
    """Whether the gradient at the end, as far as the search has met it, is no zero."""
    norm = vars(optsum)["_gradient_norm"]
    if callable(norm):  # nobody has computed it there
        return optsum.returnvalue != "CONVERGED"
    return norm is not None and not norm < STEEP
