"""Terms whose levels have a known covariance, in the form in which a model computes with them.

rotated
    One effect a level of a linear model: columns are rotated so that effects of levels are
    independent, see `blocks.known.rotated`; beside residuals with a structure, multiplied by a root
    of K, see `blocks.known.roots`. Thousands of levels.
whitened
    Several effects a level, or a generalized model, and K is small or singular: the levels together
    are the one level of a term with columns ZR, K = RR'. Hundreds of levels.
sparse
    There is K⁻¹, sparse or not, which takes the place of the identity in Ω, see
    `blocks.known.by_precision`. Up to some hundred thousand levels.

See docs/mathematics.md, "Known covariances between levels".
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import ROTATED_WAY, SPARSE_WAY
from numbamm.blocks.tail import cholmod
from numbamm.blocks.variances import chosen_parts
from numbamm.design.remat import ReMat
from numbamm.design.repeated import Repeated
from numbamm.errors import DataError
from numbamm.structures.us import Us

WHITENED_WAY = "whitened"
#: With a sparse precision matrix of more levels, dense matrices of their order are avoided.
MOST_DENSE = 1500
#: With more effects a precision matrix is used rather than whitened columns, if there is one.
FEW = 100
#: Most effects of a whitened term: levels × columns.
MOST_WHITENED = 1500
#: Beside residuals with a structure: most levels with one effect, and effects of a whitened term.
MOST_BESIDE, MOST_WHITENED_BESIDE = 3000, 200


def put_ways(terms: list[ReMat], *, is_linear: bool, in_groups: bool = False) -> None:
    """Choose how each term with related levels is dealt with, for all terms of a model.

    With `in_groups`, residuals have a structure.

    Raises
    ------
    DataError
        There are too many levels for the only way that there is.
    """
    related = [term for term in terms if term.relation is not None]
    for term in related:
        term.way = _way(term, is_linear, in_groups)
    if any(term.way == SPARSE_WAY for term in related):
        for term in related:
            if _has_precision(term):
                term.way = SPARSE_WAY
            elif term.way == ROTATED_WAY:
                term.way = WHITENED_WAY
    for term in related:
        if in_groups:
            _refuse_many_beside(term)
        elif term.way == WHITENED_WAY:
            _refuse_many(term)


def _way(term: ReMat, is_linear: bool, in_groups: bool) -> str:
    large = not in_groups and term.relation.is_sparse and term.nranef > MOST_DENSE
    if is_linear and isinstance(term.structure, Us) and term.p == 1 and not large:
        return ROTATED_WAY
    if in_groups:
        return WHITENED_WAY
    many = large or (term.nranef > FEW and cholmod.is_installed())
    return SPARSE_WAY if many and _has_precision(term) else WHITENED_WAY


def _has_precision(term: ReMat) -> bool:
    return term.relation.rank == term.relation.size


def _refuse_many_beside(term: ReMat) -> None:
    """Refuse what takes minutes beside residuals with a structure."""
    one = term.way == ROTATED_WAY
    effects, most = term.nranef, MOST_BESIDE if one else MOST_WHITENED_BESIDE
    if effects > most:
        remedy = "leave levels out that have no rows, or leave residual and dispersion out"
        if not one:
            remedy = f"write (1 | {term.group}), of which {MOST_BESIDE:,} levels are; or {remedy}"
        raise DataError(
            f"{term.relation.name} has {term.nlevels:,} levels: beside residual and dispersion at "
            f"most {most:,} effects of related levels are possible{'' if one else ' with slopes'}, "
            f"and these are {effects:,}; {remedy}"
        )


def _refuse_many(term: ReMat) -> None:
    effects = term.relation.rank * term.p
    if effects > MOST_WHITENED:
        remedy = "leave levels out that have no rows"
        if not cholmod.is_installed():
            remedy = f"{cholmod.MISSING}, which would help; or {remedy}"
        elif not _has_precision(term):
            remedy += ", or add a little to its diagonal, since it is singular and has no inverse"
        raise DataError(
            f"{term.relation.name} has {term.nlevels} levels: with several effects a level, and "
            f"in generalized models, at most {MOST_WHITENED} effects of related levels are "
            f"possible, and these are {effects}; {remedy}"
        )


def as_computed(term: ReMat) -> ReMat:
    """The term as kernels have it."""
    return whitened(term) if term.way == WHITENED_WAY else term


def whitened(term: ReMat) -> ReMat:
    """The term with one level, and columns ZR for all levels together."""
    R = term.relation.root
    rank = R.shape[1]
    z = np.einsum("nr,pn->rpn", R[term.refs], term.z).reshape(rank * term.p, -1)
    return ReMat(
        group=term.group,
        refs=np.zeros(len(term.refs), dtype=np.int32),
        levels=np.array(["all"], dtype=object),
        cnames=[f"{name}[{j}]" for j in range(rank) for name in term.cnames],
        z=z,
        structure=Repeated(term.structure, rank),
    )


def of_levels(term: ReMat, effects: np.ndarray, *, with_root: bool) -> np.ndarray:
    """Effects of the levels, shape (levels, p), from those of the whitened term, shape (1, r × p).

    Parameters
    ----------
    term : ReMat
        The term before it was whitened.
    effects : ndarray
    with_root : bool
        Whether to multiply by R, which gives b; spherical effects u are padded with zeros instead.
    """
    R = term.relation.root
    each = effects.reshape(R.shape[1], term.p)
    if with_root:
        return R @ each
    out = np.zeros((term.nlevels, term.p))
    out[: len(each)] = each
    return out


def variances_of_levels(term: ReMat, V: np.ndarray) -> np.ndarray:
    """Covariances of each level's effects, shape (levels, p, p), from those of a whitened term.

    V has shape (1, r × p, r × p).
    """
    R, p = term.relation.root, term.p
    rank = R.shape[1]
    V = V.reshape(rank, p, rank, p)
    return np.einsum("nr,rasb,ns->nab", R, V, R, optimize=True)


def slopes_of_level(term: ReMat, G: np.ndarray) -> np.ndarray:
    """The gradient in the λ of one level, shape (p, p), from that of the term as computed."""
    if term.way != WHITENED_WAY:
        return G
    p = term.p
    return np.einsum("rarb->ab", G.reshape(len(G) // p, p, len(G) // p, p))


def variances_by_level(terms: list[ReMat], factor, levels: dict) -> dict[int, np.ndarray]:
    """Conditional variances over σ², by term, of chosen levels, or of all if there are none.

    Parameters
    ----------
    terms : list of ReMat
        In the user's columns.
    factor
        What has `variances_of` and `conditional_variances`, of the terms as computed.
    levels : dict of int to ndarray of int
        Positions of levels, by term.
    """
    if not any(term.way == WHITENED_WAY for term in terms):
        return factor.variances_of(levels)
    parts = zip(terms, factor.conditional_variances(), strict=True)
    found = [variances_of_levels(t, V) if t.way == WHITENED_WAY else V for t, V in parts]
    return chosen_parts(found, levels)


def rows_as_computed(term: ReMat, refs, z) -> tuple[np.ndarray, np.ndarray]:
    """Levels and columns of rows at any levels, -1 for none, as kernels have the term."""
    if term.way != WHITENED_WAY:
        return refs, z
    R = term.relation.root
    own = np.where(refs[:, None] >= 0, R[refs], 0.0)
    z = np.einsum("nr,pn->rpn", own, z).reshape(R.shape[1] * term.p, -1)
    return np.where(refs >= 0, 0, -1).astype(np.int32), z
