"""`ClusterRows`: the rows of some clusters, or fewer rows with the same information about β.

The rows of a cluster may be rotated: only as many of the rotated rows as there are columns of X and
Z concern these columns, if the residuals have one variance. The others are noise alone, whose
weights are zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClusterRows:
    """Clusters of n rows each, with covariances V = σ²(R + UU').

    Attributes
    ----------
    x : ndarray, shape (clusters, n, rank)
        The columns of X.
    e : ndarray, shape (clusters, n)
        Residuals of the fixed effects.
    U : ndarray, shape (clusters, n, q)
        Columns of Z of the clusters' levels times λ, and a root of their known covariance.
    R : ndarray, shape (clusters, n) or (clusters, n, n)
        Variances of the residuals over σ², or their covariance.
    """

    x: np.ndarray
    e: np.ndarray
    U: np.ndarray
    R: np.ndarray

    @property
    def covariances(self) -> np.ndarray:
        """R + UU', shape (clusters, n, n)."""
        V = self.U @ self.U.transpose(0, 2, 1)
        if self.R.ndim == 3:
            return V + self.R
        at = np.arange(V.shape[1])
        V[:, at, at] += self.R
        return V

    def rotated(self) -> ClusterRows:
        """Fewer rows with the same information, if all residuals of a cluster have one variance."""
        rank, columns = self.x.shape[2], self.x.shape[2] + self.U.shape[2]
        if self.R.ndim == 3 or self.x.shape[1] <= columns or np.ptp(self.R, axis=1).any():
            return self
        all_columns = np.concatenate([self.x, self.U, self.e[:, :, None]], axis=2)
        turned = np.linalg.qr(all_columns, mode="r")[:, :columns]
        x, U, e = turned[..., :rank], turned[..., rank:columns], turned[..., columns]
        return ClusterRows(x, e, U, self.R[:, :columns])


class RowsOfClusters:
    """Makes `ClusterRows` of a fitted linear model.

    Parameters
    ----------
    model : LinearMixedModel
    clusters : Clusters
    """

    def __init__(self, model, clusters) -> None:
        self._model, self._sqrtw = model, model.sqrt_weights
        self._e = model.frame.y - model.feterm.x[:, model.feterm.kept] @ model.estimates.beta
        if model.frame.offset is not None:
            self._e = self._e - model.frame.offset
        self._levels = [_within(clusters.codes, term.refs) for term in model.reterms]
        side = model.residual_side
        self._correlated = side is not None and side.texts.residual is not None
        if not self._correlated:
            deviations = np.ones(model.nobs) if side is None else side.deviations()
            if self._sqrtw is not None:
                deviations = deviations / self._sqrtw
            self._variances = deviations**2

    @property
    def is_diagonal(self) -> bool:
        """Whether residuals are independent."""
        return not self._correlated

    def columns(self, rows) -> int:
        """The number of columns of X and Z of a cluster."""
        terms = zip(self._model.reterms, self._levels, strict=True)
        return self._model.feterm.rank + sum(t.p * (lev[rows].max() + 1) for t, lev in terms)

    def of(self, rows) -> ClusterRows:
        """Some clusters with as many rows each.

        Parameters
        ----------
        rows : ndarray of int, shape (clusters, n)
        """
        model = self._model
        x = model.feterm.basis[rows]
        if self._sqrtw is not None:
            x = x / self._sqrtw[rows][..., None]
        terms = zip(model.reterms, self._levels, strict=True)
        U = [_columns(term, levels[rows], rows) for term, levels in terms]
        if self._correlated:
            R = np.array([model.residual_side.at_rows(own) for own in rows])
        else:
            R = self._variances[rows]
        return ClusterRows(x, self._e[rows], np.concatenate([x[..., :0], *U], axis=2), R)


def _within(codes, refs) -> np.ndarray:
    """The levels of a term, numbered from 0 on within each cluster."""
    count = int(refs.max(initial=0)) + 1
    pairs, at = np.unique(codes.astype(np.int64) * count + refs, return_inverse=True)
    clusters = pairs // count
    first = np.searchsorted(clusters, clusters)
    return (np.arange(len(pairs)) - first)[at]


def _columns(term, levels, rows) -> np.ndarray:
    """Zλ of a term for the levels of clusters, times a root of their known covariance."""
    (count, n), width = rows.shape, int(levels.max(initial=0)) + 1
    half = (term.z.T @ term.lambda_)[rows]
    at = np.arange(count)[:, None], np.arange(n)
    U = np.zeros((count, n, width, half.shape[2]))
    U[(*at, levels)] = half
    if term.relation is not None:
        refs = np.zeros((count, width), dtype=np.int64)
        refs[at[0], levels] = term.refs[rows]
        values, vectors = np.linalg.eigh(term.relation.covariance[refs[:, :, None], refs[:, None]])
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        U = np.einsum("jnla,jlm->jnma", U, roots)
    return U.reshape(count, n, -1)
