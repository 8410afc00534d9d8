"""`change_by_quadrature`: how far the Laplace approximation is from the integral."""

from __future__ import annotations

from numbamm.blocks.threads import blas_threads

#: A difference of -2 log-likelihoods by which a quadrature is advised.
FAR = 1.0
#: Nodes a dimension to compare with, by the number of effects; and the most rows times nodes.
NODES, MOST_WORK = {1: 9, 2: 5, 3: 4}, 5e6


def change_by_quadrature(model) -> tuple[int, float]:
    """A few nodes a dimension, and by how much they change -2 log-likelihood at the estimates.

    Zero for fits by quadrature, of several terms or none, and where it would take long.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel or CumulativeLinkMixedModel
        Fitted.
    """
    if len(model.reterms) != 1:
        return 0, 0.0
    [term] = model.reterms
    nodes = NODES.get(term.p, 0)
    work = float(nodes**term.p * model.nobs)
    if model.estimates.nagq > 1 or not 0 < work <= MOST_WORK:
        return nodes, 0.0
    with blas_threads():
        space = model.space_of(model._searched[False], nodes)
        finer = space.objective(space.to_scaled(model.optsum.final))
    return nodes, float(finer - model.objective)


def advice_of_quadrature(model) -> str:
    """What a reader of the table is told where the Laplace approximation is far from the integral.

    This is asked when a summary is made: a fit alone is not to pay for it.
    """
    if model.estimates.advice is None:
        model.estimates.advice = _advice(model) if _is_possible(model) else ""
    return model.estimates.advice


def _is_possible(model) -> bool:
    """Whether the model could be fitted by quadrature, and is described by what was fitted."""
    if model.is_fast or model.is_streamed or not model.likelihood_holds:
        return False
    special = any(term.relation is not None or term.part for term in model.reterms)
    return not special and not model._modes.is_iterative


def _advice(model) -> str:
    nodes, change = change_by_quadrature(model)
    if not abs(change) > FAR:
        return ""
    return (
        "The Laplace approximation is not accurate here: at the estimates, quadrature with "
        f"{nodes} nodes a dimension changes -2 log-likelihood by {change:+.2f}; fit with "
        f"nagq={nodes} or more."
    )
