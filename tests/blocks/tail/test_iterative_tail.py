"""`IterativeTail` as a model asks it, against the dense tail."""

import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, structures
from blocks.tail.iterated import (
    STRUCTURES,
    all_directions,
    built,
    degrees_of,
    each_criterion,
    each_structure,
)

from numbamm.blocks.layout import build_layout
from numbamm.blocks.tail import iterative_tail, probes
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.iterative_tail import IterativeTail
from numbamm.blocks.tail.protocol import Request, UnsuitedTail
from numbamm.errors import OptionError


@pytest.fixture
def without_error(monkeypatch):
    """Let tails take probes that leave no Monte-Carlo error, and exact solutions."""
    monkeypatch.setattr(probes, "draw", lambda rows, number, seed: all_directions(rows))
    for name in ("TOLERANCE", "ROUGH"):
        monkeypatch.setattr(iterative_tail, name, 1e-13)

    def make(name, seed=0):
        terms, xy, tail = built(name)
        tail.probes = tail._design.order
        return terms, xy, tail, DenseTail(terms, xy), random_theta(terms, seed)

    return make


@each_structure
@each_criterion
def test_objective_and_gradient(name, reml, sigma, without_error):
    _, xy, tail, dense, theta = without_error(name)
    arguments = theta, degrees_of(xy, reml), 0.7, sigma
    value, slopes = tail.objective_gradient(*arguments)
    expected, gradient = dense.objective_gradient(*arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    np.testing.assert_allclose(slopes, gradient, rtol=1e-6, atol=1e-6)
    for blocks in ("gradient_blocks", "normal_blocks"):
        for a, b in zip(getattr(tail, blocks)(), getattr(dense, blocks)(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@each_structure
def test_a_search_ends_where_the_exact_one_does(name, without_error):
    _, xy, tail, dense, theta = without_error(name)
    tail.request = Request(probes=tail.probes)
    ends = []
    for each in (tail, dense):
        search = each.search(theta, degrees_of(xy, False), 0.0, 0.0, 1e-9, 0.0)
        best = (np.inf, theta)
        while search.returnvalue is None:
            best = min([best, *((f, at) for at, f in search.step(1))], key=lambda pair: pair[0])
        value = dense.objective(best[1], degrees_of(xy, False), 0.0, 0.0)
        ends.append(value)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)


@each_structure
def test_estimates(name):
    terms, xy, tail = built(name)
    dense, theta = DenseTail(terms, xy), random_theta(terms)
    for each in (tail, dense):
        each.factorize(theta)
    mine, other = tail.solve(), dense.solve()
    np.testing.assert_allclose(mine.gamma, other.gamma, rtol=1e-8, atol=1e-10)
    for a, b in zip([*mine.u, *mine.b], [*other.u, *other.b], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(tail.residual_norm(), dense.residual_norm(), rtol=1e-10)
    np.testing.assert_allclose(abs(tail.x_factor()), abs(dense.x_factor()), rtol=1e-8, atol=1e-9)


@each_structure
def test_variances(name):
    terms, xy, tail = built(name)
    dense, theta = DenseTail(terms, xy), random_theta(terms)
    for each in (tail, dense):
        each.factorize(theta)
    for a, b in zip(tail.conditional_variances(), dense.conditional_variances(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    rng = np.random.default_rng(1)
    rows = [
        (rng.integers(-1, t.nlevels, 150).astype(np.int32), rng.normal(size=(t.p, 150)))
        for t in terms
    ]
    x = rng.normal(size=(150, xy.shape[1] - 1))
    expected = dense.row_variances(rows, x)
    np.testing.assert_allclose(tail.row_variances(rows, x), expected, rtol=1e-7)
    some = {0: np.array([3, 0, 3]), len(terms) - 1: np.array([1])}
    everything = dense.conditional_variances()
    for k, part in tail.variances_of(some).items():
        np.testing.assert_allclose(part, everything[k][some[k]], rtol=1e-6, atol=1e-8)


def test_too_many_variances_are_refused(monkeypatch):
    terms, xy, tail = built(next(iter(STRUCTURES)))
    tail.factorize(random_theta(terms))
    monkeypatch.setattr(iterative_tail, "MOST_FORMS", 10)
    with pytest.raises(OptionError, match=r"conditional variances of all \d+.*tail='dense'"):
        tail.conditional_variances()
    with pytest.raises(OptionError, match="leverages of all rows.*tail='sparse'"):
        tail.leverage()
    rows = [(np.zeros(11, np.int32), np.ones((t.p, 11))) for t in terms]
    with pytest.raises(OptionError, match="variances of 11 rows"):
        tail.row_variances(rows, np.zeros((11, xy.shape[1] - 1)))


def test_what_has_nothing_to_iterate_on():
    for name in ("vector", "nested", "crossed densely"):
        terms = structures()[name]
        assert isinstance(IterativeTail.predict(build_layout(terms, 2), terms), str)


def test_slow_convergence_is_told(monkeypatch):
    terms, xy, tail = built(next(iter(STRUCTURES)))
    monkeypatch.setattr(iterative_tail, "MOST_ITERATIONS", 1)
    with pytest.raises(UnsuitedTail, match="too many iterations: 'a' and 'b'"):
        tail.objective(random_theta(terms), degrees_of(xy, False), 0.0, 0.0)


@each_structure
def test_results_do_not_depend_on_threads(name, monkeypatch):
    from numbamm.blocks.tail import parts, reduction

    monkeypatch.setattr(reduction, "SMALL", 0)
    found = []
    for processors in (1, 3):
        monkeypatch.setattr(parts, "_processors", lambda n=processors: n)
        monkeypatch.setattr(parts, "_pool", None)
        terms, xy, tail = built(name)
        found.append(tail.objective_gradient(random_theta(terms), degrees_of(xy, True), 0.0, 0.0))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_the_certificate(without_error):
    _, xy, tail, dense, theta = without_error("crossed sparsely, vectors")
    theta[:3] = [0.0, 0.4, 0.0]
    arguments = theta, degrees_of(xy, False), 0.0, 0.0
    mine, other = tail.certify(*arguments)[:2], dense.certify(*arguments)[:2]
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


def test_monte_carlo_errors_are_those_of_the_probes():
    """Over many seeds the score's root spreads as predicted: here the score itself does."""
    terms, xy, tail = built("crossed sparsely")
    theta, degrees = random_theta(terms), degrees_of(xy, False)
    gradients, predicted = [], []
    for seed in range(60):
        tail.seed = seed
        tail._drop_buffers()
        gradients.append(tail.objective_gradient(theta, degrees, 0.0, 0.0)[1])
        rows = tail._of_entries(tail._local.deviations)
        predicted.append((rows**2).sum(axis=1) / (tail.probes * (tail.probes - 1)))
    ratio = np.var(gradients, axis=0, ddof=1) / np.mean(predicted, axis=0)
    assert (ratio > 0.5).all() and (ratio < 2.0).all()
    exact = dense_model(terms, xy, theta).gradient
    errors = np.sqrt(np.var(gradients, axis=0, ddof=1) / 60)
    assert (abs(np.mean(gradients, axis=0) - exact) < 4 * errors).all()
