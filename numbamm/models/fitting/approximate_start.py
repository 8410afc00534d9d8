"""`approximate_theta`: where an exact search begins if each of its evaluations is heavy.

Where the factor of the tail is nearly all of the work, a whole search over an approximate tail, by
coarse solutions, costs less than the exact evaluations that it saves. It ends within a few
hundredths of a standard error, so that two or three exact evaluations are left: they give the
estimates, and show that there is no lower point near.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.tail.protocol import CrossProduct, Request, Tail
from numbamm.blocks.tail.registry import names, tail_of
from numbamm.errors import NumbammError

#: An exact evaluation takes so many seconds at least, where one looks for such a start.
HEAVY = 0.02
#: A search by coarse solutions costs about as much as one evaluation by fine ones. It saves about
#: two exact evaluations, and may cost this many.
SHARE = 1.5
#: Probes, and the seed that they are drawn from.
PROBES, SEED = 8, 0
#: The approximate search ends with the step before which the objective would fall by less than
#: this: after it, by less than a thousandth of that.
FTOL = 0.1


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
    degrees, constant, sigma = criterion
    try:
        tail = _tail(model, tail_of(name), Request(name, PROBES, SEED))
        return tail.rough_end(begin, degrees, constant, sigma, FTOL)
    except (NumbammError, FloatingPointError):  # it does not suit the design
        return None


def _tail(model, kind, request: Request):
    """An approximate tail for the rows of a model; of its cross-product, where that serves."""
    terms, blocks = model.scaled.terms, model.blocks
    if kind.can_hold(blocks.layout):
        product = blocks.product or CrossProduct(blocks.layout, blocks.A, blocks.xy, terms)
        return kind(terms, product, layout=product.layout, request=request)
    rows = blocks.xy if blocks.product is None else blocks.product
    return kind(terms, rows, model.sqrt_weights, request=request)


def _cheaper(model) -> str | None:
    """An approximate tail whose whole search costs less than an evaluation of the model's."""
    terms, blocks = model.scaled.terms, model.blocks
    if not blocks.is_exact or len(terms) < 2 or blocks.layout.related:
        return None
    exact = type(blocks).predict(blocks.layout, terms, asked=True).seconds
    if exact < HEAVY:
        return None
    for name in names():
        tail = tail_of(name)
        if not tail.is_exact and _seconds(tail, blocks.layout, terms) <= SHARE * exact:
            return name
    return None


def _seconds(tail: type[Tail], layout, terms) -> float:
    """Predicted seconds of an evaluation; infinite where the tail does not suit the model."""
    prediction = tail.predict(layout, terms)
    return np.inf if isinstance(prediction, str) else prediction.seconds
