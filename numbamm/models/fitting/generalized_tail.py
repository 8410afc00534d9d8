"""How a generalized model holds its tail, and the Monte-Carlo errors of a fit by random probes."""

from __future__ import annotations

from copy import copy

import numpy as np

from numbamm.blocks.layout import NX, ORDER, SPARSE_WAY, Pattern, head_length
from numbamm.blocks.tail import probes
from numbamm.blocks.tail.choice import check, choose, fastest, preferred, reason
from numbamm.blocks.tail.protocol import Choice, Prediction, Request, UnsuitedTail
from numbamm.blocks.tail.registry import tail_of
from numbamm.errors import OptionError, warn
from numbamm.glm.row_kernels import LINES
from numbamm.memory import SHARE, available
from numbamm.models.fitting.monte_carlo import MonteCarloErrors, differences
from numbamm.optimize import minimize
from numbamm.optimize.auto import AUTO, NEWTON

DENSE, SPARSE, ITERATIVE = "dense", "sparse", "iterative"
#: By default the tail is dense up to this order, or if an evaluation, of some five factors and the
#: gradient, takes so few seconds.
SMALL_ORDER, SMALL_SECONDS, FACTORS = 2000, 0.5, 3
#: A full fit takes about so many evaluations, or, by conjugate gradients, the time of so many
#: evaluations of a linear model.
EVALUATIONS, LINEAR_EVALUATIONS = 12, 25
#: Lines of a link's table, and those of a gradient.
LINK_LINES, GRADIENT_LINES = 6, 6
#: The gradient's Monte-Carlo error is its spread over so many sets of probes.
SETS = 4
#: Distance of their seeds; and a step in log shape or log φ, for its curvature.
FAR, STEP = 1_000_003, 0.05
#: Searches with more probes, at most.
MOST_ROUNDS = 3


def choose_tail(terms, nx: int, request: Request, family, link, by_passes: bool = False) -> Choice:
    """How a generalized model holds its tail.

    Parameters
    ----------
    terms : sequence of ReMat
    nx : int
        Rank of X.
    request : Request
    family, link
    by_passes : bool
        Whether the rows are read again for every step.

    Raises
    ------
    OptionError
        The tail that was asked for cannot hold the model.
    DataError
        It does not fit into memory.
    """
    if any(term.way == SPARSE_WAY for term in terms):
        layout = Pattern.of(terms).layout(nx)
        return choose(layout, terms, request.name, request.or_other)
    if request.name == DENSE:
        return Choice(DENSE, "as asked")
    nhead, order = head_length(terms), sum(term.nranef for term in terms[1:])
    if request.name == SPARSE and nhead == len(terms):
        nothing = "the elimination level by level leaves nothing sparse"
        return Choice(DENSE, nothing, is_obvious=request.or_other)
    if request.name == AUTO and order <= SMALL_ORDER:
        return Choice(DENSE, f"its order {order} is small", is_obvious=True)
    refused = _cannot_iterate(terms, nhead, family.dispersed, by_passes)
    if request.name == ITERATIVE:
        if not refused:
            return Choice(ITERATIVE, "as asked")
        if not request.or_other:
            raise OptionError(f"tail='iterative': {refused}; leave tail at 'auto'")
    layout = Pattern.of(terms).layout(nx)
    canonical = family.is_canonical(link)
    found = {n: predict(n, layout, terms, canonical, n == request.name) for n in (DENSE, SPARSE)}
    if request.name == SPARSE:
        sparse = found[SPARSE]
        if not isinstance(sparse, str):
            check(SPARSE, sparse, layout, terms)
            return Choice(SPARSE, "as asked")
        if not request.or_other:
            raise OptionError(f"tail='sparse': {sparse}; leave tail at 'auto'")
    return _by_prediction(found, refused, layout, terms)


def predict(name: str, layout, terms, canonical: bool, asked: bool = False) -> Prediction | str:
    """What an exact tail would take of an evaluation by PIRLS; see `Tail.predict`.

    There are two factors, with the columns of X and without, and two sets of working rows.
    """
    of_tail = tail_of(name).predict(layout, terms, asked, factors=2)
    if isinstance(of_tail, str):
        return of_tail
    n, columns = len(terms[0].refs), sum(term.p for term in terms)
    lines = 3 * columns + 2 * (int(layout.table[0, NX]) + 1) + 2 * LINES + GRADIENT_LINES
    lines += 0 if canonical else 2 * LINK_LINES
    negative = 0 if canonical else 2 * layout.size_a  # A of rows of negative weight
    size = of_tail.bytes + 8.0 * (negative + n * lines)
    return Prediction(FACTORS * of_tail.seconds, size)


def _by_prediction(found, refused: str, layout, terms) -> Choice:
    """The choice where no tail was asked for; `refused`: why it cannot be the iterative one."""
    order, limit = int(layout.table[0, ORDER]), SHARE * available()
    dense = found[DENSE]
    if order <= SMALL_ORDER or (dense.seconds <= SMALL_SECONDS and dense.bytes <= limit):
        return Choice(DENSE, f"its order {order} is small", is_obvious=True)
    whole = {n: p for n, p in found.items() if not isinstance(p, str)}
    notes = [f"not {n}, since {p}" for n, p in found.items() if isinstance(p, str)]
    whole = {n: p._replace(seconds=EVALUATIONS * p.seconds) for n, p in whole.items()}
    if refused:
        notes.append(f"not iterative, since {refused}")
    else:
        whole[ITERATIVE] = _predict_iterative(layout, terms)
    name = preferred(whole, [ITERATIVE])
    check(name, found.get(name, whole[name]), layout, terms)
    return Choice(name, reason(name, whole, order), ", ".join(notes))


def _predict_iterative(layout, terms) -> Prediction:
    """What a whole fit by conjugate gradients would take.

    Two cross-products count, with β varying and held, and one set of working rows: of ratings of
    300,000 rows by 42,000 levels the peak is 1.23 times this, of 1,000,000 by 9,700 0.94 times.
    """
    of_tail = tail_of(ITERATIVE).predict(layout, terms, asked=True, factors=2)
    assert isinstance(of_tail, Prediction)  # see `_cannot_iterate`
    n, columns = len(terms[0].refs), sum(term.p for term in terms)
    lines = 3 * columns + 2 * (int(layout.table[0, NX]) + 1) + LINES + GRADIENT_LINES
    return Prediction(LINEAR_EVALUATIONS * of_tail.seconds, of_tail.bytes + 8.0 * n * lines)


def _cannot_iterate(terms, nhead: int, dispersed: bool, by_passes: bool) -> str:
    """Why modes of these terms are not found by conjugate gradients; empty if they may be."""
    if len(terms) == nhead:
        return "the elimination level by level leaves nothing to iterate on"
    if nhead > 1:
        return "two factors are nested, besides being crossed with a third"
    if by_passes:
        return "its many solutions need the rows, which are read again for every step, in memory"
    if dispersed:
        return "the family has a dispersion, which is estimated with an exact tail alone"
    if not all(term.structure.is_free for term in terms):
        return "a covariance structure has parameters that are not entries of λ"
    return ""


def check_search(model) -> None:
    """Refuse searches that an approximate objective does not allow."""
    if model._tail_choice.name == ITERATIVE and model.optsum.optimizer not in (AUTO, NEWTON):
        raise OptionError(
            f"optimizer {model.optsum.optimizer!r} compares values of the objective, which the "
            "iterative tail knows only approximately: leave optimizer at 'auto', or build the "
            "model with tail='sparse' or tail='dense'"
        )


def hand_over(model, reason: UnsuitedTail) -> None:
    """Give a model an exact tail."""
    terms, canonical = model.scaled.terms, model.is_canonical
    layout = Pattern.of(terms).layout(model.feterm.rank)
    found = {name: predict(name, layout, terms, canonical) for name in (DENSE, SPARSE)}
    exact = {n: p for n, p in found.items() if not isinstance(p, str)}
    name = fastest(exact)
    check(name, exact[name], layout, terms)
    model._tail_choice = Choice(name, "an approximation does not suit the design")
    model._modes = model._mode_finder()
    warn(f"the iterative tail is given up for the {name} one: {reason}")


def refine(model) -> MonteCarloErrors | None:
    """The errors of the fit that `optsum` describes; with more probes, if they are too large."""
    if model._tail_choice.name != ITERATIVE:
        return None
    fixed = model._tail_request.probes is not None
    for _ in range(MOST_ROUNDS):
        errors = errors_of(model)
        share = errors.share * probes.doubt(SETS)
        if fixed or share <= probes.SHARE or errors.probes >= probes.MOST:
            return errors
        model._modes.probes = probes.enough(errors.probes, share)
        _search_on(model)
    return errors_of(model)


def _search_on(model) -> None:
    """Search on from the end of the last search, with the probes that the modes have now."""
    before = model.optsum
    again = copy(before)
    again.initial = before.final.copy()
    space = model.space_of(model._searched[model._fast], modes=model._modes, root=model._gamma_root)
    minimize(space, again, progress=False)
    again.initial, again.finitial = before.initial, before.finitial
    again.feval = (again.feval or 0) + (before.feval or 0)
    again.log = [*before.log, *again.log]
    model.optsum = again


def errors_of(model) -> MonteCarloErrors:
    """Monte-Carlo errors from the spread of the gradient over other sets of probes."""
    optsum, own = model.optsum, model._modes
    space = model.space_of(model._searched[model._fast], modes=own, root=model._gamma_root)
    z = space.to_scaled(optsum.final)
    laplace = space.laplace
    values, slopes = [], []
    for k in range(SETS):
        laplace.modes = copy(own)
        laplace.modes.seed = own.seed + FAR * k
        laplace.forget()
        value, gradient = space.gradient(z)
        values.append(value)
        slopes.append(gradient)
    optsum.fmin = values[0]  # of which the search saw differences alone
    laplace.modes = own
    curvature = _curvature(model, space, z, slopes[0])
    values_of, vectors = np.linalg.eigh(curvature)
    live = values_of > 1e-10 * values_of[-1]  # not so where a standard deviation is zero
    inverse = (vectors[:, live] / values_of[live]) @ vectors[:, live].T
    deviations = (np.mean(slopes, axis=0) - slopes) @ inverse
    deviations *= np.sqrt(SETS)  # of one set, not of the mean of all
    standard, errors = np.sqrt(2.0 * np.diag(inverse)), probes.standard_error(deviations)
    share = np.divide(errors, standard, out=np.zeros_like(errors), where=standard > 0)
    ntheta, rank = len(model.theta), model.feterm.rank
    to_user = differences(space.to_user, z)
    user = deviations @ to_user.T
    beta = np.zeros((rank, ntheta))
    return MonteCarloErrors(
        own.probes,
        own.seed,
        model._modes.held.design.order,
        float(share.max()),
        user[:, -ntheta:],
        np.zeros(ntheta),
        beta,
        np.mean(values) + np.sqrt(SETS) * (np.array(values) - np.mean(values)),
        full=user[:, :-ntheta],
    )


def _curvature(model, space, z, slopes) -> np.ndarray:
    """About the Hessian in scaled coordinates: of whitened γ, log shape or log φ, and θ."""
    laplace, ntheta = space.laplace, len(model.theta)
    H = np.diag(np.full(len(z), 2.0))
    if space.parameters.nuisance:
        place, step = len(z) - ntheta - 1, np.zeros(len(z))
        step[place] = STEP
        _, moved = space.gradient(z + step)
        H[place, place] = max((moved - slopes)[place] / STEP, H[place, place] * STEP)
    _, at = laplace.at(z)
    H[-ntheta:, -ntheta:] = model._modes.information(at.theta)
    return H
