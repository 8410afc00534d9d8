"""Rows of clusters that tell the same: large clusters against the batches of small ones."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.robust import cluster_robust
from numbamm.inference.robust.cluster_rows import ClusterRows


def model(weights=None, n=400, **options):
    rng = np.random.default_rng(4)
    g = rng.permutation(np.repeat(np.arange(5), n // 5))
    d = pd.DataFrame({"g": g, "s": rng.integers(0, 6, n), "x": rng.normal(30, 2, n)})
    d["one"], d["w"] = (g == 2) * 1.0, rng.uniform(0.3, 4, n)
    d["y"] = rng.normal(size=5)[g] + rng.normal(size=30)[g * 6 + d["s"]] + rng.normal(size=n)
    return mm.lmm("y ~ x + one + (1 | g / s)", d, weights=weights, **options)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("kind", ["CR0", "CR2"])
def test_large_clusters(monkeypatch, weights, kind):
    """Rotated, by quadrature, and with matrices of n × n."""
    m = model(weights)
    monkeypatch.setattr(cluster_robust, "LARGE", 10)
    fast = m.coefficient_method(None, kind, "g")
    monkeypatch.setattr(cluster_robust, "LARGE", 1000)
    monkeypatch.setattr(ClusterRows, "rotated", lambda rows: rows)
    whole = m.coefficient_method(None, kind, "g")
    scale = np.sqrt(np.diag(whole.vcov))
    assert_allclose((fast.vcov - whole.vcov) / np.outer(scale, scale), 0, atol=1e-9)
    L = np.eye(3)
    assert_allclose(fast.df(L), whole.df(L), rtol=1e-8)
    assert_allclose(fast.joint(L[1:2], np.zeros(1)), whole.joint(L[1:2], np.zeros(1)), rtol=1e-8)


def test_dispersions_of_strata_are_not_rotated():
    """Rows of two variances in a cluster keep them; those of one variance by cluster are turned."""
    from numbamm.inference.robust.clusters import Clusters

    within = model(dispersion="exp(x)")
    clusters = Clusters.of(within, "g")
    source = cluster_robust.RowsOfClusters(within, clusters)
    rows = source.of(next(clusters.batches(10, 10)))
    assert rows.rotated() is rows
    between = model(dispersion="exp(one)")
    source = cluster_robust.RowsOfClusters(between, clusters)
    rows = source.of(next(clusters.batches(10, 10)))
    assert rows.rotated().x.shape[1] == source.columns(next(clusters.batches(10, 10))) == 10
