"""Whether a design tells the residual variance from those of the random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.design.directions import inner_products, weighted_columns
from numbamm.design.scaling import in_ordinary_columns
from numbamm.errors import DataError
from numbamm.formula.scan import brief

if TYPE_CHECKING:
    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame

#: Share of W⁻¹, squared, that the random effects' directions must leave unexplained.
DEPENDENT = 1e-9
#: Weights count as constant when they differ by no more than this, relatively.
CONSTANT = 1e-8


def check_identifiable(frame: ModelFrame) -> None:
    """Refuse a design that cannot tell the residual variance, if unknown, from the effects'.

    A term must have fewer random effects than there are observations; as many will do where
    weights vary. With more, some covariance matrix of lower rank fits a group exactly whatever it
    holds, so that the likelihood has no maximum. And no combination of the random effects'
    covariances may be that of the residuals, as where several terms together have an effect for
    each row.

    Raises
    ------
    DataError
    """
    n, w = len(frame.y), frame.weights
    constant = w is None or np.ptp(w) <= CONSTANT * w.max()
    for term in frame.reterms:
        if term.nranef < n:
            continue
        # Columns that are uncorrelated by design are terms of their own.
        for block in term.structure.blocks:
            if term.nlevels * len(block) >= n + (not constant):
                _refuse(term, block, n)
    # a combination of covariances of lower rank cannot be W⁻¹, which has full rank
    if sum(t.nranef for t in frame.reterms) >= n and _explained(frame) > 1 - DEPENDENT:
        terms = " + ".join(f"({brief(', '.join(t.cnames))} | {t.group})" for t in frame.reterms)
        raise DataError(
            f"the random effects {terms} together can have the covariance of the residuals: the "
            "residual variance could not be told apart from theirs; leave a term out, or give "
            "sigma, if it is known"
        )


def _explained(frame: ModelFrame) -> float:
    """R² of W⁻¹ on the covariances that the random effects can have, as measured by √W."""
    sqrtw = None if frame.weights is None else np.sqrt(frame.weights)
    terms = [in_ordinary_columns(term, sqrtw) for term in frame.reterms]
    columns = weighted_columns(terms, sqrtw)
    products = inner_products(terms, columns.T @ columns)
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
            f"of its own; as a covariate it stands left of a bar or among the fixed effects"
        )
    columns = brief(", ".join(term.cnames[j] for j in block))
    raise DataError(
        f"({columns} | {term.group}) has {term.nlevels * p} "
        f"random effects ({term.nlevels} levels × {p}) for {n} observations: "
        "the residual variance could not be told apart from theirs"
    )
