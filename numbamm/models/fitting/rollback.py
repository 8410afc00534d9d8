"""`all_or_nothing`: what fails, or is interrupted, leaves a model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def all_or_nothing(model) -> Iterator[None]:
    """Undo what the block has done to a model, if it raises.

    Attributes of the model, its options and its θ are put back; `MixedModel._rolled_back` puts back
    what a model changes in place.

    Parameters
    ----------
    model : MixedModel
    """
    attributes, optsum, theta = dict(vars(model)), model.optsum, model.theta
    options = dict(vars(optsum))
    try:
        yield
    except BaseException:
        for owner, before in ((model, attributes), (optsum, options)):
            vars(owner).clear()
            vars(owner).update(before)
        model._set_theta(theta)
        model._rolled_back()
        raise
