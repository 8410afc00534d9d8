"""`IterativeModes` against the dense factor, with probes that leave no Monte-Carlo error."""

import numpy as np
import pytest
from blocks.dense import term
from blocks.tail.iterated import all_directions

from numbamm.blocks.tail import probes
from numbamm.design.remat import order_terms
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.mode import ModeFinder
from numbamm.glm.tails import iterative_modes
from numbamm.glm.tails.iterative_modes import IterativeModes
from numbamm.glm.working import EXPECTED, OBSERVED
from numbamm.structures.diag import Diag

N = 500


def designs():
    """Crossed factors, with slopes, a diagonal λ, a third factor, and a small one."""
    rng = np.random.default_rng(4)
    one, x = np.ones(N), rng.normal(size=N)
    a, b, c, few = (rng.integers(0, k, N) for k in (90, 40, 70, 4))
    return {
        "two": [term("a", a, one), term("b", b, one)],
        "slopes": [term("a", a, one, x), term("b", b, one, x, structure=Diag(2))],
        "three and a small one": [
            term("a", a, one),
            term("b", b, one, x),
            term("c", c, one),
            term("d", few, one, x),
        ],
    }


#: Family, link, information, and the shape.
KINDS = [
    ("bernoulli", "logit", EXPECTED, 0.0),
    ("binomial", "probit", EXPECTED, 0.0),
    ("binomial", "cloglog", OBSERVED, 0.0),
    ("poisson", "log", EXPECTED, 0.0),
    ("negativebinomial", "log", EXPECTED, 1.7),
    ("gamma", "log", OBSERVED, 0.0),
]


def response(family, eta, rng):
    mu = 1 / (1 + np.exp(-eta))
    weights = np.ones(N)
    if family == "bernoulli":
        return (rng.random(N) < mu).astype(float), weights
    if family == "binomial":
        weights = rng.integers(1, 7, N).astype(float)
        return rng.binomial(weights.astype(int), mu) / weights, weights
    if family == "gamma":
        return rng.gamma(3.0, np.exp(eta) / 3.0), rng.uniform(0.5, 2, N)
    if family == "poisson":
        return rng.poisson(np.exp(eta)).astype(float), weights
    return rng.negative_binomial(2, 2 / (2 + np.exp(eta))).astype(float), weights


@pytest.fixture
def both(monkeypatch):
    """A dense finder and an iterative one of the same rows."""
    monkeypatch.setattr(probes, "draw", lambda rows, number, seed: all_directions(rows))
    monkeypatch.setattr(iterative_modes, "TOLERANCE", 1e-12)
    monkeypatch.setattr(iterative_modes, "ROUGH", 1e-12)

    def make(design, kind):
        family, link, information, shape = kind
        rng = np.random.default_rng(7)
        basis = np.column_stack([np.ones(N), rng.normal(size=N)])
        terms = order_terms(designs()[design])
        eta = 0.3 * basis[:, 1] + sum(0.4 * rng.normal(size=t.nlevels)[t.refs] for t in terms)
        y, weights = response(family, eta, rng)
        offset = 0.1 * rng.normal(size=N)
        records = FAMILIES.of(family), LINKS.of(link), information
        arguments = terms, basis, y, weights, offset, *records, 1.0
        found = [cls(*arguments) for cls in (ModeFinder, IterativeModes)]
        theta = np.concatenate([t.structure.start for t in terms])
        theta = theta * np.linspace(0.3, 0.8, len(theta)) + 0.05
        return found, theta, np.array([0.1, 0.2]), shape

    return make


@pytest.mark.parametrize("design", designs())
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind[:2]))
@pytest.mark.parametrize("vary", [False, True], ids=["held", "varied"])
def test_modes_and_gradients(both, design, kind, vary):
    finders, theta, gamma, shape = both(design, kind)
    modes, slopes = [], []
    for finder in finders:
        own = gamma.copy()
        mode = finder(theta, own, vary=vary, shape=shape)
        assert mode.found
        effects = np.concatenate([u.ravel() for u in finder.by_term(finder.u)])
        modes.append([mode.deviance, mode.penalty, mode.logdet, *own, *effects])
        slopes.append(finder.gradient(theta, own, vary=vary, shape=shape, phi=1.0))
    np.testing.assert_allclose(modes[1], modes[0], rtol=1e-6, atol=1e-7)
    scale = np.abs(slopes[0]).max()
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("design", designs())
def test_what_follows_from_the_mode(both, design):
    finders, theta, gamma, shape = both(design, KINDS[0])
    rng, found = np.random.default_rng(1), []
    terms = finders[0].terms
    rows = [(rng.integers(-1, t.nlevels, 30), rng.normal(size=(t.p, 30))) for t in terms]
    x, cov = rng.normal(size=(30, 2)), np.diag([0.3, 0.2])
    for finder in finders:
        finder(theta, gamma.copy(), vary=False, shape=shape)
        variances = finder.variances_of({0: np.array([2, 5])})[0]
        working = finder.working(theta, gamma, shape)
        forms = working.row_variances(rows, x, cov)
        found.append([variances, abs(working.x_factor()), forms])
    for mine, other in zip(*reversed(found), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-8)


def test_random_probes_are_unbiased(monkeypatch, both):
    monkeypatch.undo()
    (dense, iterative), theta, gamma, shape = _plain("two", KINDS[0])
    dense(theta, gamma.copy(), vary=False)
    expected = dense.gradient(theta, gamma, vary=False, shape=shape, phi=1.0)
    found = []
    for seed in range(40):
        iterative.seed = seed
        iterative(theta, gamma.copy(), vary=False)
        found.append(iterative.gradient(theta, gamma, vary=False, shape=shape, phi=1.0))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(40)
    assert (abs(np.mean(found, axis=0) - expected) <= 4 * error + 1e-6).all()


def _plain(design, kind):
    family, link, information, shape = kind
    rng = np.random.default_rng(7)
    basis = np.column_stack([np.ones(N), rng.normal(size=N)])
    terms = order_terms(designs()[design])
    eta = 0.3 * basis[:, 1] + sum(0.4 * rng.normal(size=t.nlevels)[t.refs] for t in terms)
    y, weights = response(family, eta, rng)
    records = FAMILIES.of(family), LINKS.of(link), information
    arguments = terms, basis, y, weights, np.zeros(N), *records, 1.0
    theta = np.concatenate([t.structure.start for t in terms]) * 0.5
    return [cls(*arguments) for cls in (ModeFinder, IterativeModes)], theta, gamma_start(), shape


def gamma_start():
    return np.array([0.1, 0.2])
