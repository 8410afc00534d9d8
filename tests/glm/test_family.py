"""Families and links: densities against scipy, derivatives against differences, tails."""

import decimal
from decimal import Decimal

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats
from scipy.special import gammaln, xlogy

from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.glm.family import contribution

ETA = {
    "identity": [0.4, 0.7, 2.0],
    "inverse": [0.4, 0.7, 2.0],
    "inverse-squared": [0.4, 0.7, 2.0],
    "sqrt": [0.4, 0.7, 2.0],
}
UNIT = {links.LOGIT, links.PROBIT, links.CLOGLOG, links.LOGLOG, links.CAUCHIT}
CASES = [
    (family, name)
    for family in range(6)
    for name, code in links.NAMES.items()
    if family == families.BINOMIAL or code not in UNIT
]
#: η of means inside (0, 1).
BINOMIAL_ETA = {"identity": [0.3, 0.6], "inverse": [1.5, 3.0], "inverse-squared": [1.5, 3.0]}
BINOMIAL_ETA |= {"sqrt": [0.4, 0.8], "log": [-0.4, -2.0], "logit": [-0.4, 0.6]}
RESPONSE = {families.BINOMIAL: 0.25, families.INVERSE_GAUSSIAN: 0.8}
SHAPE = 1.7


def deviance(family, code, y, w, eta):
    return contribution(family, code, SHAPE, y, w, eta)[0]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_score_and_information_are_derivatives(family, name):
    code, y, w, h = links.NAMES[name], RESPONSE.get(family, 2.0), 4.0, 1e-4
    for eta in BINOMIAL_ETA.get(name, [-0.5]) if family == 0 else ETA.get(name, [-1.5, 0.3, 1.1]):
        if family not in (families.BINOMIAL, families.GAUSSIAN) and links.inverse(code, eta)[0] < 0:
            continue
        f = [deviance(family, code, y, w, eta + k * h) for k in (-1, 0, 1)]
        _, score, expected, observed = contribution(family, code, SHAPE, y, w, eta)
        assert score == pytest.approx(-(f[2] - f[0]) / (4 * h), rel=1e-5, abs=1e-6)
        assert observed == pytest.approx((f[2] - 2 * f[1] + f[0]) / (2 * h * h), rel=1e-4, abs=1e-5)
        mu, d, _ = links.inverse(code, eta)
        at_mean = contribution(family, code, SHAPE, mu, w, eta)
        assert expected == pytest.approx(at_mean[3], rel=1e-9)
        assert at_mean[1] == pytest.approx(0.0, abs=1e-9)
        assert d == pytest.approx(
            (links.inverse(code, eta + h)[0] - links.inverse(code, eta - h)[0]) / (2 * h), rel=1e-5
        )


@pytest.mark.parametrize(
    ("family", "y", "w", "logpdf"),
    [
        (families.BINOMIAL, 0.25, 8.0, lambda mu, phi: stats.binom.logpmf(2, 8, mu)),
        (families.POISSON, 3.0, 1.0, lambda mu, phi: stats.poisson.logpmf(3, mu)),
        (
            families.NEGATIVE_BINOMIAL,
            3.0,
            1.0,
            lambda mu, phi: stats.nbinom.logpmf(3, SHAPE, SHAPE / (SHAPE + mu)),
        ),
        (families.GAMMA, 3.0, 1.0, lambda mu, phi: stats.gamma.logpdf(3, 1 / phi, scale=mu * phi)),
        (
            families.INVERSE_GAUSSIAN,
            3.0,
            1.0,
            lambda mu, phi: stats.invgauss.logpdf(3, mu * phi, scale=1 / phi),
        ),
        (families.GAUSSIAN, 3.0, 1.0, lambda mu, phi: stats.norm.logpdf(3, mu, np.sqrt(phi))),
    ],
)
def test_density_with_its_constant(family, y, w, logpdf):
    mu, phi = 0.4, 1.0 if family not in families.DISPERSED else 0.6
    code = links.LOGIT if family == families.BINOMIAL else links.IDENTITY
    eta = np.log(mu / (1 - mu)) if code == links.LOGIT else mu
    constant = families.saturated(family, np.array([y]), np.array([w]), SHAPE, phi)
    total = deviance(family, code, y, w, eta) / phi + constant
    assert total == pytest.approx(-2 * logpdf(mu, phi), rel=1e-9)


@pytest.mark.parametrize("eta", [-600.0, -40.0, -15.0, 15.0, 40.0, 600.0])
@pytest.mark.parametrize(
    ("code", "distribution"),
    [(links.LOGIT, stats.logistic), (links.PROBIT, stats.norm), (links.CAUCHIT, stats.cauchy)],
)
def test_tails_are_exact(code, distribution, eta):
    assert_allclose(
        links.log_unit(code, eta), [distribution.logcdf(eta), distribution.logsf(eta)], rtol=1e-11
    )


@pytest.mark.parametrize("eta", [-600.0, -30.0, -1.0, 0.0, 1.0, 5.0])
def test_tails_of_the_complementary_links(eta):
    log_mu, log_rest = links.log_unit(links.CLOGLOG, eta)
    assert log_rest == pytest.approx(-np.exp(eta), rel=1e-12)
    assert log_mu == pytest.approx(np.log(-np.expm1(-np.exp(eta))), rel=1e-9)
    assert links.log_unit(links.LOGLOG, -eta) == pytest.approx((log_rest, log_mu), rel=1e-12)


@pytest.mark.parametrize("code", sorted(UNIT))
@pytest.mark.parametrize("eta", [-1e4, -700.0, 700.0, 1e4])
def test_extremes_do_not_overflow(code, eta):
    for y in (0.0, 1.0):
        assert np.isfinite(contribution(families.BINOMIAL, code, 0.0, y, 1.0, eta)[0])


# ---- what the rows share --------------------------------------------------------------------

POSITIVE = np.array([0.3, 1.1, 2.5, 0.7, 4.0])
WEIGHTS = np.array([1.0, 2.0, 1.0, 0.5, 3.0])


@pytest.mark.parametrize(("family", "name"), CASES)
def test_a_perfect_fit_has_no_deviance(family, name):
    code = links.NAMES[name]
    for eta in BINOMIAL_ETA.get(name, [-0.4]) if family == 0 else ETA.get(name, [-0.5, 0.3, 1.1]):
        y = links.inverse(code, eta)[0]
        if y < 0:
            continue  # the identity's, with a family of positive means
        assert deviance(family, code, y, 3.0, eta) == pytest.approx(0.0, abs=1e-14)
        assert deviance(family, code, y, 3.0, 1.1 * eta) > 0


def test_no_such_mean():
    """Outside what link and family allow the deviance is NaN, for PIRLS to keep away from."""
    assert np.isnan(deviance(families.BINOMIAL, links.LOG, 1.0, 1.0, 0.3))
    assert np.isnan(deviance(families.BINOMIAL, links.IDENTITY, 0.0, 1.0, -0.1))
    assert np.isnan(deviance(families.POISSON, links.IDENTITY, 0.0, 1.0, -0.1))
    assert np.isnan(deviance(families.POISSON, links.SQRT, 2.0, 1.0, -1.0))
    assert np.isfinite(deviance(families.POISSON, links.SQRT, 0.0, 1.0, -1.0))
    assert np.isnan(deviance(families.GAMMA, links.INVERSE, 2.0, 1.0, -1.0))


@pytest.mark.parametrize(
    ("family", "link"), [(families.POISSON, links.LOG), (families.GAMMA, links.LOG)]
)
def test_large_responses_keep_their_digits(family, link):
    """d near a perfect fit is that of its Taylor series, V⁻¹(y - μ)², to nine digits of 10⁶."""
    y, eta = 1e6, np.log(1e6) + 1e-5
    v = families.variance(family, 0.0, y)
    expected = (np.exp(eta) - y) ** 2 / v
    assert deviance(family, link, y, 1.0, eta) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("family", range(6))
def test_variance_is_what_the_information_says(family):
    """With the identity, the expected information is w / V(μ)."""
    mu = 0.4
    if family == families.BINOMIAL:
        expected = 1 / (mu * (1 - mu))
        assert 1 / families.variance(family, SHAPE, mu) == pytest.approx(expected)
        return
    expected = contribution(family, links.IDENTITY, SHAPE, 1.0, 1.0, mu)[2]
    assert 1 / families.variance(family, SHAPE, mu) == pytest.approx(expected)


@pytest.mark.parametrize("family", families.DISPERSED)
@pytest.mark.parametrize("penalised", [8.0, 300.0])
def test_dispersion_is_the_best_one(family, penalised):
    def objective(log_phi):
        phi = np.exp(log_phi)
        return penalised / phi + families.saturated(family, POSITIVE, WEIGHTS, 0.0, phi)

    found = families.dispersion(family, WEIGHTS, penalised)
    best = optimize.minimize_scalar(objective, bounds=(-12, 12), options={"xatol": 1e-9})
    assert np.log(found) == pytest.approx(best.x, abs=1e-6)


@pytest.mark.parametrize("family", families.DISPERSED)
def test_no_dispersion_where_rows_are_fitted_perfectly(family):
    assert families.dispersion(family, WEIGHTS, 0.0) == 0


@pytest.mark.parametrize("phi", [1e-9, 1e-3, 0.5, 80.0])
def test_gamma_of_any_precision(phi):
    """At μ = y the density is that of scipy, as far as scipy's cancellation lets it be known."""
    expected = -2 * stats.gamma.logpdf(POSITIVE, 1 / phi, scale=POSITIVE * phi).sum()
    ours = families.saturated(families.GAMMA, POSITIVE, np.ones(5), 0.0, phi)
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-4 if phi < 1e-6 else 1e-9)


@pytest.mark.parametrize("shape", [0.3, 15.9, 16.0, 250.0, 1e8, np.inf])
def test_negative_binomial_of_any_shape(shape):
    """log Γ(s + y) - log Γ(s) - y log s is a sum of logarithms; 0 for a Poisson distribution."""
    counts, ones = np.array([0, 1, 2, 9, 60]), np.ones(5)
    rising = [sum(np.log1p(k / shape) for k in range(count)) for count in counts]
    rest = counts if np.isinf(shape) else (counts + shape) * np.log1p(counts / shape)
    expected = -2 * np.sum(rising + xlogy(counts, counts) - rest - gammaln(counts + 1.0))
    found = families.saturated(families.NEGATIVE_BINOMIAL, counts, ones, shape, 1.0)
    assert found == pytest.approx(expected, abs=1e-6 / shape + 1e-6)


@pytest.mark.parametrize("family", [families.NEGATIVE_BINOMIAL, *families.DISPERSED])
@pytest.mark.parametrize("at", [0.01, 0.8, 30.0, 3000.0])
def test_slopes_in_shape_and_dispersion(family, at):
    y = np.array([0.0, 3.0, 1.0, 7.0, 2.0]) if family == families.NEGATIVE_BINOMIAL else POSITIVE
    h = 1e-4
    there = [families.saturated(family, y, WEIGHTS, a, a) for a in at * np.exp([-h, h])]
    slope = families.saturated_slope(family, y, WEIGHTS, at, at)
    assert slope == pytest.approx((there[1] - there[0]) / (2 * h), rel=1e-5, abs=1e-6)


# ---- far from the mean ------------------------------------------------------------------------


def exact_deviance(family, shape, y, mu):
    """d(y, μ) with five hundred digits."""
    with decimal.localcontext() as context:
        context.prec, context.Emin, context.Emax = 500, -(10**6), 10**6
        y, mu, s = Decimal(y), Decimal(mu), Decimal(shape)
        term = y * (y / mu).ln() if y else Decimal(0)
        if family == families.GAMMA:
            return float(2 * ((y - mu) / mu - (y / mu).ln()))
        if family == families.INVERSE_GAUSSIAN:
            return float((y - mu) ** 2 / (mu**2 * y))
        if family == families.POISSON:
            return float(2 * (term - y + mu))
        return float(2 * (term - (y + s) * ((y + s) / (mu + s)).ln()))


@given(
    family=st.sampled_from([families.POISSON, families.NEGATIVE_BINOMIAL, *families.DISPERSED[:2]]),
    y=st.floats(-150, 12),
    log_mu=st.floats(-150, 12),
    shape=st.floats(-6, 12),
    near=st.booleans(),
)
@example(families.POISSON, 0.30103, -45.0, 0.0, False)  # an exposure of next to nothing
@example(families.NEGATIVE_BINOMIAL, 0.0, 12.0, -6.0, False)
@example(families.NEGATIVE_BINOMIAL, 12.0, 11.0, 0.0, False)
@example(families.GAMMA, -150.0, 1.0, 0.0, False)
@example(families.INVERSE_GAUSSIAN, -150.0, -150.0, 0.0, True)
def test_unit_deviances_keep_their_digits(family, y, log_mu, shape, near):
    """For responses far below their means, far above, and close."""
    y, shape = 10.0**y, 10.0**shape
    eta = np.log(y) + 1e-3 * np.sin(log_mu) if near else log_mu * np.log(10)
    mu = links.inverse(links.LOG, eta)[0]
    found = contribution(family, links.LOG, shape, y, 1.0, eta)[0]
    expected = exact_deviance(family, shape, y, mu)
    # Next to μ, d is a difference of two terms of this size, or the square of one of few digits.
    size = (y - mu) / mu if family == families.GAMMA else y - mu
    tolerance = 4e-15 * abs(size) + 1e-300
    assert found == pytest.approx(expected, rel=1e-12, abs=4 * tolerance)


@pytest.fixture(scope="module")
def shape_slopes():
    """The kernel, which only other kernels call."""
    return numba.njit(lambda *at: families.shape_slopes(*at), error_model="numpy")


@pytest.mark.parametrize("y", [0.0, 1e-20, 3.0, 1e7])
@pytest.mark.parametrize("eta", [-60.0, 0.7, 25.0])
def test_shape_slopes_are_differences(y, eta, shape_slopes):
    """In the logarithm of the shape, where counts are far from mean and shape."""
    for shape in (1e-4, 2.0, 1e5):
        h = 1e-4
        at = [
            contribution(families.NEGATIVE_BINOMIAL, links.LOG, shape * np.exp(k * h), y, 2.0, eta)
            for k in (-1, 1)
        ]
        kernel, score, information = shape_slopes(links.LOG, False, shape, y, 2.0, eta)
        scale = abs(at[0][0]) * 1e-11
        assert kernel == pytest.approx((at[1][0] - at[0][0]) / (2 * h), rel=1e-4, abs=scale + 1e-9)
        assert score == pytest.approx((at[1][1] - at[0][1]) / (2 * h), rel=1e-4, abs=1e-7)
        assert information == pytest.approx((at[1][2] - at[0][2]) / (2 * h), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("y", [0.0, 2.0, 40.0])
def test_negative_binomial_of_infinite_shape_is_poisson(y):
    nb = contribution(families.NEGATIVE_BINOMIAL, links.LOG, np.inf, y, 2.0, 0.8)
    assert nb == pytest.approx(contribution(families.POISSON, links.LOG, 0.0, y, 2.0, 0.8))


@pytest.mark.parametrize("name", ["probit", "cloglog", "loglog", "log", "logit"])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_binomial_derivatives_in_the_tails(name, y):
    """Finite where μ or 1 - μ is too small for a number, and what differences say."""
    code = links.NAMES[name]
    for eta in (-60.0, -39.0, -7.3, 5.2, 6.6, 39.0):
        if name == "log" and eta > 0:
            continue
        h = 1e-4 * min(1.0, np.exp(-abs(eta) / 8)) if "log" in name else 1e-3
        f = [deviance(families.BINOMIAL, code, y, 1.0, eta + k * h) for k in (-1, 0, 1)]
        _, score, expected, observed = contribution(families.BINOMIAL, code, SHAPE, y, 1.0, eta)
        assert np.isfinite([score, expected, observed]).all()
        assert expected >= 0
        noise = 1e-15 * abs(f[1]) / h
        assert score == pytest.approx(-(f[2] - f[0]) / (4 * h), rel=1e-4, abs=noise + 1e-12)


def test_constants_of_large_counts():
    """No digits are lost to what log Γ of large numbers share."""
    y, ones = np.array([1e12]), np.ones(1)
    # Stirling: the Poisson density at its own mean is 1 / √(2πy).
    expected = np.log(2 * np.pi * y[0])
    assert families.saturated(families.POISSON, y, ones, 0, 1) == pytest.approx(expected, abs=1e-9)
    assert families.saturated(families.NEGATIVE_BINOMIAL, y, ones, np.inf, 1) == pytest.approx(
        expected, abs=1e-9
    )
    # and that of the negative binomial is about that of a gamma distribution of the same shape
    k, gamma = 2.5, families.saturated(families.GAMMA, y, ones, 0, 1 / 2.5)
    assert families.saturated(families.NEGATIVE_BINOMIAL, y, ones, k, 1) == pytest.approx(
        gamma, abs=1e-9
    )
