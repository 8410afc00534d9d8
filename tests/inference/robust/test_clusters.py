"""Clusters: independent groups of rows."""

import numpy as np

import numbamm as mm
from numbamm.inference.robust.clusters import Clusters


def test_batches_hold_each_row_once():
    d = mm.datasets.load("cbpp")  # herds of one to four rows
    m = mm.lmm("incidence ~ 1 + (1 | herd)", d)
    clusters = Clusters.of(m, None)
    seen = []
    for rows in clusters.batches(40, 50):
        assert rows.shape[0] * rows.shape[1] ** 2 <= 40
        for cluster in rows:
            assert len(set(d["herd"].iloc[cluster])) == 1
            seen += list(cluster)
    assert sorted(seen) == list(range(len(d))) and clusters.count == 15


def test_nested_factors_have_the_outer_one_as_clusters():
    m = mm.lmm("strength ~ 1 + (1 | batch / cask)", mm.datasets.load("Pastes"))
    clusters = Clusters.of(m, None)
    assert clusters.name == "batch" and clusters.count == 10
    assert np.bincount(clusters.codes).tolist() == [6] * 10
