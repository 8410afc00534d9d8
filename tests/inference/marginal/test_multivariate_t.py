"""The largest of correlated t statistics, against other programs and exact cases."""

import numpy as np
import postfit_oracles
import pytest
from numpy.testing import assert_allclose
from scipy.stats import studentized_range, t

from numbamm.inference.marginal.multivariate_t import beyond, quantile

CAKE, CBPP = (postfit_oracles.entries()[name] for name in ("mvt_cake", "mvt_cbpp"))
#: Entries, and the error that directions leave: none with two dimensions.
ENTRIES = {
    "two": (CAKE["recipe_vs_first"]["mvt"], 1e-8),
    "pairs of three": (CAKE["recipe_vs_first"]["tukey_pairs_by_mvt"], 1e-7),
    "pairs of four": (CBPP["mvt"], 2e-6),
    "three": (CBPP["consec_mvt"], 5e-6),
    "five": (CAKE["temperature_vs_first"]["mvt"], 5e-5),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_oracles(name):
    entry, tolerance = ENTRIES[name]
    df = np.inf if entry["df"][0] is None else entry["df"][0]
    ours = beyond(entry["statistic"], entry["correlation"], df)
    assert_allclose(ours, entry["p_mvt"], atol=tolerance)


@pytest.mark.parametrize("df", [1.7, 30.0, np.inf])
def test_one_statistic_is_a_plain_t(df):
    for correlation in (np.eye(1), np.ones((3, 3))):  # three that are the same
        assert_allclose(beyond([2.0, 40.0], correlation, df), 2 * t.sf([2.0, 40.0], df), rtol=1e-9)
        assert_allclose(quantile(0.05, correlation, df), t.ppf(0.975, df), rtol=1e-7)


def test_uncorrelated_statistics_of_a_normal_distribution():
    plain = 2 * t.sf(2.5, np.inf)
    assert_allclose(beyond([2.5], np.eye(3), np.inf), 1 - (1 - plain) ** 3, rtol=1e-5)


def test_far_out_it_is_the_sum_of_the_probabilities():
    correlation = 0.5 + 0.5 * np.eye(5)
    assert_allclose(beyond([9.0], correlation, 210), 5 * 2 * t.sf(9.0, 210), rtol=0.05)


def test_pairs_of_equal_means_have_tukey_s_distribution():
    k = 5
    rows = [np.eye(k)[a] - np.eye(k)[b] for a in range(k) for b in range(a)]
    correlation = np.array(rows) @ np.array(rows).T / 2
    ours = beyond([2.0, 3.0], correlation, 12.0)
    assert_allclose(ours, studentized_range.sf(np.sqrt(2) * np.array([2, 3]), k, 12), atol=3e-5)
    c = quantile(0.05, correlation, 12.0)
    assert_allclose(c, studentized_range.ppf(0.95, k, 12) / np.sqrt(2), rtol=1e-4)
    assert_allclose(beyond([c], correlation, 12.0), 0.05, atol=1e-7)
