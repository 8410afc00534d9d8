"""`approximate_theta`: where an exact search begins if each of its evaluations is heavy.

Where the factor of the tail is nearly all of the work, a whole search over an approximate tail
costs less than one exact evaluation. It ends within a hundredth of a standard error, so that one or
two exact evaluations are left: they give the estimates, and show that there is no lower point near.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.tail.protocol import Request, Tail
from numbamm.blocks.tail.registry import names, tail_of
from numbamm.errors import NumbammError

#: An exact evaluation takes so many seconds at least, where one looks for such a start.
HEAVY = 1.0
#: Evaluations of an approximate search, about; together they may cost this share of an exact one.
EVALUATIONS, SHARE = 4, 1.0
#: Probes, and the seed that they are drawn from.
PROBES, SEED = 8, 0
#: The approximate search ends when the objective would fall by less.
FTOL = 1e-3


def approximate_theta(model, criterion, begin) -> np.ndarray | None:
    """The scaled θ at which an approximate search ends; None where there is none, or no gain.

    Parameters
    ----------
    model : LinearMixedModel
        Its tail is exact.
    criterion : (degrees, constant, sigma)
        As for `Tail.objective`.
    begin : ndarray, shape (number of θ,)
        The scaled θ at which that search begins.
    """
    name = _cheaper(model)
    if name is None:
        return None
    blocks = model.blocks
    rows, layout = (blocks.xy, None) if blocks.product is None else (blocks.product, blocks.layout)
    arguments = model.scaled.terms, rows, model.sqrt_weights, layout
    degrees, constant, sigma = criterion
    try:
        tail = tail_of(name)(*arguments, request=Request(name, PROBES, SEED))
        return _end(tail.search(begin, degrees, constant, sigma, FTOL, 0.0))
    except (NumbammError, FloatingPointError):  # it does not suit the design
        return None


def _cheaper(model) -> str | None:
    """An approximate tail whose whole search costs less than an evaluation of the model's."""
    terms, blocks = model.scaled.terms, model.blocks
    if not blocks.is_exact or len(terms) < 2 or blocks.layout.related:
        return None
    exact = type(blocks).predict(blocks.layout, terms, asked=True).seconds
    if exact < HEAVY:
        return None
    limit = SHARE * exact / EVALUATIONS
    for name in names():
        tail = tail_of(name)
        if not tail.is_exact and _seconds(tail, blocks.layout, terms) <= limit:
            return name
    return None


def _seconds(tail: type[Tail], layout, terms) -> float:
    """Predicted seconds of an evaluation; infinite where the tail does not suit the model."""
    prediction = tail.predict(layout, terms)
    return np.inf if isinstance(prediction, str) else prediction.seconds


def _end(search) -> np.ndarray | None:
    """The best θ of a search; None if it fails."""
    best, lowest = None, np.inf
    while search.returnvalue is None:
        for theta, value in search.step(1):
            if value < lowest:
                best, lowest = theta, value
    return None if search.returnvalue.startswith("FAILURE") else best
