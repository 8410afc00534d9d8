"""Log-probabilities of categories and their derivatives, tails included."""

import numpy as np
import pytest
from scipy import special

from numbamm.glm.cumulative.cumulative_family import ordinal_family
from numbamm.glm.cumulative.cumulative_rows import LOWER, RATE, UPPER, UPPER_SLOPE
from numbamm.glm.link import LINKS
from numbamm.glm.row_kernels import (
    DEVIANCE,
    FIRST,
    INFORMATION,
    LINES,
    NO_BARRIER,
    OBSERVED_SLOPE,
    SCORE,
    SECOND,
    THIRD,
    WORKING,
    evaluate_rows,
)

NAMES = ["logit", "probit", "cloglog", "loglog", "cauchit"]
FAMILY = ordinal_family(4)

#: log F and log(1 - F).
LOGS = {
    "logit": (special.log_expit, lambda x: special.log_expit(-x)),
    "probit": (special.log_ndtr, lambda x: special.log_ndtr(-x)),
    "cloglog": (lambda x: np.log(-np.expm1(-np.exp(x))), lambda x: -np.exp(x)),
    "loglog": (lambda x: -np.exp(-x), lambda x: np.log(-np.expm1(-np.exp(-x)))),
    "cauchit": (
        lambda x: np.log(np.arctan2(1, -x) / np.pi),
        lambda x: np.log(np.arctan2(1, x) / np.pi),
    ),
}


def evaluated(what, name, upper, lower, eta=0.0, rate=1.0, w=1.0):
    both = np.broadcast_arrays(upper, lower, eta, rate)
    upper, lower, eta, rate = (np.array(a, dtype=float) for a in both)
    n = len(eta)
    out, table, ones = np.zeros((LINES, n)), np.empty((3, n)), np.full(n, w)
    table[UPPER], table[LOWER], table[RATE] = upper, lower, rate
    _, kernel = FAMILY.addresses(LINKS[name])
    evaluate_rows(what, 0, kernel, ones, ones, ones, 0.0, 0.0, eta, table, NO_BARRIER, out)
    return out


def log_difference(name, a, b):
    """log(F(a) - F(b)) by the tail that both are in."""
    low, high = LOGS[name]
    with np.errstate(all="ignore"):
        below = low(a) + np.log(-np.expm1(low(b) - low(a)))
        above = high(b) + np.log(-np.expm1(high(a) - high(b)))
        return np.where(low(b) < np.log(0.5), below, above)


@pytest.mark.parametrize("name", NAMES)
def test_log_probabilities_far_into_both_tails(name):
    b = np.array([-200.0, -35.0, -8.0, -1.0, 0.0, 0.5, 2.0, 3.5])
    for gap in (0.3, 1.0, 5.0):
        got = -0.5 * evaluated(DEVIANCE, name, b + gap, b)[FIRST]
        want = log_difference(name, b + gap, b)
        known = np.isfinite(want)
        assert known.sum() > 4
        np.testing.assert_allclose(got[known], want[known], rtol=1e-10, atol=1e-13)
    upper, lower = np.r_[b, np.full(8, np.inf)], np.r_[np.full(8, -np.inf), b]
    ends = -0.5 * evaluated(DEVIANCE, name, upper, lower)[FIRST]
    low, high = LOGS[name]
    with np.errstate(all="ignore"):
        want = np.r_[low(b), high(b)]
    known = np.isfinite(want)
    np.testing.assert_allclose(ends[known], want[known], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["logit", "probit"])
def test_a_narrow_category_has_the_densitys_probability(name):
    gap, x = 1e-7, np.array([-30.0, -3.0, 0.0, 2.0, 30.0])
    log_density = {
        "logit": special.log_expit(x) + special.log_expit(-x),
        "probit": -x * x / 2 - np.log(2 * np.pi) / 2,
    }[name]
    got = -0.5 * evaluated(DEVIANCE, name, x + gap / 2, x - gap / 2)[FIRST]
    np.testing.assert_allclose(got, log_density + np.log(gap), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_log_probability(name):
    rng = np.random.default_rng(2)
    n, h, w = 40, 1e-5, 1.7
    lower = np.r_[np.full(8, -np.inf), 1.5 * rng.normal(size=n - 8)]
    upper = np.where(np.isinf(lower), rng.normal(size=n), lower + rng.exponential(size=n) + 0.1)
    upper[-8:] = np.inf
    eta, rate = rng.normal(size=n), np.exp(0.3 * rng.normal(size=n))

    def at(what, line, in_eta=0.0, in_upper=0.0):
        return evaluated(what, name, upper + in_upper, lower, eta + in_eta, rate, w)[line]

    def slope(what, line, of):
        return (at(what, line, **{of: h}) - at(what, line, **{of: -h})) / (2 * h)

    for got, want in (
        (at(WORKING, SCORE), -0.5 * slope(DEVIANCE, FIRST, "in_eta")),
        (at(INFORMATION, SECOND), -slope(WORKING, SCORE, "in_eta")),
        (at(OBSERVED_SLOPE, FIRST), slope(INFORMATION, SECOND, "in_eta")),
        (at(UPPER_SLOPE, FIRST), slope(DEVIANCE, FIRST, "in_upper")),
        (at(UPPER_SLOPE, SECOND), slope(WORKING, SCORE, "in_upper")),
        (at(UPPER_SLOPE, THIRD), slope(INFORMATION, SECOND, "in_upper")),
    ):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_thresholds_in_the_wrong_order_have_no_probability():
    assert np.isnan(evaluated(DEVIANCE, "logit", [0.0, 1.0], [0.0, 2.0])[FIRST]).all()


@pytest.mark.parametrize("name", NAMES)
def test_wide_categories_have_finite_derivatives(name):
    upper, lower = np.array([1e3, 1.0, np.inf, 600.0]), np.array([-1.0, -1e3, -500.0, -600.0])
    for what, line in ((WORKING, SCORE), (INFORMATION, SECOND), (UPPER_SLOPE, THIRD)):
        assert np.isfinite(evaluated(what, name, upper, lower)[line]).all()
