"""Families and links, all records of the registries: densities against scipy, derivatives against
differences, tails, draws. A new record is tested by being there."""

import decimal
import pickle
from decimal import Decimal

import numpy as np
import pytest
from glm.one_row import (
    BINOMIAL,
    NEGATIVE_BINOMIAL,
    POISSON,
    SHAPE,
    by_name,
    contribution,
    deviance,
    etas,
    slopes,
)
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats
from scipy.special import gammaln, xlogy

from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS

#: Others are known by their log-densities, see `parts`.
OF_ONE_PREDICTOR = [family for family in FAMILIES if family.rows is not None]
GAMMA = FAMILIES["gamma"]
DISPERSED = [family for family in OF_ONE_PREDICTOR if family.dispersed]
PAIRS = [
    pytest.param(family, link, id=f"{family}-{link}")
    for family in OF_ONE_PREDICTOR
    for link in LINKS
    if family.proportions or not link.onto_unit
]


def response(family):
    return 0.25 if family.proportions else 2.0


# ---- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_derivatives_are_differences(family, link):
    y, w, h = response(family), 4.0, 1e-4
    for eta in etas(family, link):
        below, at, above = (contribution(family, link, y, w, eta + k * h) for k in (-1, 0, 1))
        _, score, expected, observed = at
        assert score == pytest.approx(-(above[0] - below[0]) / (4 * h), rel=1e-5, abs=1e-5)
        assert observed == pytest.approx(-(above[1] - below[1]) / (2 * h), rel=1e-5, abs=1e-5)
        of_expected, of_observed = slopes(family, link, y, w, eta)
        assert of_expected == pytest.approx((above[2] - below[2]) / (2 * h), rel=1e-5, abs=1e-5)
        assert of_observed == pytest.approx((above[3] - below[3]) / (2 * h), rel=1e-5, abs=1e-5)
        mu = link.mean([eta])[0]
        _, at_mean, _, both = contribution(family, link, mu, w, eta)
        assert expected == pytest.approx(both, rel=1e-9)
        assert at_mean == pytest.approx(0.0, abs=1e-9)
        if family.is_canonical(link):
            assert observed == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_perfect_fit_has_no_deviance(family, link):
    for eta in etas(family, link):
        y = link.mean([eta])[0]
        assert deviance(family, link, y, 3.0, eta) == pytest.approx(0.0, abs=1e-14)
        assert deviance(family, link, y, 3.0, 1.05 * eta) > 0


@pytest.mark.parametrize("family", by_name([POISSON, GAMMA]))
def test_large_responses_keep_their_digits(family):
    """d near a perfect fit is that of its Taylor series, V⁻¹(y - μ)², to nine digits of 10⁶."""
    y, eta = 1e6, np.log(1e6) + 1e-5
    expected = (np.exp(eta) - y) ** 2 / family.variance_at(y)
    assert deviance(family, LINKS["log"], y, 1.0, eta) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("family", by_name(OF_ONE_PREDICTOR))
def test_variance_is_what_the_information_says(family):
    """With the identity, the expected information is w / V(μ)."""
    expected = contribution(family, LINKS["identity"], response(family), 1.0, 0.4)[2]
    assert 1 / family.variance_at(0.4, SHAPE) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["probit", "cloglog", "loglog", "log", "logit"])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_binomial_derivatives_in_the_tails(name, y):
    """Finite where μ or 1 - μ is too small for a number, and what differences say."""
    link = LINKS[name]
    for eta in (-60.0, -39.0, -7.3, 5.2, 6.6, 39.0):
        if name == "log" and eta > 0:
            continue
        h = 1e-4 * min(1.0, np.exp(-abs(eta) / 8)) if "log" in name else 1e-3
        f = [deviance(BINOMIAL, link, y, 1.0, eta + k * h) for k in (-1, 0, 1)]
        _, score, expected, observed = contribution(BINOMIAL, link, y, 1.0, eta)
        assert np.isfinite([score, expected, observed]).all()
        assert expected >= 0
        noise = 1e-15 * abs(f[1]) / h
        assert score == pytest.approx(-(f[2] - f[0]) / (4 * h), rel=1e-4, abs=noise + 1e-12)


# ---- what the rows share -----------------------------------------------------------------------

POSITIVE = np.array([0.3, 1.1, 2.5, 0.7, 4.0])
WEIGHTS = np.array([1.0, 2.0, 1.0, 0.5, 3.0])
#: Of each family scipy's distribution of the response, or of successes: of mean, φ and shape.
DISTRIBUTIONS = {
    "bernoulli": lambda mu, phi: stats.bernoulli(mu),
    "binomial": lambda mu, phi: stats.binom(8, mu),
    "poisson": lambda mu, phi: stats.poisson(mu),
    "negativebinomial": lambda mu, phi: stats.nbinom(SHAPE, SHAPE / (SHAPE + mu)),
    "gamma": lambda mu, phi: stats.gamma(1 / phi, scale=mu * phi),
    "inversegaussian": lambda mu, phi: stats.invgauss(mu * phi, scale=1 / phi),
    "gaussian": lambda mu, phi: stats.norm(mu, np.sqrt(phi)),
}


def test_each_family_has_a_distribution():
    assert set(DISTRIBUTIONS) == {family.name for family in OF_ONE_PREDICTOR}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_density_quantiles_and_draws_are_those_of_scipy(name):
    family, mu, link = FAMILIES[name], 0.4, LINKS["identity"]
    trials = 8.0 if family.weights == "trials" else 1.0
    phi = 0.6 if family.dispersed else 1.0
    known, w = DISTRIBUTIONS[name](mu, phi), np.array([trials])
    y = np.array([2 / trials if family.proportions and trials > 1 else 1.0])
    constant = family.constant(y, w, SHAPE, phi)
    total = deviance(family, link, y[0], trials, mu) / phi + constant
    log_f = known.logpmf if family.discrete else known.logpdf
    assert total == pytest.approx(-2 * float(log_f(y[0] * trials)), rel=1e-9)
    p = np.array([0.03, 0.5, 0.98])
    assert_allclose(family.quantiles(p, mu, trials, phi, SHAPE), known.ppf(p) / trials)
    if family.zero is not None:
        zero = family.zeros(np.array([mu]), w, SHAPE)
        assert_allclose(zero, known.pmf(0))
    n = 20_000
    drawn = family.draws(np.random.default_rng(5), np.full(n, mu), np.full(n, trials), phi, SHAPE)
    error = known.std() / trials / np.sqrt(n)
    assert abs(drawn.mean() - mu) < 5 * error
    V = phi * family.variance_at(mu, SHAPE) / trials
    assert drawn.var() == pytest.approx(V, rel=0.1)
    assert family.supports(drawn).all()


@pytest.mark.parametrize("family", by_name(OF_ONE_PREDICTOR))
def test_what_every_family_can_do(family):
    """Support in words, means to start from, quantiles that draws agree with, pickles."""
    link, w, rng = LINKS.of(family.link), np.ones(4000), np.random.default_rng(2)
    mu = np.full(4000, family.example)
    y = family.draws(rng, mu, w, 0.5, SHAPE)
    assert family.supports(y).all() and family.support
    low, high = (family.quantiles(p, family.example, 1.0, 0.5, SHAPE) for p in (0.1, 0.9))
    assert np.mean(y < low) <= 0.1 + 0.02 and np.mean(y > high) <= 0.1 + 0.02
    assert np.mean(y <= low) >= 0.1 - 0.02 and np.mean(y <= high) >= 0.9 - 0.02
    eta = link.eta(family.first_means(link, y, w))
    assert np.isfinite(family.deviances(link, SHAPE, y, eta)).all()
    assert pickle.loads(pickle.dumps(family)) is family
    assert FAMILIES[family.name.upper()] is family
    for alias in family.aliases:
        assert FAMILIES[alias] is family


@pytest.mark.parametrize("family", by_name(DISPERSED))
@pytest.mark.parametrize("penalised", [8.0, 300.0])
def test_dispersion_is_the_best_one(family, penalised):
    def objective(log_phi):
        phi = np.exp(log_phi)
        return penalised / phi + family.constant(POSITIVE, WEIGHTS, 0.0, phi)

    found = family.best_dispersion(WEIGHTS, penalised)
    best = optimize.minimize_scalar(objective, bounds=(-12, 12), options={"xatol": 1e-9})
    assert np.log(found) == pytest.approx(best.x, abs=1e-6)


@pytest.mark.parametrize("family", by_name(DISPERSED))
def test_no_dispersion_where_rows_are_fitted_perfectly(family):
    assert family.best_dispersion(WEIGHTS, 0.0) == 0


@pytest.mark.parametrize("phi", [1e-9, 1e-3, 0.5, 80.0])
def test_gamma_of_any_precision(phi):
    """At μ = y the density is that of scipy, as far as scipy's cancellation lets it be known."""
    expected = -2 * stats.gamma.logpdf(POSITIVE, 1 / phi, scale=POSITIVE * phi).sum()
    ours = GAMMA.constant(POSITIVE, np.ones(5), 0.0, phi)
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-4 if phi < 1e-6 else 1e-9)


@pytest.mark.parametrize("shape", [0.3, 15.9, 16.0, 250.0, 1e8, np.inf])
def test_negative_binomial_of_any_shape(shape):
    """log Γ(s + y) - log Γ(s) - y log s is a sum of logarithms; 0 for a Poisson distribution."""
    counts, ones = np.array([0, 1, 2, 9, 60]), np.ones(5)
    rising = [sum(np.log1p(k / shape) for k in range(count)) for count in counts]
    rest = counts if np.isinf(shape) else (counts + shape) * np.log1p(counts / shape)
    expected = -2 * np.sum(rising + xlogy(counts, counts) - rest - gammaln(counts + 1.0))
    found = NEGATIVE_BINOMIAL.constant(counts, ones, shape, 1.0)
    assert found == pytest.approx(expected, abs=1e-6 / shape + 1e-6)


@pytest.mark.parametrize(
    "family", by_name(f for f in OF_ONE_PREDICTOR if f.dispersed or f.has_shape)
)
@pytest.mark.parametrize("at", [0.01, 0.8, 30.0, 3000.0])
def test_slopes_in_shape_and_dispersion(family, at):
    y = np.array([0.0, 3.0, 1.0, 7.0, 2.0]) if family.counts else POSITIVE
    h = 1e-4
    there = [family.constant(y, WEIGHTS, a, a) for a in at * np.exp([-h, h])]
    slope = family.constant_slope(y, WEIGHTS, at, at)
    assert slope == pytest.approx((there[1] - there[0]) / (2 * h), rel=1e-5, abs=1e-6)


def test_constants_of_large_counts():
    """No digits are lost to what log Γ of large numbers share."""
    y, ones = np.array([1e12]), np.ones(1)
    # Stirling: the Poisson density at its own mean is 1 / √(2πy).
    expected = np.log(2 * np.pi * y[0])
    assert POISSON.constant(y, ones, 0, 1) == pytest.approx(expected, abs=1e-9)
    assert NEGATIVE_BINOMIAL.constant(y, ones, np.inf, 1) == pytest.approx(expected, abs=1e-9)
    # and that of the negative binomial is about that of a gamma distribution of the same shape
    gamma = GAMMA.constant(y, ones, 0, 1 / 2.5)
    assert NEGATIVE_BINOMIAL.constant(y, ones, 2.5, 1) == pytest.approx(gamma, abs=1e-9)


# ---- far from the mean ------------------------------------------------------------------------


def exact_deviance(family, shape, y, mu):
    """d(y, μ) with five hundred digits."""
    with decimal.localcontext() as context:
        context.prec, context.Emin, context.Emax = 500, -(10**6), 10**6
        y, mu, s = Decimal(y), Decimal(mu), Decimal(shape)
        term = y * (y / mu).ln() if y else Decimal(0)
        if family == "gamma":
            return float(2 * ((y - mu) / mu - (y / mu).ln()))
        if family == "inversegaussian":
            return float((y - mu) ** 2 / (mu**2 * y))
        if family == "poisson":
            return float(2 * (term - y + mu))
        return float(2 * (term - (y + s) * ((y + s) / (mu + s)).ln()))


@given(
    family=st.sampled_from(["poisson", "negativebinomial", "gamma", "inversegaussian"]),
    y=st.floats(-150, 12),
    log_mu=st.floats(-150, 12),
    shape=st.floats(-6, 12),
    near=st.booleans(),
)
@example("poisson", 0.30103, -45.0, 0.0, False)  # an exposure of next to nothing
@example("negativebinomial", 0.0, 12.0, -6.0, False)
@example("negativebinomial", 12.0, 11.0, 0.0, False)
@example("gamma", -150.0, 1.0, 0.0, False)
@example("inversegaussian", -150.0, -150.0, 0.0, True)
def test_unit_deviances_keep_their_digits(family, y, log_mu, shape, near):
    """For responses far below their means, far above, and close."""
    y, shape, link = 10.0**y, 10.0**shape, LINKS["log"]
    eta = np.log(y) + 1e-3 * np.sin(log_mu) if near else log_mu * np.log(10)
    mu = link.mean([eta])[0]
    found = deviance(FAMILIES[family], link, y, 1.0, eta, shape)
    expected = exact_deviance(family, shape, y, mu)
    # Next to μ, d is a difference of two terms of this size, or the square of one of few digits.
    size = (y - mu) / mu if family == "gamma" else y - mu
    tolerance = 4e-15 * abs(size) + 1e-300
    assert found == pytest.approx(expected, rel=1e-12, abs=4 * tolerance)


@pytest.mark.parametrize("family", by_name(f for f in OF_ONE_PREDICTOR if f.has_shape))
@pytest.mark.parametrize("what", [row_kernels.EXPECTED_SHAPE, row_kernels.OBSERVED_SHAPE])
@pytest.mark.parametrize("y", [0.0, 1e-20, 3.0, 1e7])
@pytest.mark.parametrize("eta", [-60.0, 0.7, 25.0])
def test_shape_slopes_are_differences(family, what, y, eta):
    """In the logarithm of the shape, where counts are far from mean and shape."""
    which = 2 if what == row_kernels.EXPECTED_SHAPE else 3
    for shape in (1e-4, 2.0, 1e5):
        h, link, at = 1e-4, LINKS["log"], (np.array([y]), np.array([2.0]), np.array([eta]))
        below, above = (
            contribution(family, link, y, 2.0, eta, shape * np.exp(k * h)) for k in (-1, 1)
        )
        found = family.evaluate(what, link, shape, *at)[
            row_kernels.FIRST : row_kernels.THIRD + 1, 0
        ]
        for k, value in zip((0, 1, which), found, strict=True):
            scale = max(abs(below[0]) * 1e-11, 1e-9 * (abs(below[k]) + 1))
            expected = (above[k] - below[k]) / (2 * h)
            assert value == pytest.approx(expected, rel=1e-4, abs=scale + 1e-7)


@pytest.mark.parametrize("y", [0.0, 2.0, 40.0])
def test_negative_binomial_of_infinite_shape_is_poisson(y):
    nb = contribution(NEGATIVE_BINOMIAL, LINKS["log"], y, 2.0, 0.8, np.inf)
    assert nb == pytest.approx(contribution(POISSON, LINKS["log"], y, 2.0, 0.8))
