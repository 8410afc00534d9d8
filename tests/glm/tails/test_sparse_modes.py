"""`SparseModes` against the dense factor, on designs of every kind."""

import numpy as np
import pytest
from blocks.dense import structures
from blocks.tail.designs import KINDS as DESIGNS
from blocks.tail.designs import terms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.mode import ModeFinder
from numbamm.glm.tails.sparse_modes import SparseModes
from numbamm.glm.working import EXPECTED, OBSERVED

pytest.importorskip("sksparse")

#: Family, link, information, shape, and the size of φ.
KINDS = {
    "bernoulli": ("bernoulli", "logit", EXPECTED, 0.0, 1.0),
    "probit": ("binomial", "probit", EXPECTED, 0.0, 1.0),
    "cloglog": ("binomial", "cloglog", OBSERVED, 0.0, 1.0),
    "poisson": ("poisson", "log", EXPECTED, 0.0, 1.0),
    "negative binomial": ("negativebinomial", "log", OBSERVED, 1.7, 1.0),
    "gamma": ("gamma", "log", OBSERVED, 0.0, 0.4),
}


def response(family, eta, rng):
    n, mu, weights = len(eta), 1 / (1 + np.exp(-eta)), np.ones(len(eta))
    if family == "bernoulli":
        return (rng.random(n) < mu).astype(float), weights
    if family == "binomial":
        weights = rng.integers(1, 7, n).astype(float)
        return rng.binomial(weights.astype(int), mu) / weights, weights
    if family == "gamma":
        return rng.gamma(3.0, np.exp(eta) / 3.0), rng.uniform(0.5, 2, n)
    if family == "poisson":
        return rng.poisson(np.exp(eta)).astype(float), weights
    return rng.negative_binomial(2, 2 / (2 + np.exp(eta))).astype(float), weights


def both(terms, kind, seed=7):
    """A dense finder and a sparse one of the same rows, a θ, a γ, and the shape."""
    family, link, information, shape, scale = KINDS[kind]
    rng, n = np.random.default_rng(seed), len(terms[0].refs)
    basis = np.column_stack([np.ones(n), rng.normal(size=n)])
    eta = 0.3 * basis[:, 1] + sum(0.4 * rng.normal(size=t.nlevels)[t.refs] for t in terms)
    y, weights = response(family, eta, rng)
    records = FAMILIES.of(family), LINKS.of(link), information, scale
    data = terms, basis, y, weights, 0.1 * rng.normal(size=n), *records
    theta = np.concatenate([t.structure.start for t in terms])
    theta = theta * np.linspace(0.3, 0.8, len(theta)) + 0.05
    return ModeFinder(*data), SparseModes(*data), theta, np.array([0.1, 0.2]), shape, scale


def close(found, expected, rtol=1e-9):
    found, expected = (np.concatenate([np.ravel(x) for x in v]) for v in (found, expected))
    size = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * size)


def check(terms, kind, seed=7, rtol=1e-9, scale=1.0):
    *finders, theta, gamma, shape, phi = both(terms, kind, seed)
    for vary in (True, False):
        modes, slopes = [], []
        for finder in finders:
            own = gamma.copy()
            mode = finder(theta * scale, own, vary=vary, shape=shape)
            effects = finder.by_term(finder.u)
            modes.append([mode.deviance, mode.penalty, mode.logdet, own, *effects])
            slopes.append(
                [mode.found, finder.gradient(theta * scale, own, vary=vary, shape=shape, phi=phi)]
            )
        assert slopes[0][0] == slopes[1][0]
        if slopes[0][0]:
            close(modes[1], modes[0], rtol)
            close(slopes[1][1:], slopes[0][1:], rtol)
    return (*finders, theta * scale, gamma, shape, phi)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("design", DESIGNS)
def test_modes_gradients_and_what_follows(design, kind):
    rng = np.random.default_rng(1)
    terms = terms_of(np.random.default_rng(7), design, 160)
    *finders, theta, gamma, shape, _ = check(terms, kind)
    rows = [(rng.integers(-1, t.nlevels, 30), rng.normal(size=(t.p, 30))) for t in terms]
    x, cov = rng.normal(size=(30, 2)), np.array([[0.3, 0.1], [0.1, 0.2]])
    found = []
    for finder in finders:
        finder(theta, gamma.copy(), vary=False, shape=shape)
        variances = finder.conditional_variances()
        working = finder.working(theta, gamma, shape)
        forms = working.row_variances(rows, x, cov)
        found.append([*variances, working.x_factor(), working.leverages(), forms])
    close(found[1], found[0], 1e-8)


@pytest.mark.parametrize("name", structures())
def test_every_structure(name):
    terms = structures()[name]
    check(terms, "bernoulli")


@settings(max_examples=20, deadline=None)
@given(
    design=st.sampled_from(DESIGNS),
    kind=st.sampled_from(list(KINDS)),
    seed=st.integers(0, 10**6),
    n=st.integers(30, 200),
    scale=st.sampled_from([0.01, 1.0, 3.0]),
)
def test_any_design(design, kind, seed, n, scale):
    check(terms_of(np.random.default_rng(seed), design, n), kind, seed, 1e-7, scale)


@pytest.mark.parametrize("design", ["movers", "vectors", "chain", "mixed"])
def test_the_certificate_of_a_singular_theta(design):
    terms = terms_of(np.random.default_rng(7), design, 160)
    *finders, theta, gamma, shape, phi = both(terms, "bernoulli")
    at = terms[0].structure.size
    theta[at : at + terms[1].structure.size] = 0.0
    found = []
    for finder in finders:
        finder(theta, gamma, vary=False, shape=shape)
        value, whole, escape = finder.certify(theta, gamma, vary=False, shape=shape, phi=phi)
        found.append([[value, whole], escape(0.1)])
    close(found[1], found[0], 1e-6)
