"""Runaway terms: their standard deviation has no finite estimate, as levels have equal responses.

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


def typical_sd(term, theta=None) -> float:
    """Root mean square over the rows of the standard deviation of z'b, at the term's θ or this."""
    lam = term.lambda_ if theta is None else term.structure.matrix(theta)
    scale = 1.0 if term.relation is None else term.relation.scale
    return scale * float(np.sqrt(np.sum(lam * (term.z @ term.z.T @ lam)) / term.z.shape[1]))


def levels_alike(term, family: Family, y) -> int:
    """How many levels have responses at one bound alone: all 0, or all 1."""
    return _levels_with_few_others(term, family, y, 1)


def separable_levels(term, family: Family, y) -> int:
    """How many levels have responses that the term's effects may fit exactly: all 0, or all 1.

    But for less than the number of effects; with a single one responses are as x is positive.
    """
    if term.p == 1 and len(family.bounds) == 2:
        negative = term.z[0] < 0
        if negative.any():
            y = np.where(negative, sum(family.bounds) - y, y)
    return _levels_with_few_others(term, family, y, term.p)


def _levels_with_few_others(term, family: Family, y, few: int) -> int:
    """How many levels have fewer responses than this that are not at one bound."""
    if not family.bounds:
        return 0
    nkind = 1 + len(family.bounds)
    cell = nkind * term.refs.astype(np.intp)  # changed in place: a row costs a nanosecond a pass
    for place, bound in enumerate(family.bounds, start=1):
        cell += place * (y == bound).view(np.int8)
    counts = np.bincount(cell, minlength=nkind * term.nlevels).reshape(-1, nkind)
    rows = counts.sum(axis=1)
    others = rows - counts[:, 1:].max(axis=1)
    return int(np.sum((others < few) & (rows > 0)))
