"""`corrected`: bootstrap intervals with a correction for bias and for skewness (BCa)."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from numbamm.errors import NumbammError
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.robust.clusters import Clusters
from numbamm.optimize.run import uninterrupted


def jackknife(model, names: EstimateColumns, clusters: Clusters) -> np.ndarray:
    """The estimates without each cluster, shape (clusters whose fits succeed, columns)."""
    order = np.argsort(clusters.codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(clusters.codes))[:-1])
    rows = []
    for part in parts:
        try:
            twin = model.without_rows(part)
            uninterrupted(twin.refit(progress=False, **model.fit_options))
            rows.append(names.row_of(twin))
        except (NumbammError, ArithmeticError, np.linalg.LinAlgError):
            continue
    return np.array(rows).reshape(-1, len(names.columns))


def corrected(values, original: float, without, alpha: float) -> tuple[float, float]:
    """The BCa interval of one parameter (Efron, 1987, J. Am. Stat. Assoc. 82, 171).

    Parameters
    ----------
    values : ndarray, shape (replicates,)
    original : float
        The estimate.
    without : ndarray, shape (clusters,)
        The estimates without each cluster.
    alpha : float
        One minus the coverage.
    """
    if not len(values) or not np.isfinite(original):
        return np.nan, np.nan
    share = (np.sum(values < original) + 0.5 * np.sum(values == original)) / len(values)
    edge = 1 / (2 * len(values))
    z0 = ndtri(min(max(share, edge), 1 - edge))
    distance = without[np.isfinite(without)]
    distance = distance.mean() - distance if len(distance) else np.zeros(1)
    spread = np.sum(distance**2)
    a = np.sum(distance**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = ndtri([alpha / 2, 1 - alpha / 2])
    levels = ndtr(z0 + (z0 + z) / (1 - a * (z0 + z)))
    low, high = np.quantile(values, levels, method="linear")
    return float(low), float(high)
