"""Whether the residual variance and those of the random effects are identifiable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from numbamm.design.directions import inner_products, weighted_columns
from numbamm.design.scaling import in_ordinary_columns
from numbamm.errors import DataError, warn
from numbamm.formula.tokens import brief

if TYPE_CHECKING:
    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame

#: Least 1 - R² in the regression of W⁻¹ on the covariance matrices of the random effects.
DEPENDENT = 1e-9
#: Terms with more columns, which belong to points, are not looked at: it would take p⁴ numbers.
WIDEST = 40
#: Weights count as constant when they differ by no more than this, relatively.
CONSTANT = 1e-8


def check_identifiable(frame: ModelFrame) -> None:
    """Refuse a design in which an unknown residual variance is not identifiable.

    A term must have fewer random effects than there are observations, or at most as many where
    weights vary. With more, a covariance matrix of lower rank fits the rows of a group exactly,
    whatever their values, so that the likelihood has no maximum. Nor may a linear combination of
    the random effects' covariance matrices be that of the residuals, as it is where several terms
    together have an effect for each row.

    Raises
    ------
    DataError
    """
    n, w = len(frame.y), frame.weights
    independent = [t for t in frame.reterms if t.relation is None]
    check_counts(independent, n, *((1.0, 1.0) if w is None else (w.min(), w.max())))
    # W⁻¹ has full rank, which takes at least n random effects in all
    if sum(t.nranef for t in frame.reterms) < n or max(t.p for t in frame.reterms) > WIDEST:
        return
    if len(independent) < len(frame.reterms):
        return check_related(frame)
    if _explained(frame) > 1 - DEPENDENT:
        terms = " + ".join(f"({brief(', '.join(t.cnames))} | {t.group})" for t in frame.reterms)
        raise DataError(
            f"the random effects {terms} together can have the covariance matrix of the residuals, "
            "so that the residual variance cannot be separated from theirs: leave a term out, "
            "or give sigma= if it is known"
        )


def check_related(frame: ModelFrame) -> None:
    """Refuse a known covariance that is that of the residuals: K diagonal over the rows.

    Raises
    ------
    DataError
    """
    w = np.ones(len(frame.y)) if frame.weights is None else frame.weights
    for term in frame.reterms:
        if term.relation is None or term.relation.is_sparse or term.p > 1:
            continue
        if len(np.unique(term.refs)) < len(term.refs):
            continue
        K = term.relation.covariance[np.ix_(term.refs, term.refs)]
        K = K * np.outer(term.z[0] * np.sqrt(w), term.z[0] * np.sqrt(w))
        own = np.diag(K)
        if np.abs(K - own.mean() * np.eye(len(K))).max() <= DEPENDENT * own.max():
            raise DataError(
                f"{term.relation.name} is that of independent levels among the rows, each of which "
                f"has a level of '{term.group}' of its own: the residual variance cannot be "
                "separated from theirs; leave the term out, or give sigma= if it is known"
            )


def check_counts(terms: Sequence[ReMat], n: int, least: float, greatest: float) -> None:
    """Refuse a term with as many random effects as there are observations, or with more.

    `least` and `greatest` are those of the weights; with weights that vary, as many are allowed.
    """
    constant = greatest - least <= CONSTANT * greatest
    for term in terms:
        if term.nranef < n:
            continue
        # Columns that are uncorrelated by design are counted like separate terms.
        for block in term.structure.unrestricted:
            if term.nlevels * len(block) >= n + (not constant):
                _refuse(term, block, n)


def warn_of_redundant(frame: ModelFrame, sigma_known: bool) -> None:
    """Tell of parameters of covariance structures that the likelihood does not determine.

    They are where the derivatives of the covariance of y by all parameters are linearly dependent
    at nearly all values of these: a correlation of effects that no level has together, or
    ``(1 | g) + homcs(0 + f | g)``, whose constant is a part of the second term.
    """
    terms = frame.reterms
    if all(term.structure.is_linear for term in terms) or max(t.p for t in terms) > WIDEST:
        return
    products, terms = _products(frame)
    if sigma_known:
        products = products[1:, 1:]
    size = np.sqrt(np.diag(products))
    nothing = size == 0
    size[nothing] = 1.0
    values, vectors = np.linalg.eigh(products / np.outer(size, size) + np.diag(1.0 * nothing))
    involved = nothing | (np.abs(vectors[:, values < DEPENDENT]) > 1e-3).any(axis=1)
    found = _named(terms, involved if sigma_known else involved[1:])
    if found:
        warn(
            f"the likelihood does not determine {found}: several values fit equally well; "
            "leave a term out, or take a structure with fewer parameters"
        )


def _named(terms: list[ReMat], involved) -> str:
    """The parameters of structures among those involved, and their terms, as text."""
    found, at, patterned = [], 0, False
    for term, columns, part in [(t, *part) for t in terms for part in t.structure.parts]:
        own = involved[at : at + part.size]
        at += part.size
        labels = np.array(part.labels([term.cnames[j] for j in columns]), dtype=object)[own]
        if len(labels):
            patterned |= not part.is_linear
            found.append(f"{brief(', '.join(labels))} of {part.names[0]}(... | {term.group})")
    return " and ".join(found) if patterned else ""


def _products(frame: ModelFrame) -> tuple[np.ndarray, list[ReMat]]:
    """Inner products of the derivatives of V, W⁻¹ first, and the terms at which they are taken."""
    sqrtw = None if frame.weights is None else np.sqrt(frame.weights)
    terms = [in_ordinary_columns(term, sqrtw) for term in frame.reterms]
    terms = [replace(term, theta=term.structure.some_theta()) for term in terms]
    columns = weighted_columns(terms, sqrtw)
    return inner_products(terms, columns.T @ columns), terms


def _explained(frame: ModelFrame) -> float:
    """R² of W⁻¹ on the covariance matrices of the random effects, all scaled by √W."""
    products, _ = _products(frame)
    size = np.sqrt(np.diag(products))
    size[size == 0] = 1.0
    products /= np.outer(size, size)
    b = products[0, 1:]
    return float(b @ np.linalg.lstsq(products[1:, 1:], b, rcond=1e-13)[0])


def _refuse(term: ReMat, block: list[int], n: int) -> None:
    p = len(block)
    if term.nlevels == n and np.asarray(term.levels).dtype.kind == "f":
        raise DataError(
            f"the grouping factor '{term.group}' is continuous: each of the {n} rows has a level "
            "of its own; if it is a covariate, write it left of a bar or among the fixed effects"
        )
    columns = brief(", ".join(term.cnames[j] for j in block))
    raise DataError(
        f"({columns} | {term.group}) has {term.nlevels * p} "
        f"random effects ({term.nlevels} levels × {p}) for {n} observations: "
        "the residual variance cannot be separated from theirs; leave columns out, or group "
        "by a factor of fewer levels"
    )
