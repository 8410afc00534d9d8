"""The choice of a tail, by predicted seconds and bytes, before anything large is allocated.

``"auto"`` takes the dense tail as long as its evaluations are light, without a look at others. Else
it takes the fastest exact tail if a fit by it is not too heavy, or no approximate one is clearly
faster; else an approximate one. It warns where evaluations are slow, and refuses what does not fit.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import (
    ORDER,
    ROTATED_WAY,
    SPARSE_WAY,
    Layout,
    Pattern,
    build_layout,
)
from numbamm.blocks.tail.protocol import Choice, CrossProduct, Prediction, Request, Tail
from numbamm.blocks.tail.registry import names, tail_of
from numbamm.errors import OptionError, warn
from numbamm.memory import SHARE, available, gigabytes, refuse_beyond

#: The dense tail is not compared with others up to this order, nor if an evaluation is this fast.
SMALL_ORDER, SMALL_SECONDS = 2000, 0.5
#: Exact fits of more seconds are heavy: an approximate tail is preferred, if it applies. And an
#: evaluation of more seconds is slow.
HEAVY_SECONDS, SLOW_SECONDS = 20.0, 30.0
#: Of the available memory, the share that the dense tail may take unless nothing else applies.
DENSE_SHARE = 0.25
#: So many times faster than the dense tail, or than an exact one, another must be predicted to be.
GAIN = 2.0
DENSE, AUTO = "dense", "auto"
#: From this order of the dense tail on, an evaluation takes many seconds.
LARGE_ORDER = 15_000


def build_tail(terms, xy, sqrtw=None, request: Request = Request()) -> Tail:  # noqa: B008
    """The tail that a model asks for, or that suits it, filled with its cross-product.

    Parameters
    ----------
    terms, xy, sqrtw, request
        As for `Tail`.

    Raises
    ------
    DataError
        A and the factor would take more than half of the memory.
    OptionError
        The tail that was asked for cannot hold the model.

    Warns
    -----
    NumbammWarning
        If an evaluation takes many seconds.
    """
    layout = build_layout(terms, xy.shape[1] - 1)
    choice = choose(layout, terms, request.name, request.or_other)
    tail = _kind(choice.name, terms)(terms, xy, sqrtw, layout=layout, request=request)
    tail.choice = choice
    return tail


def _kind(name: str, terms) -> type[Tail]:
    """The class of a tail of this name for these terms."""
    way = _related_way(terms)
    if way == ROTATED_WAY:
        from numbamm.blocks.known.rotated import RotatedTail

        return RotatedTail
    if way == SPARSE_WAY:
        from numbamm.blocks.known.by_precision import RelatedTail

        return RelatedTail
    return tail_of(name)


def _related_way(terms) -> str:
    """How related levels of terms are dealt with; empty if no levels are related."""
    ways = {getattr(term, "way", "") for term in terms}
    return next((way for way in (ROTATED_WAY, SPARSE_WAY) if way in ways), "")


def build_exact_tail(terms, xy, sqrtw=None) -> Tail:
    """The fastest exact tail; as `build_tail` for what is no approximation."""
    is_product = isinstance(xy, CrossProduct)
    layout = xy.layout if is_product else build_layout(terms, xy.shape[1] - 1)
    found = {n: tail_of(n).predict(layout, terms) for n in names() if tail_of(n).is_exact}
    fits = {n: p for n, p in found.items() if not isinstance(p, str)}
    name = fastest(fits)
    check(name, fits[name], layout, terms)
    tail = tail_of(name)(terms, xy, sqrtw, layout=layout, request=Request(name))
    tail.choice = Choice(name, "an approximation does not suit the design")
    return tail


def tail_of_product(terms, product: CrossProduct, request: Request, choice: Choice) -> Tail:
    """The tail that was chosen for a cross-product of rows that are not in memory."""
    tail = tail_of(choice.name)(terms, product, layout=product.layout, request=request)
    tail.choice = choice
    return tail


def choose_with_layout(covered, nx: int, request: Request) -> tuple[Choice, Layout]:
    """The tail of a cross-product that is to be added up, and how that is laid out.

    Parameters
    ----------
    covered : sequence of ReMat
        See `CrossProduct`.
    nx : int
        Rank of X.
    request : Request

    Raises
    ------
    DataError, OptionError
        As for `build_tail`.
    """
    layout = Pattern.of(covered).layout(nx)
    choice = choose(layout, covered, request.name, request.or_other)
    most = tail_of(choice.name).most_dense
    return choice, layout if most is None else Pattern.of(covered, most_dense=most).layout(nx)


def choose(layout: Layout, terms, wanted: str = AUTO, or_other: bool = False) -> Choice:
    """Which tail a model gets, and why; see `build_tail`."""
    order = int(layout.table[0, ORDER])
    if way := _related_way(terms):
        return _choice_of_related(layout, terms, way, wanted, or_other)
    if wanted != AUTO:
        prediction = tail_of(wanted).predict(layout, terms, asked=True)
        if not isinstance(prediction, str):
            check(wanted, prediction, layout, terms)
            return Choice(wanted, "as asked")
        if not or_other:
            raise OptionError(f"tail={wanted!r}: {prediction}; leave tail at 'auto'")
    dense = tail_of(DENSE).predict(layout, terms)
    if order <= SMALL_ORDER or dense.seconds <= SMALL_SECONDS:
        check(DENSE, dense, layout, terms)
        return Choice(DENSE, f"its order {order} is small", is_obvious=True)
    return _compared(dense, order, layout, terms)


def _choice_of_related(layout: Layout, terms, way: str, wanted: str, or_other: bool) -> Choice:
    """The choice where levels are related, which leaves only one tail."""
    name = DENSE if way == ROTATED_WAY else "sparse"
    if wanted not in (AUTO, name) and not or_other:
        raise OptionError(
            f"tail={wanted!r} cannot hold levels with a known covariance, which was given as a "
            f"{'dense matrix' if name == DENSE else 'large sparse matrix'}: leave tail at 'auto'"
        )
    prediction = tail_of(name).predict(layout, terms, asked=True)
    if isinstance(prediction, str):
        raise OptionError(
            f"a known covariance of so many levels needs the sparse tail, and {prediction}"
        )
    check(name, prediction, layout, terms)
    reason = "known covariances between levels are " + (
        "diagonalised" if name == DENSE else "held as a sparse precision matrix"
    )
    return Choice(name, reason)


def _compared(dense: Prediction, order: int, layout: Layout, terms) -> Choice:
    """The choice between all tails that can hold the model."""
    found, notes = {DENSE: dense}, []
    for name in names():
        if name == DENSE:
            continue
        prediction = tail_of(name).predict(layout, terms)
        if isinstance(prediction, str):
            notes.append(f"not {name}, since {prediction}")
        else:
            found[name] = prediction
    whole = {n: p._replace(seconds=tail_of(n).evaluations * p.seconds) for n, p in found.items()}
    approximate = [n for n in whole if not tail_of(n).is_exact]
    name = preferred(whole, approximate)
    check(name, found[name], layout, terms)
    return Choice(name, reason(name, whole, order), ", ".join(notes))


def preferred(whole: dict[str, Prediction], approximate) -> str:
    """The tail to take, by predictions of whole fits.

    Parameters
    ----------
    whole : dict of str to Prediction
        Of each tail that can hold the model, the dense one among them.
    approximate : sequence of str
        Those that are not exact.
    """
    limit = available()
    fits = {n: p for n, p in whole.items() if p.bytes <= SHARE * limit}
    exact = {n: p for n, p in fits.items() if n not in approximate}
    light = {n: p for n, p in exact.items() if p.seconds <= HEAVY_SECONDS}
    if DENSE in light and whole[DENSE].bytes > DENSE_SHARE * limit:
        del light[DENSE]
    least = min((p.seconds for p in (light or exact).values()), default=np.inf)
    faster = {n: p for n, p in fits.items() if n in approximate and GAIN * p.seconds < least}
    for group in (light, faster, exact, {n: fits[n] for n in approximate if n in fits}):
        if group:
            return fastest(group)
    return DENSE  # which is refused


def fastest(group: dict[str, Prediction]) -> str:
    """The fastest tail; the dense one, if no other is clearly faster."""
    name = min(group, key=lambda n: group[n].seconds)
    if DENSE in group and group[DENSE].seconds < GAIN * group[name].seconds:
        return DENSE
    return name


def reason(name: str, found: dict[str, Prediction], order: int) -> str:
    """The predictions of fits by all tails, the one that was taken first."""
    others = [n for n in found if n != name]
    return f"order {order}, " + ", ".join(
        f"{n} about {_seconds(found[n].seconds)} and {gigabytes(found[n].bytes)}"
        for n in (name, *others)
        if n in found
    )


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def check(name: str, prediction: Prediction, layout: Layout, terms) -> None:
    """Refuse what does not fit into memory; warn where evaluations are slow."""
    if name == DENSE:
        check_size(layout, terms)
        return
    groups = " and ".join(f"'{t.group}' ({t.nranef} random effects)" for t in terms)
    what = f"the {name} tail of {groups}"
    refuse_beyond(
        prediction.bytes, what, "leave out a term or its slopes, or fit to a part of the data"
    )
    if prediction.seconds > SLOW_SECONDS:
        warn(f"{what}: about {prediction.seconds:.0f} seconds an evaluation")


def check_size(layout: Layout, terms, copies: int = 1) -> None:
    """Refuse a model whose blocks do not fit into memory; warn where evaluations are slow.

    Parameters
    ----------
    layout : Layout
    terms : sequence of ReMat
    copies : int
        How many of all buffers there are.

    Raises
    ------
    DataError
        If A, L and the gradient would take more than half of the memory.

    Warns
    -----
    NumbammWarning
        If an evaluation takes many seconds.
    """
    order = int(layout.table[0, ORDER])
    what = " and ".join(f"'{t.group}' ({t.nranef} random effects)" for t in terms) or "X"
    if 8 * order**2 > 4 * (layout.size_a + layout.size_work):  # more than half
        what = f"crossing {what} fills in a dense matrix of order {order}"
    else:
        what = f"the cross-products of {what}"
    needed = 8 * copies * (layout.size_a + layout.size_work + layout.size_adjoint)
    refuse_beyond(needed, what, "leave out a term or its slopes, or fit to a part of the data")
    if order >= LARGE_ORDER:
        warn(
            f"{what}: {gigabytes(needed)}, and about {order**3 / 3 / 2e10:.0f} seconds an "
            "evaluation"
        )
