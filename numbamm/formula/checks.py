"""Checks of the response, by what kind of model it is for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import DataError, NumbammWarning

if TYPE_CHECKING:
    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame


def check_gaussian(frame: ModelFrame) -> None:
    """Refuse what a linear mixed model cannot tell apart, before heavy work.

    Raises
    ------
    DataError
        If the response is constant, or if the random effects of an unweighted term are as many
        as the observations.
    """
    _refuse_counts(frame, "a linear model")
    if np.ptp(frame.y) == 0:
        raise DataError(
            f"the response '{frame.response}' is constant ({frame.y[0]:g}): "
            "there is no variance to divide"
        )
    _check_sizes(frame)


def _refuse_counts(frame: ModelFrame, what: str) -> None:
    if frame.trials is not None:
        raise DataError(
            f"{frame.response} is a response of binomial models, not of {what}: "
            'family="binomial", or one column on the left'
        )


def _check_sizes(frame: ModelFrame) -> None:
    if frame.weights is None:  # unequal weights tell the residual variance from the effects'
        for term in frame.reterms:
            _check_size(term, len(frame.y))


def _check_size(term: ReMat, n: int) -> None:
    # Columns that are uncorrelated by design are terms of their own: the largest block counts,
    # and a column of λ has an entry for each column of its block from its diagonal down.
    row, column = np.divmod(term.inds, term.p)
    block = row[column == np.bincount(column).argmax()]
    p = len(block)
    if term.nlevels * p < n:
        return
    if term.nlevels == n and np.asarray(term.levels).dtype.kind == "f":
        raise DataError(
            f"the grouping factor '{term.group}' is continuous: each of the {n} rows has a level "
            f"of its own; as a covariate it stands left of a bar or among the fixed effects"
        )
    raise DataError(
        f"({', '.join(term.cnames[i] for i in block)} | {term.group}) has {term.nlevels * p} "
        "random effects "
        f"({term.nlevels} levels × {p}) for {n} observations: "
        "the residual variance could not be told apart from theirs"
    )


#: What each family's response must be, in words, and where it is not.
_SUPPORT = {
    "bernoulli": ("values that are 0 or 1", lambda y: (y != 0) & (y != 1)),
    "binomial": ("values from 0 to 1", lambda y: (y < 0) | (y > 1)),
    "poisson": ("counts of at least 0", lambda y: y < 0),
    "negativebinomial": ("counts of at least 0", lambda y: y < 0),
    "gamma": ("values above 0", lambda y: y <= 0),
    "inversegaussian": ("values above 0", lambda y: y <= 0),
    "gaussian": ("numbers", np.isnan),
}


def check_generalized(frame: ModelFrame, family: str) -> None:
    """Refuse a response outside the family's support, naming rows, or one that does not vary.

    Raises
    ------
    DataError

    Warns
    -----
    NumbammWarning
        If counts are not integers.
    """
    y, response = frame.y, frame.response
    if family not in ("bernoulli", "binomial"):
        _refuse_counts(frame, f"the {family} family")
    words, outside = _SUPPORT[family]
    wrong = outside(y)
    if wrong.any():
        raise DataError(
            f"{family} needs {words}; the response '{response}' is not in rows "
            f"{_rows(frame, wrong)}"
        )
    if family == "binomial" and frame.weights is None and ((y != 0) & (y != 1)).any():
        raise DataError(
            "binomial proportions need weights, the number of trials of each row; "
            "or write cbind(successes, failures) on the left"
        )
    if np.ptp(y) == 0:
        raise DataError(f"the response '{response}' is constant ({y[0]:g})")
    if family == "gaussian":
        _check_sizes(frame)
    if family in ("binomial", "poisson", "negativebinomial"):
        counts = y * frame.weights if family == "binomial" and frame.weights is not None else y
        fractional = np.abs(counts - np.round(counts)) > 1e-7 * np.maximum(counts, 1)
        if fractional.any():
            warnings.warn(
                f"{family} counts are whole numbers; the response '{response}' is not in rows "
                f"{_rows(frame, fractional)}",
                NumbammWarning,
                stacklevel=4,
            )


def _rows(frame: ModelFrame, which) -> str:
    rows = frame.rows[which]
    return ", ".join(map(str, rows[:5])) + (" ..." if len(rows) > 5 else "")
