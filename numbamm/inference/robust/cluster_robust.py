"""`ClusterRobust`: covariances of β that hold whatever the covariance within clusters, and tests.

With V_j the model's covariance of the rows of cluster j, M = (X'V⁻¹X)⁻¹ and residuals e_j,

    CR0 = M Σ_j g_j g_j' M,    g_j = X_j'V_j⁻¹ A_j e_j,    A_j = I,

is consistent as the number m of clusters increases. CR1 is CR0 times m / (m - 1). CR2 is unbiased
if V is right, by its A_j; see `cluster_weights`. Its tests take the degrees of freedom of the
quadratic forms that estimate the variances, with V as the working covariance.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.inference.fixed.wald import INFINITE, quadratic_form
from numbamm.inference.robust.cluster_rows import RowsOfClusters
from numbamm.inference.robust.cluster_weights import dense_weights, low_rank_weights
from numbamm.inference.robust.clusters import Clusters
from numbamm.memory import refuse_beyond

#: Up to so many rows of a cluster, matrices of n × n are fastest.
LARGE = 200
#: Largest number of entries of the matrices that are computed in one batch.
BATCH = 2**21
#: Copies of a cluster's matrix that exist at once.
HELD = 5


class ClusterRobust:
    """The covariance of β by clusters for a linear model, and tests with it.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model.
    clusters : Clusters
    kind : {"CR0", "CR1", "CR2"}

    References
    ----------
    Liang & Zeger, 1986, Biometrika 73, 13; Bell & McCaffrey, 2002, Survey Methodology 28, 169;
    Pustejovsky & Tipton, 2018, J. Bus. Econ. Stat. 36, 672.
    """

    def __init__(self, model, clusters: Clusters, kind: str) -> None:
        self.kind, self.clusters = kind, clusters
        self.title = f"robust ({kind}, {clusters.count} clusters of {clusters.name})"
        self.beta, self.to_basis = model.estimates.beta, model.feterm.to_basis
        to_gamma = np.linalg.inv(self.to_basis)
        self.M = to_gamma @ model.beta_covariance @ to_gamma.T
        self.phi = model.sigma**2
        source = RowsOfClusters(model, clusters)
        with blas_threads():
            parts = [self._of_clusters(source, batch) for batch in clusters.batches(BATCH, LARGE)]
        scores, self.variances, self.shares = map(np.concatenate, zip(*parts, strict=True))
        if kind == "CR1":
            scores *= np.sqrt(clusters.count / (clusters.count - 1))
        half = scores @ self.to_basis.T
        self.vcov = half.T @ half

    @property
    def notes(self) -> list[str]:
        """What the reader of a table should know."""
        if self.kind == "CR2":
            return []
        return ["Degrees of freedom: the number of clusters minus one. CR2 is better with few."]

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t: Satterthwaite's for CR2, else m - 1."""
        if self.kind != "CR2":
            return np.full(len(L), self.clusters.count - 1.0)
        return np.array([self._approximate(row[None]) for row in L @ self.to_basis])

    def joint(self, L, rhs) -> tuple[float, float]:
        """F statistic of Lβ = rhs and its denominator degrees of freedom.

        Under CR2 the quadratic form is taken as Hotelling's T² of as many degrees of freedom as
        match the variance of the estimated covariance of Lβ.
        """
        q, value = len(L), quadratic_form(L, self.beta, self.vcov, rhs)
        if self.kind != "CR2":
            return value / q, self.clusters.count - 1.0
        rows = L @ self.to_basis
        covariance = np.einsum("ax,jxy,by->ab", rows, self._expected, rows)
        half = np.linalg.cholesky(covariance)
        df = self._approximate(np.linalg.solve(half, rows))
        left = df - q + 1
        if left <= 0:
            return np.nan, np.nan
        return left / (df * q) * value, left

    @property
    def _expected(self) -> np.ndarray:
        """The expectation of each cluster's contribution to the covariance of γ, under V."""
        return self.variances - np.einsum("jxa,xy,jyb->jab", self.shares, self.M, self.shares)

    def _approximate(self, rows) -> float:
        """q(q + 1) / Σ_st Var(d_st), d the estimated covariance of q rows of expectation I.

        With p_sj the weights of cluster j's residuals in row s, d_st = Σ_j (p_sj'e_j)(p_tj'e_j).
        The covariance of p_si'e_i and p_tj'e_j is that of cluster j, if i = j, minus u_si'M u_tj.
        """
        q = len(rows)
        own = np.einsum("ax,jxy,by->abj", rows, self.variances, rows)
        u = np.einsum("jxy,ay->ajx", self.shares, rows)
        across = np.einsum("ajx,xy,bjy->abj", u, self.M, u)
        products = np.einsum("ajx,bjy->abxy", u, u)
        total = 0.0
        for s in range(q):
            for t in range(q):
                a, b = self.M @ products[s, t], self.M @ products[t, s]
                total += own[s, s] @ own[t, t] - own[s, s] @ across[t, t]
                total += np.sum(a * b.T) - own[t, t] @ across[s, s]
                total += own[s, t] @ own[s, t] - 2 * own[s, t] @ across[s, t] + np.sum(b * b.T)
        size = 1.0
        if q == 1:  # the row need not be scaled
            size = float((own - across).sum()) ** 2
        df = q * (q + 1) * size / total
        return np.inf if df > INFINITE else float(df)

    def _of_clusters(self, source: RowsOfClusters, batch) -> tuple[np.ndarray, ...]:
        """What some clusters of n rows each contribute.

        Parameters
        ----------
        source : RowsOfClusters
        batch : ndarray of int, shape (clusters, n)

        Returns
        -------
        scores : ndarray, shape (clusters, rank)
            M g_j.
        variances, shares : ndarray, shape (clusters, rank, rank)
            P_j'V_jP_j and X_j'P_j, with P_j = A_jV_j⁻¹X_jM.
        """
        count, n = batch.shape
        columns = source.columns(batch)
        refuse_beyond(
            HELD * 8 * count * n * (min(n, columns) if source.is_diagonal else n),
            f"robust covariances with a cluster of {n} rows",
            "choose smaller clusters",
        )
        rows, phi = source.of(batch).rotated(), self.phi
        n = rows.x.shape[1]
        large = count == 1 and source.is_diagonal and n > max(LARGE, 2 * columns)
        weights = low_rank_weights if large else dense_weights
        P, variances = weights(rows, self.M / phi, self.kind == "CR2")
        scores = np.einsum("jnx,jn->jx", P, rows.e)
        return scores, phi * variances, rows.x.transpose(0, 2, 1) @ P
