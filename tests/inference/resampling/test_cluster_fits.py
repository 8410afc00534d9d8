"""Bootstraps of clusters whose products are gathered, against fits of the drawn rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.resampling.cluster_fits import ClusterFits, can_be_gathered
from numbamm.inference.resampling.resampled_fits import CaseFits
from numbamm.inference.robust.clusters import Clusters


def data():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(14), rng.integers(1, 9, 14))  # clusters of other sizes
    d = pd.DataFrame({"g": g, "x": 1e3 + rng.normal(size=len(g)), "w": rng.uniform(0.5, 2, len(g))})
    d["f"] = np.where(g % 7 == 0, "rare", "usual")
    u, v = rng.normal(size=(2, 14))
    d["y"] = 50 + 3 * d["x"] + u[g] + v[g] * (d["x"] - 1e3) + rng.normal(size=len(g))
    return d.sample(frac=1, random_state=1)  # rows in no order


MODELS = {
    "slopes": ("y ~ x + (1 + x | g)", {}),
    "weights": ("y ~ x + (1 | g)", {"weights": "w", "reml": True}),
    "offset, known sigma": ("y ~ x + offset(x) + (1 | g)", {"sigma": 1.1}),
    "a level that draws may lack": ("y ~ f + (1 | g)", {"reml": True}),
    "uncorrelated": ("y ~ 1 + (1 | g) + (0 + x | g)", {"amalgamate": True}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_same_as_fits_of_the_rows(name):
    formula, options = MODELS[name]
    m = mm.lmm(formula, data(), **options)
    names, clusters = EstimateColumns.of(m), Clusters.of(m, None)
    assert can_be_gathered(m, clusters)
    gathered, failed = ClusterFits(m, names, 7, clusters)(range(12))
    rows, failed_too = CaseFits(m, names, 7, clusters)(range(12))
    assert set(failed) == set(failed_too)
    first = np.array([gathered[i] for i in range(12) if i not in failed])
    second = np.array([rows[i] for i in range(12) if i not in failed])
    assert len(first) and len(failed) < 12
    at = names.columns.index("objective")
    assert_allclose(first[:, at], second[:, at], rtol=1e-7, atol=1e-6)
    others = [j for j, column in enumerate(names.columns) if j != at]
    scale = np.abs(second).max(axis=0)
    scale[scale == 0] = 1.0  # θ of a variance that is zero in all
    assert_allclose(first[:, others] / scale[others], second[:, others] / scale[others], atol=2e-3)


def test_crossed_factors_and_coarser_clusters_are_built_from_rows():
    d = data()
    d["h"] = d["g"] // 2
    m = mm.lmm("y ~ x + (1 | g)", d)
    assert not can_be_gathered(m, Clusters.of(m, d["h"]))
    crossed = mm.lmm("y ~ x + (1 | g) + (1 | f)", d)
    assert not can_be_gathered(crossed, Clusters.of(crossed, d["g"], independent=False))
