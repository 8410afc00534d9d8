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
from numbamm.glm.family import Family

#: Standard deviations, in units of the link, beyond which means lie next to the bounds of their
#: range whatever the level; and from which on that is asked where all levels are alike.
BOUNDLESS, SUSPECT = 20.0, 3.0


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
    family, unit = model.family_record, model.link_record.unit
    if unit is None or not family.bounds:
        return []
    found = []
    for term in model.reterms:
        sd = typical_sd(term) / unit
        if not sd > SUSPECT:
            continue
        alike = levels_alike(term, family, model.frame.y)
        if sd > BOUNDLESS or alike == term.nlevels:
            found.append(Runaway(term, sd * unit, alike))
    return found


def typical_sd(term) -> float:
    """Root mean square over the rows of the standard deviation of z'b."""
    return float(np.sqrt(np.mean(np.sum((term.lambda_.T @ term.z) ** 2, axis=0))))


def levels_alike(term, family: Family, y) -> int:
    """How many levels have responses at one bound alone: all 0, or all 1."""
    rows = np.bincount(term.refs, minlength=term.nlevels)
    alike = [np.bincount(term.refs, y == bound, term.nlevels) == rows for bound in family.bounds]
    return int(np.sum(np.any(alike, axis=0) & (rows > 0)))
