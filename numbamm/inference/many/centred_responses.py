"""`CentredResponses`: many responses as they enter A; see `models.centred_response`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.design.magnitude import LARGEST, SMALLEST

#: A scale below this share of the response's size is a rounding error.
EXPLAINED = 1e-13


@dataclass
class CentredResponses:
    """Responses less what X explains of them, and scaled; a line for each.

    With basis = X to_basis, y = offset + mean + basis @ gamma0 + scale * values / √w.

    Attributes
    ----------
    values : ndarray, shape (responses, n)
        Zero where a value is missing.
    scale, mean : ndarray, shape (responses,)
    gamma0 : ndarray, shape (responses, rank)
    failed : dict of int to str
        Reasons why a response, by its line, cannot be fitted; what the others hold of it is zero.
    """

    values: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    gamma0: np.ndarray
    failed: dict[int, str]

    @classmethod
    def of(cls, y, kept, offset, feterm, sqrtw) -> CentredResponses:
        """Centre responses.

        Parameters
        ----------
        y : ndarray, shape (responses, n)
            Whatever it may be where `kept` is zero.
        kept : ndarray, shape (responses, n) or (1, n)
            1 for the values that there are, else 0.
        offset : ndarray, shape (n,), or None
        feterm : FeMat
        sqrtw : ndarray, shape (n,), or None
        """
        there = np.broadcast_to(kept > 0, y.shape)
        y = np.where(there, y if offset is None else y - offset, 0.0)
        failed = {}
        infinite = ~np.isfinite(y).all(axis=1)
        constant = _is_constant(y, there)
        roots = kept if sqrtw is None else kept * sqrtw
        weights, n = roots**2, kept.sum(axis=1)
        y[infinite] = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("ij,ij,ij->i", np.broadcast_to(weights, y.shape), y, y)
        beyond = ~((squares >= SMALLEST) & (squares <= LARGEST)) & y.any(axis=1)
        y[beyond] = 0.0
        mean = np.zeros(len(y))
        if feterm.constant is not None:
            total = weights.sum(axis=1)
            mean = _sums(weights, y) / total
            mean += _sums(weights, (y - mean[:, None]) * there) / total
        values = (y - mean[:, None]) * roots
        gamma0 = _coefficients(values, kept, feterm.basis)
        rest = (values - gamma0 @ feterm.basis.T) * kept
        scale = np.sqrt(np.einsum("ij,ij->i", rest, rest) / n)
        size = np.sqrt(np.where(beyond | infinite, 0.0, squares) / n)
        explained = ~(scale > EXPLAINED * size)
        for bad, reason in (
            (infinite, "it has infinite values"),
            (constant, "it is constant: there is no variance to explain"),
            (beyond, "squares of its values do not fit into double precision: use other units"),
            (explained, "the fixed effects explain it exactly: nothing is left to model"),
        ):
            for i in np.flatnonzero(bad).tolist():
                failed.setdefault(i, reason)
        scale = np.where(scale > 0, scale, 1.0)
        return cls(rest / scale[:, None], scale, mean, gamma0, failed)


def _is_constant(y, there) -> np.ndarray:
    """Whether all values that there are of a response are the same."""
    first = y[np.arange(len(y)), there.argmax(axis=1)]
    return ((y == first[:, None]) | ~there).all(axis=1)


def _sums(weights, y) -> np.ndarray:
    """Σ w y of each response; row by row, so that it does not depend on the other responses."""
    return np.einsum("ij,ij->i", np.broadcast_to(weights, y.shape), y)


def _coefficients(values, kept, basis) -> np.ndarray:
    """Least-squares coefficients of the basis, which is orthogonal where no row is missing."""
    products = np.einsum("ij,jk->ik", values, basis)
    if len(kept) == 1:
        return products / len(basis)
    gram = np.einsum("ij,jk,jl->ikl", kept, basis, basis, optimize=True)
    return np.linalg.solve(gram, products[:, :, None])[:, :, 0]
