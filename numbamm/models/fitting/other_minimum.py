"""Another minimum of the Laplace approximation, where responses are all alike in many levels.

With η far on their side, responses that are all alike cost next to nothing whatever the effect of
their level: in the integral over its effect half of a normal distribution costs log 2 at least, but
the Laplace approximation sees a normal distribution that nothing has touched. Thus a large standard
deviation, with an intercept far on one side, may make a second minimum, which may be lower than
the first. Adaptive quadrature has none there: in 38 of 40 small data sets its maximum was nearer to
the minimum of the smaller standard deviation.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.models.fitting.runaway import runaway_terms, separable_levels, typical_sd

#: Where responses are all alike in a smaller share of the levels, there is no other minimum.
MANY = 0.25
#: Standard deviations that are tried, in shares of that at the end of the search or, if that is
#: smaller, in units of the link; and how far the intercept is moved, in standard deviations.
SIZES, SHIFT = (1.5, 2.5, 4.0), 0.7
#: From this standard deviation on, in units of the link, θ tells the shape of λ.
LEAST = 0.3
#: Another minimum may be in reach where one of these is not higher than the end by more.
IN_REACH = 5.0
#: By what the default start of θ is multiplied, too: with slopes there are many directions.
FAR = 30.0
#: Up to so many operations an evaluation these are looked at, and slopes searched for in any case.
LIGHT, LIGHTER = 1e7, 2e6
#: The other minimum is reported if it is not higher by more; it is another one if the standard
#: deviation is larger by this factor.
AS_LIKELY, LARGER = 2.0, 1.2


class OtherMinimum(NamedTuple):
    """What is reported of another minimum.

    Attributes
    ----------
    term : ReMat
        That whose standard deviation differs.
    sds : tuple of float
        That of the minimum that is kept, and of the other one, on the scale of η.
    rise : float
        How much higher the other one is; negative if it is lower.
    """

    term: ReMat
    sds: tuple[float, float]
    rise: float


def _terms_of_levels_alike(model) -> list[int]:
    """Positions of the terms for which another minimum is possible."""
    family, link = model.family_record, model.link_record
    binary = family.proportions and family.bounds and link.onto_unit and link.unit is not None
    if not binary or model._work > LIGHT or not family.is_concave(link) or not model.feterm.rank:
        return []
    return [
        k
        for k, term in enumerate(model.reterms)
        if separable_levels(term, family, model.frame.y) >= MANY * term.nlevels
    ]


def starts_beside(model) -> list[dict]:
    """Where searches for another minimum than that where a full fit ended should begin.

    At the lowest of a few parameters with one standard deviation larger and the intercept to either
    side, if that is in reach; and far from zero.

    Returns
    -------
    list of dict
        Arguments of `Stages._attempt`.
    """
    terms = _terms_of_levels_alike(model)
    if not terms:
        return []
    final = model.optsum.final
    model._set_theta(final[-len(model.theta) :])
    if runaway_terms(model):
        return []
    space = model.space_of(model.parameters_of(final))
    limit = model.optsum.fmin + IN_REACH
    values = [(space.objective(space.to_scaled(x)), x) for x in _candidates(model, terms)]
    lowest = min((v for v in values if v[0] < limit), key=lambda v: v[0], default=None)
    starts = [] if lowest is None else [{"begin": lowest[1]}]
    if starts or (any(model.reterms[k].p > 1 for k in terms) and model._work <= LIGHTER):
        starts.append({"factor": FAR})
    return starts


def _candidates(model, terms: list[int]):
    """Parameters with the standard deviation of one of these terms larger."""
    final, rank, unit = model.optsum.final, model.feterm.rank, model.link_record.unit
    X = model.frame.X[:, model.feterm.kept]
    intercept = np.linalg.lstsq(X, np.ones(len(X)), rcond=None)[0]
    split, head = model.scaled.structure.split, len(final) - len(model.theta)
    for k in terms:
        term = model.reterms[k]
        mine = head + split(np.arange(len(model.theta)))[k]
        sd = typical_sd(term, final[mine]) / unit
        shapes = [final[mine]] * (sd > LEAST) + [split(model._start.theta)[k]]
        for theta in shapes[: term.p]:
            size = typical_sd(term, theta) / unit
            if not size > 0:  # a column of zeros
                continue
            for times, side in product(SIZES, (-1.0, 1.0)):
                x, larger = final.copy(), times * max(sd, 1.0)
                x[:rank] += side * SHIFT * larger * unit * intercept
                x[mine] = theta * larger / size
                yield x


def other_minimum(model, kept: np.ndarray, other: np.ndarray, rise: float) -> OtherMinimum | None:
    """What is reported of a minimum at other parameters; None if it is the same or unlikely.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    kept, other : ndarray, shape (number of θ,)
        θ of both minima.
    rise : float
        How much higher the other one is.
    """
    if rise > AS_LIKELY:
        return None
    split = model.scaled.structure.split
    for term, here, there in zip(model.reterms, split(kept), split(other), strict=True):
        sds = typical_sd(term, here), typical_sd(term, there)
        if sds[1] > LARGER * sds[0] and sds[1] > LEAST * model.link_record.unit:
            return OtherMinimum(term, sds, rise)
    return None
