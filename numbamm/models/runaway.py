"""Random effects whose standard deviation runs off, since levels hold responses that are all alike.

Where every response of a level is a success, its effect may as well be infinite. If most levels are
like that, the likelihood tends to a supremum as the standard deviation grows, and the normal
approximations behind Laplace's method and adaptive quadrature do not hold: each level's integral is
about half of a normal distribution. How far the search goes then is of the approximation's making.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.glm import family as families
from numbamm.glm import link as links

#: Standard deviations, in units of the link, beyond which means lie next to the bounds of their
#: range whatever the level; and from which on that is asked where all levels are alike.
BOUNDLESS, SUSPECT = 20.0, 3.0

#: The unit of a link: about as much of η as changes the odds by the factor e.
UNIT = {
    links.LOG: 1.0,
    links.LOGIT: 1.0,
    links.PROBIT: 0.6,
    links.CLOGLOG: 1.0,
    links.LOGLOG: 1.0,
    links.CAUCHIT: 10.0,
}


class Runaway(NamedTuple):
    """A term whose standard deviation has no finite estimate to rely on.

    Attributes
    ----------
    term : ReMat
    sd : float
        Of the term in a typical row, on the scale of η.
    alike : int
        Number of levels whose responses are all at one bound of their range.
    """

    term: ReMat
    sd: float
    alike: int


def runaway_terms(model) -> list[Runaway]:
    """The terms of a fitted generalized model that run off."""
    link = links.NAMES[model.link]
    if link not in UNIT or model._likelihood.dispersed:
        return []
    found = []
    for term in model.reterms:
        sd = typical_sd(term) / UNIT[link]
        if not sd > SUSPECT:
            continue
        alike = levels_alike(term, model._family_code, model.frame.y)
        if sd > BOUNDLESS or alike == term.nlevels:
            found.append(Runaway(term, sd * UNIT[link], alike))
    return found


def typical_sd(term) -> float:
    """Root mean square over the rows of the standard deviation of z'b."""
    return float(np.sqrt(np.mean(np.sum((term.lambda_.T @ term.z) ** 2, axis=0))))


def levels_alike(term, family: int, y) -> int:
    """How many levels have responses at one bound alone: all 0, or all 1."""
    rows = np.bincount(term.refs, minlength=term.nlevels)
    bounds = (0.0, 1.0) if family == families.BINOMIAL else (0.0,)
    alike = [np.bincount(term.refs, y == bound, term.nlevels) == rows for bound in bounds]
    return int(np.sum(np.any(alike, axis=0) & (rows > 0)))
