"""Checks of the response, for linear and for generalized models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import DataError, warn
from numbamm.formula.identifiability import check_identifiable, warn_of_redundant

if TYPE_CHECKING:
    from numbamm.formula.modelframe import ModelFrame
    from numbamm.glm.family import Family


def check_gaussian(frame: ModelFrame, sigma_known: bool = False) -> None:
    """Refuse a response or a design that a linear mixed model cannot be fitted to.

    Raises
    ------
    DataError
        If the response is constant, or if the residual variance is unknown and not identifiable
        together with the variances of the random effects; see `check_identifiable`.
    """
    _refuse_counts(frame, "a linear model")
    if (frame.y == frame.y[0]).all():
        raise DataError(
            f"the response '{frame.response}' is constant ({frame.y[0]:g}): "
            "there is no variance to explain; check the column and the rows used"
        )
    if not sigma_known:
        check_identifiable(frame)
    warn_of_redundant(frame, sigma_known)


def _refuse_counts(frame: ModelFrame, what: str) -> None:
    if frame.trials is not None:
        raise DataError(
            f"the response {frame.response} is for binomial models, not for {what}: "
            'choose family="binomial", or write a single column left of ~'
        )


def check_generalized(frame: ModelFrame, family: Family) -> None:
    """Refuse a response that is constant, or outside the family's support in some rows.

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
    trials = family.weights == "trials"
    if wrong.any():
        remedy = ": write cbind(successes, failures) left of ~ for counts" if trials else ""
        raise DataError(
            f"the {family} family needs {family.support}; the response '{response}' has other "
            f"values in rows {_rows(frame, wrong)} (counting from 0){remedy}"
        )
    if trials and frame.weights is None and ((y != 0) & (y != 1)).any():
        raise DataError(
            f"proportions in '{response}' need the number of trials of each row: give it as "
            "weights=, or write cbind(successes, failures) left of ~"
        )
    if (y == y[0]).all():
        raise DataError(
            f"the response '{response}' is constant ({y[0]:g}): there is nothing to explain; "
            "check the column and the rows used"
        )
    if family.normal:
        check_identifiable(frame)
    warn_of_redundant(frame, sigma_known=not family.normal)
    if trials or family.counts:
        counts = y * frame.weights if trials and frame.weights is not None else y
        wrong = fractional(counts)
        if wrong.any():
            warn(
                f"the {family} family is for counts; the response '{response}' gives counts that "
                f"are not whole numbers in rows {_rows(frame, wrong)} (counting from 0)"
            )


def fractional(counts: np.ndarray) -> np.ndarray:
    """Which counts differ from a whole number by more than rounding."""
    return np.abs(counts - np.round(counts)) > 1e-7 * np.maximum(counts, 1)


def _rows(frame: ModelFrame, selected: np.ndarray) -> str:
    rows = frame.rows[selected]
    return ", ".join(map(str, rows[:5])) + (" ..." if len(rows) > 5 else "")
