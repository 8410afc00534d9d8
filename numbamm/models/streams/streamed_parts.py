"""A model of rows that stream as models of its chunks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from numbamm.sources.rowstream import RowStream


def by_chunk(model, compute: Callable[[Any], Any], what: str) -> RowStream:
    """Values that follow from a row and the estimates, chunk by chunk.

    Parameters
    ----------
    model : MixedModel
        Its rows stream.
    compute : callable
        Computes the values from a model whose rows are those of a chunk.
    what : str
        What the values are.
    """
    estimates = model.estimates  # a fit is needed, and a later one changes nothing here

    def begin() -> Iterator[Any]:
        frame = model.frame
        for chunk in frame.rows_of(None, what):
            part = frame.part(chunk)
            eta = linear_predictor(part, model.feterm.kept, estimates)
            own = copy(model)
            own.frame = replace(part, rows=part.rows - chunk.first, index=chunk.labels)
            own.prior_weights = np.ones(len(eta)) if part.weights is None else part.weights
            own._estimates = replace(estimates, eta=eta, fitted=model.mean(eta))
            yield compute(own)

    return RowStream(begin, what, model.frame.nrows)


def linear_predictor(part, kept, estimates) -> np.ndarray:
    """Xβ + Zb + offset of the rows of a model frame in memory."""
    eta = part.X[:, kept] @ estimates.beta
    if part.offset is not None:
        eta = eta + part.offset
    for term, b in zip(part.reterms, estimates.b, strict=True):
        eta = eta + np.einsum("pn,np->n", term.z, b[term.refs])
    return eta
