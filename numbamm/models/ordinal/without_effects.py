"""Where the fit of a cumulative link mixed model begins: the model without random effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.errors import DataError
from numbamm.glm.cumulative.cumulative_modes import CumulativeModes
from numbamm.glm.link import Link

MAX_STEPS, MAX_HALVINGS = 100, 30
#: Newton's method has converged when a step would gain no more than this.
GAIN = 1e-10
#: The least eigenvalue of the Hessian for a step, as a share of its largest.
RIDGE = 1e-8


class WithoutEffects(NamedTuple):
    """The fit of a model without random effects.

    Attributes
    ----------
    psi : ndarray, shape (size,)
        Coefficients of the columns as they are fitted.
    value : float
        -2 log-likelihood.
    curvature : ndarray, shape (size, size)
        The coefficients' observed information.
    converged : bool
    """

    psi: np.ndarray
    value: float
    curvature: np.ndarray
    converged: bool


def without_effects(modes: CumulativeModes, link: Link) -> WithoutEffects:
    """The maximum likelihood estimates without random effects, by Newton's method.

    Raises
    ------
    DataError
        The likelihood cannot be computed at thresholds that reproduce the categories' shares.
    """
    psi = _of_shares(modes, link)
    value = modes.of_rows(psi)
    if not np.isfinite(value):
        raise DataError(
            f"the probabilities of the categories cannot be computed with the link {link}: does "
            "its inverse increase from 0 to 1?"
        )
    for _ in range(MAX_STEPS):
        gradient, curvature, _ = modes.derivatives_of_rows()
        step, gain = _step(gradient, curvature)
        if gain < GAIN:
            return WithoutEffects(psi, value, curvature, True)
        for _ in range(MAX_HALVINGS):
            trial = modes.of_rows(psi - step)
            if trial < value:
                break
            step /= 2
        else:
            modes.of_rows(psi)
            return WithoutEffects(psi, value, curvature, gain < np.sqrt(GAIN))
        psi, value = psi - step, trial
    return WithoutEffects(psi, value, modes.derivatives_of_rows()[1], False)


def _step(gradient, curvature) -> tuple[np.ndarray, float]:
    """A Newton step where the curvature is made positive, and what it would gain."""
    size = np.sqrt(np.maximum(np.abs(np.diag(curvature)), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    values = np.maximum(np.abs(values), RIDGE * np.abs(values).max())
    along = vectors.T @ (gradient / size)
    return vectors @ (along / values) / size, float(along @ (along / values))


def _of_shares(modes: CumulativeModes, link: Link) -> np.ndarray:
    """Thresholds that give each category its share of the rows, or the nearest such structure."""
    parts, weights = modes.parts, modes.held.rows.weights
    count = len(parts.T)
    share = np.bincount(parts.y, weights, count + 1) / weights.sum()
    with np.errstate(all="ignore"):
        alpha = link.eta(np.cumsum(share)[:-1])
    a = np.linalg.lstsq(parts.T, alpha, rcond=None)[0]
    if not (np.diff(parts.T @ a) > 0).all():  # the structure does not suit these shares
        even = np.linspace(alpha.min() - 1e-3, alpha.max() + 1e-3, count)
        a = np.linalg.lstsq(parts.T, even, rcond=None)[0]
    psi = np.zeros(parts.size)
    psi[: len(a)] = a / parts.nominal[0, 0]
    return psi
