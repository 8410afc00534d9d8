"""Row kernels of families of several parameters: against scipy, sums to one, and differences."""

import numpy as np
import pytest
from glm.parts.part_families import (
    ALL,
    log_density,
    parameters,
    predictors,
    responses,
    rows,
    scipy_log_density,
    slopes,
    weights,
)
from numpy.testing import assert_allclose
from scipy.integrate import quad

from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.parts.mixture import HURDLE, INFLATED, PLAIN
from numbamm.glm.row_kernels import FIRST, INFORMATION, OBSERVED_SLOPE, SCORE, SECOND, WORKING

FAMILY = pytest.mark.parametrize("family", ALL.values(), ids=ALL)
KNOWN = {
    name: family
    for name, family in ALL.items()
    if scipy_log_density(
        family, responses(family), weights(family), np.full(4, 0.4), parameters(family)
    )
    is not None
}


def link_of(family) -> str:
    return "identity" if family.link == "identity" else ("logit" if family.unit else "log")


def lines(family, n=4):
    return np.repeat(predictors(family)[:, None], n, axis=1)


@pytest.mark.parametrize("family", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("eta", [-3.0, 0.1, 2.0])
def test_densities_are_those_of_scipy(family, eta):
    y, w, link = responses(family), weights(family), link_of(family)
    found = log_density(family, link, y, w, np.full(4, eta), lines(family))
    mu = LINKS[link].mean(np.full(4, eta))
    expected = scipy_log_density(family, y, w, mu, parameters(family))
    assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["genpois", "compois", "nbinom1", "truncated_nbinom1"])
@pytest.mark.parametrize("eta", [-2.0, 1.3])
def test_probabilities_of_counts_sum_to_one(name, eta):
    family, y = ALL[name], np.arange(0.0 if not ALL[name].positive else 1.0, 400.0)
    nu = lines(family, len(y))
    p = np.exp(log_density(family, "log", y, np.ones(len(y)), np.full(len(y), eta), nu))
    assert p.sum() == pytest.approx(1.0, abs=1e-11)
    if name in ("genpois", "compois"):  # by their means
        assert y @ p == pytest.approx(np.exp(eta), rel=1e-9)


@pytest.mark.parametrize("name", ["tweedie", "ordbeta"])
def test_densities_beside_points_of_mass_integrate_to_one(name):
    family = ALL[name]
    eta, link = 0.4, link_of(family)

    def density(y):
        arguments = np.array([y]), np.ones(1), np.array([eta]), lines(family, 1)
        return float(np.exp(log_density(family, link, *arguments))[0])

    top = 1.0 if family.unit else np.inf
    inside = quad(density, 1e-12, top, epsabs=1e-11, epsrel=1e-10, limit=300)[0]
    masses = density(0.0) + (density(1.0) if family.unit else 0.0)
    assert inside + masses == pytest.approx(1.0, abs=1e-7)


@FAMILY
@pytest.mark.parametrize("eta", [-0.8, 0.7])
def test_derivatives_in_eta_are_differences(family, eta):
    y, w, link, nu, h = responses(family), weights(family), link_of(family), lines(family), 1e-5
    at = [np.full(4, eta + k * h) for k in (-1, 0, 1)]
    f = [log_density(family, link, y, w, a, nu) for a in at]
    s = [rows(family, link, WORKING, y, w, a, nu)[SCORE] for a in at]
    v = [rows(family, link, INFORMATION, y, w, a, nu)[SECOND] for a in at]
    third = rows(family, link, OBSERVED_SLOPE, y, w, at[1], nu)[FIRST]
    assert_allclose(s[1], (f[2] - f[0]) / (2 * h), rtol=1e-6, atol=1e-6)
    assert_allclose(v[1], (s[0] - s[2]) / (2 * h), rtol=1e-6, atol=1e-6)
    assert_allclose(third, (v[2] - v[0]) / (2 * h), rtol=1e-6, atol=1e-6)


MIXTURES = [
    (name, kind)
    for name, family in ALL.items()
    for kind in (PLAIN, INFLATED, HURDLE)
    if kind != INFLATED or (family.discrete and not family.positive)
]


@pytest.mark.parametrize(("name", "kind"), MIXTURES)
def test_derivatives_in_other_predictors_are_differences(name, kind):
    """Of the family's parameters, and of the zeros."""
    family, h, eta = ALL[name], 1e-5, np.full(4, 0.3)
    y, w, link = responses(family), weights(family), link_of(family)
    y = np.where(np.arange(4) == 0, 0.0, y) if kind != PLAIN else y
    nu = lines(family)
    if kind != PLAIN:
        nu = np.vstack([nu, np.full(4, -0.6)])
    for k in range(len(nu)):
        move = np.zeros_like(nu)
        move[k] = h
        found = slopes(family, link, k, y, w, eta, nu, kind)

        def values(at):
            f = log_density(family, link, y, w, eta, at, kind)
            s = rows(family, link, WORKING, y, w, eta, at, kind)[SCORE]
            v = rows(family, link, INFORMATION, y, w, eta, at, kind)[SECOND]
            return np.array([f, s, -v])

        expected = (values(nu + move) - values(nu - move)) / (2 * h)
        assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_large_counts_and_proportions_at_the_ends():
    """Counts of 10⁶ and proportions within 1e-12 of 0 and 1 have finite, exact densities."""
    y = np.array([1e6, 1e6 + 30])
    for name in ("nbinom1", "truncated_nbinom2", "compois", "genpois", "nbinom12"):
        family = ALL[name]
        nu = np.zeros((len(family.parameters), 2))
        f = log_density(family, "log", y, np.ones(2), np.full(2, np.log(1e6)), nu)
        assert np.isfinite(f).all()
        known = scipy_log_density(family, y, 1.0, 1e6, parameters(family, nu[:, 0]))
        if known is not None:
            assert_allclose(f, known, rtol=1e-8)
    normal = -0.5 * np.log(2 * np.pi * 1e6)  # of the Poisson distribution, which φ = 1 is
    f = log_density(ALL["compois"], "log", y[:1], np.ones(1), np.log(y[:1]), np.zeros((1, 1)))
    assert f[0] == pytest.approx(normal, abs=1e-6)
    y = np.array([1e-12, 1 - 1e-12])
    for eta in (-12.0, 0.0, 12.0):
        f = log_density(ALL["beta"], "logit", y, np.ones(2), np.full(2, eta), np.ones((1, 2)))
        mu = LINKS["logit"].mean(np.full(2, eta))
        expected = scipy_log_density(ALL["beta"], y, 1.0, mu, {"precision": np.e})
        assert_allclose(f, expected, rtol=1e-8)


@pytest.mark.parametrize("size", [1e4, 1e8, 1e12])
def test_limits_are_reached_without_loss_of_digits(size):
    """A negative binomial of large shape is Poisson, t of many df normal, and so on."""
    y, eta, one = np.array([0.0, 3.0, 40.0]), np.full(3, 1.1), np.ones(3)
    poisson = log_density(ALL["poisson by density"], "log", y, one, eta, np.zeros((0, 3)))
    nb = ALL["negativebinomial by density"]
    big = np.full((1, 3), np.log(size))
    assert_allclose(log_density(nb, "log", y, one, eta, big), poisson, atol=2e3 / size + 1e-12)
    nb1 = log_density(ALL["nbinom1"], "log", y, one, eta, -big)
    assert_allclose(nb1, poisson, atol=2e3 / size + 1e-12)
    normal = log_density(ALL["gaussian by density"], "identity", y, one, eta, np.ones((1, 3)))
    nu = np.vstack([np.ones((1, 3)), big])
    t = log_density(ALL["student"], "identity", y, one, eta, nu)
    assert_allclose(t, normal, atol=1e5 / size + 1e-10)


def test_pairs_of_predictors_take_three_rows():
    """Weights of the three rows add up to the information about both predictors."""
    family = FAMILIES["nbinom1"]
    y = np.array([0.0, 0.0, 3.0])
    eta, zeta, h = np.array([0.2, 1.4, 0.3]), np.array([-0.5, 0.4, 0.1]), 1e-5
    nu = np.full((2, 3), 0.3)

    def score(a, b):
        three = [np.tile(x, 3) for x in (y, np.ones(3))]
        both = np.concatenate([a, b, a + b])
        out = rows(family, "log", WORKING, *three, both, nu, INFLATED, joint=True)
        return out[SCORE, :3], out[SCORE, 3:6]

    three = [np.tile(x, 3) for x in (y, np.ones(3))]
    both = np.concatenate([eta, zeta, eta + zeta])
    out = rows(family, "log", INFORMATION, *three, both, nu, INFLATED, joint=True)
    one, two, cross = out[SECOND].reshape(3, 3)
    for a, b, expected in ((h, 0.0, (one + cross, cross)), (0.0, h, (cross, two + cross))):
        above, below = score(eta + a, zeta + b), score(eta - a, zeta - b)
        for k in range(2):
            assert_allclose((below[k] - above[k]) / (2 * h), expected[k], rtol=1e-6, atol=1e-7)


def difference(values, step=1e-4):
    """The derivative of `values` at 0, by four points."""
    f = [values(k * step) for k in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)


@FAMILY
def test_all_derivatives_agree_with_differences_at_random_points(family):
    """With every link, alone, inflated and as a hurdle; the means suit all links.

    The gradients of models are sums of these: log-densities, scores and information by η and by
    every other predictor.
    """
    for kind in (kind for name, kind in MIXTURES if ALL[name] is family):
        for link in LINKS:
            compare_with_differences(family, link, kind)


def compare_with_differences(family, link, kind) -> None:
    """All derivatives of four rows at random predictors."""
    rng = np.random.default_rng(len(family.name) + len(link.name))
    eta, y, w = link.eta(rng.uniform(0.25, 0.75, 4)), responses(family), weights(family)
    y = np.where(np.arange(4) == 0, 0.0, y) if kind != PLAIN else y
    nu = lines(family) + 0.2 * rng.normal(size=(len(family.parameters), 4))
    nu = nu if kind == PLAIN else np.vstack([nu, rng.normal(size=4)])
    context = {"rtol": 1e-6, "atol": 1e-6, "err_msg": f"{link.name}, {kind}"}

    def values(at, others):
        arguments = y, w, at, others, kind
        f = log_density(family, link.name, *arguments)
        s = rows(family, link.name, WORKING, *arguments)[SCORE]
        v = rows(family, link.name, INFORMATION, *arguments)[SECOND]
        return np.array([f, s, -v])

    third = -rows(family, link.name, OBSERVED_SLOPE, y, w, eta, nu, kind)[FIRST]
    by_eta = difference(lambda t: values(eta + t, nu))
    assert_allclose([*values(eta, nu)[1:], third], by_eta, **context)
    for k, axis in enumerate(np.eye(len(nu))[:, :, None]):
        found = slopes(family, link.name, k, y, w, eta, nu, kind)
        by_nu = difference(lambda t, axis=axis: values(eta, nu + t * axis))
        assert_allclose(found, by_nu, **context)
