"""Adjusted p-values and intervals, by scipy and by their definitions."""

import numpy as np
import pytest
from scipy.stats import studentized_range, t

from numbamm.inference.fixed import adjust
from numbamm.inference.marginal.multivariate_t import beyond


def test_adjusted_pvalues():
    """R's p.adjust and ptukey of the same numbers."""
    statistic, df = np.array([3.2, 2.1, 0.4, 2.6]), np.array([20.0, 20.0, np.inf, 20.0])
    plain = 2 * t.sf(statistic, df)
    adjusted = {m: adjust.pvalues(m, plain, statistic, df, 4, np.eye(4)) for m in adjust.METHODS}
    np.testing.assert_allclose(adjusted["none"], plain)
    np.testing.assert_allclose(adjusted["bonferroni"], np.minimum(1, 4 * plain))
    np.testing.assert_allclose(adjusted["sidak"], 1 - (1 - plain) ** 4)
    expected = [4 * plain[0], 2 * plain[1], plain[2], 3 * plain[3]]
    np.testing.assert_allclose(adjusted["holm"], expected)
    expected = studentized_range.sf(np.sqrt(2) * statistic, 4, df)
    np.testing.assert_allclose(adjusted["tukey"], expected)
    independent = [beyond([x], np.eye(4), nu)[0] for x, nu in zip(statistic, df, strict=True)]
    np.testing.assert_allclose(adjusted["mvt"], independent)
    assert (adjusted["mvt"] <= adjusted["sidak"] * 1.001).all()
    assert (adjusted["holm"] <= adjusted["bonferroni"]).all()


def test_holm_never_decreases():
    plain = np.array([0.01, 0.011, 0.5])
    found = adjust.pvalues("holm", plain, plain, plain, 3)
    np.testing.assert_allclose(found, [0.03, 0.03, 0.5])


@pytest.mark.parametrize("method", ["tukey", "bonferroni", "sidak"])
def test_intervals_and_tests_agree(cake, method):
    """An interval's ends are the differences whose adjusted p is alpha."""
    frame = cake.emmeans("recipe").pairs(method).to_frame()
    half = (frame["upper"] - frame["estimate"]) / frame["se"]
    plain = 2 * t.sf(half, frame["df"])
    np.testing.assert_allclose(adjust.pvalues(method, plain, half, frame["df"], 3), 0.05, rtol=1e-6)
