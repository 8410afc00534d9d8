"""BCa intervals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import bootstrap as scipy_bootstrap

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.resampling.bca import corrected, jackknife
from numbamm.inference.robust.clusters import Clusters


def test_intervals_of_a_mean_agree_with_scipy():
    x = np.random.default_rng(1).exponential(size=40)
    found = scipy_bootstrap(
        (x,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(2)
    )
    without = np.array([np.delete(x, i).mean() for i in range(40)])
    ours = corrected(found.bootstrap_distribution, x.mean(), without, 0.05)
    assert_allclose(ours, found.confidence_interval, rtol=2e-3)


def test_without_each_cluster():
    data = mm.datasets.load("sleepstudy")
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", data)
    b = m.bootstrap(60, seed=1, kind="cases")
    values = jackknife(m, b.names, Clusters.of(m, None))
    other = mm.lmm(m.formula, data[data["Subject"].astype(str) != "309"])
    assert_allclose(values[1], b.names.row_of(other), rtol=1e-4)
    limits = b.conf_int(method="bca")
    assert (limits[0] < limits[1]).all() and "bca" in limits.title


def test_crossed_factors_have_no_independent_clusters():
    m = mm.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.datasets.load("Penicillin"))
    with pytest.raises(OptionError, match="crossed"):
        m.bootstrap(5, seed=1).conf_int(method="bca")


def test_nothing_to_correct():
    values = np.linspace(-1, 1, 1001)
    symmetric = np.array([-0.1, 0.1])
    assert_allclose(corrected(values, 0.0, symmetric, 0.1), [-0.9, 0.9], atol=0.01)
    assert np.isnan(corrected(np.empty(0), 0.0, symmetric, 0.1)).all()
