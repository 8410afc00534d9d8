"""Checks of the response, by what kind of model it is for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import DataError, NumbammWarning
from numbamm.formula.identifiability import check_identifiable

if TYPE_CHECKING:
    from numbamm.formula.modelframe import ModelFrame
    from numbamm.glm.family import Family


def check_gaussian(frame: ModelFrame, sigma_known: bool = False) -> None:
    """Refuse what a linear mixed model cannot tell apart, before heavy work.

    Raises
    ------
    DataError
        If the response is constant, or if the residual variance, unless it is known, cannot be
        told apart from the random effects'; see `check_identifiable`.
    """
    _refuse_counts(frame, "a linear model")
    if (frame.y == frame.y[0]).all():
        raise DataError(
            f"the response '{frame.response}' is constant ({frame.y[0]:g}): "
            "there is no variance to divide"
        )
    if not sigma_known:
        check_identifiable(frame)


def _refuse_counts(frame: ModelFrame, what: str) -> None:
    if frame.trials is not None:
        raise DataError(
            f"{frame.response} is a response of binomial models, not of {what}: "
            'family="binomial", or one column on the left'
        )


def check_generalized(frame: ModelFrame, family: Family) -> None:
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
    if not family.proportions:
        _refuse_counts(frame, f"the {family} family")
    wrong = ~np.asarray(family.supports(y), dtype=bool)
    if wrong.any():
        raise DataError(
            f"{family} needs {family.support}; the response '{response}' is not in rows "
            f"{_rows(frame, wrong)}"
        )
    trials = family.weights == "trials"
    if trials and frame.weights is None and ((y != 0) & (y != 1)).any():
        raise DataError(
            f"{family} proportions need weights, the number of trials of each row; "
            "or write cbind(successes, failures) on the left"
        )
    if (y == y[0]).all():
        raise DataError(f"the response '{response}' is constant ({y[0]:g})")
    if family.normal:
        check_identifiable(frame)
    if trials or family.counts:
        counts = y * frame.weights if trials and frame.weights is not None else y
        wrong = fractional(counts)
        if wrong.any():
            warnings.warn(
                f"{family} counts are whole numbers; the response '{response}' is not in rows "
                f"{_rows(frame, wrong)}",
                NumbammWarning,
                stacklevel=4,
            )


def fractional(counts: np.ndarray) -> np.ndarray:
    """Which counts are not whole numbers, but for rounding."""
    return np.abs(counts - np.round(counts)) > 1e-7 * np.maximum(counts, 1)


def _rows(frame: ModelFrame, which) -> str:
    rows = frame.rows[which]
    return ", ".join(map(str, rows[:5])) + (" ..." if len(rows) > 5 else "")
