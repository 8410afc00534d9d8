"""The compiled fit: that it ends at minima, knows a false one, and can be taken apart."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from blocks.dense import dense_model, structures, term
from blocks.examples import built, each_structure
from blocks.search.fits import FALSE, certificate, false_point, identity, model_of, run, simulated

from numbamm.blocks.search import evaluation, newton, rotations, trust
from numbamm.blocks.search.certificate import ESCAPE_BELOW
from numbamm.blocks.search.communication import CONVERGED, FAILED
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.structures.diag import Diag

STRUCTURES = structures()
each_search = pytest.mark.parametrize("many", [False, True])


@each_structure
@each_search
def test_ends_at_a_certified_minimum(name, many):
    terms, xy, _ = built(name)
    theta, f, search = run(terms, xy, many=many)
    expected = dense_model(terms, xy, theta)
    assert search.counts[evaluation.CODE] == CONVERGED
    assert f == pytest.approx(expected.objective, rel=1e-11)
    assert np.abs(expected.gradient).max() < 1e-2
    assert search.outcome[evaluation.CERTIFICATE] > ESCAPE_BELOW
    # No point nearby is lower.
    rng = np.random.default_rng(0)
    for size in (1e-3, 0.03, 0.3):
        for _ in range(10):
            near = theta + size * rng.normal(size=len(theta))
            assert dense_model(terms, xy, near).objective > f - 1e-8


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="takes a while, and shows no other code")
@each_structure
def test_both_searches_agree(name):
    terms, xy, _ = built(name)
    one, many = run(terms, xy), run(terms, xy, many=True)
    assert one[1] == pytest.approx(many[1], abs=1e-6)


@each_search
@pytest.mark.parametrize("name", FALSE)
def test_the_search_escapes_false_optima(name, many):
    terms, xy, theta = false_point(name)
    false = dense_model(terms, xy, theta)
    assert np.abs(false.gradient).max() < 1e-4
    assert certificate(terms, xy, theta) < ESCAPE_BELOW
    end, f, search = run(terms, xy, theta, many)
    assert f < false.objective - 1.0
    assert f == pytest.approx(run(terms, xy)[1], abs=1e-7)
    assert search.outcome[evaluation.CERTIFICATE] > ESCAPE_BELOW
    np.testing.assert_allclose(dense_model(terms, xy, end).gradient, 0, atol=1e-2)
    if many:  # the trust region sees that H is indefinite, and needs no help
        assert search.counts[evaluation.ESCAPED] >= 1


def test_derivatives_after_an_escape_are_those_of_its_point():
    """Also if the step to the false optimum was a last one, which computes no derivatives."""
    rng, escapes = np.random.default_rng(2), 0
    n = int(rng.integers(100, 400))
    one, x = np.ones(n), rng.normal(size=n)
    terms = [
        term(g, rng.integers(0, k, n), one, x, structure=Diag(2)) for g, k in (("a", 25), ("b", 8))
    ]
    xy = simulated(terms, rng.uniform(0, 0.8, size=4), seed=2)
    blocks, reference = DenseTail(terms, xy), DenseTail(terms, xy)
    model = model_of(blocks, n)
    for start in itertools.product((0.0, 1e-5), repeat=4):
        search, state = newton.start(np.array(start), model, 5.0, 0.0, nlog=1)
        while search.counts[evaluation.CODE] == trust.EVALUATE:
            escaping = search.outcome[evaluation.DISTANCE] > 0
            newton.advance(state, search, model, 1)
            ended = search.outcome[evaluation.DISTANCE] == 0
            if escaping and ended and search.counts[evaluation.ESCAPED]:
                escapes += 1
                _, gradient = reference.objective_gradient(search.theta, model.degrees, 0.0, 0.0)
                np.testing.assert_allclose(
                    state.g * state.scale, gradient[search.entries[3]], rtol=1e-6, atol=1e-6
                )
    assert escapes > 3


def test_columns_of_any_size():
    """The same steps for columns in other units."""
    terms, xy, _ = false_point("full, rank two")
    size = np.array([1.0, 1e3, 1e-3])
    other = [term("a", terms[0].refs, *(terms[0].z * size[:, None]))]
    start = identity(terms) / size[terms[0].structure.entries // 3]
    one, two = run(terms, xy), run(other, xy, start)
    assert two[1] == pytest.approx(one[1], abs=1e-7)
    assert two[2].counts[evaluation.FEVAL] == one[2].counts[evaluation.FEVAL]


def test_log_and_limit():
    terms, xy, _ = built("vector")
    _, f, search = run(terms, xy, nlog=100)
    log = search.log
    nfeval = search.counts[evaluation.FEVAL]
    assert log[:nfeval, 0].min() == f
    for value, *theta in log[:nfeval]:
        assert dense_model(terms, xy, np.array(theta)).objective == pytest.approx(value, rel=1e-11)
    _, _, short = run(terms, xy, most=2)
    assert short.counts[evaluation.FEVAL] == 2
    assert short.counts[evaluation.CODE] == 0


@each_search
def test_one_evaluation_at_a_time(many):
    terms, xy, theta = false_point("full, rank one")
    whole, _, at_once = run(terms, xy, theta, many)
    blocks = DenseTail(terms, xy)
    model = model_of(blocks, len(xy))
    advance = newton.advance_many if many else newton.advance
    search, state = newton.start(theta, model, 1e-10, 0.0, many=many)
    times = 0
    while search.counts[evaluation.CODE] == 0:
        advance(state, search, model, 1)
        times += 1
    rotations.fold(state.best, search.entries, theta)
    np.testing.assert_array_equal(theta, whole)
    np.testing.assert_array_equal(search.counts, at_once.counts)
    np.testing.assert_array_equal(search.outcome, at_once.outcome)
    assert times == search.counts[evaluation.FEVAL]


@each_search
def test_failure_at_the_start(many):
    terms, xy, _ = built("vector")
    _, _, search = run(terms, xy, np.full(3, np.nan), many)
    assert search.counts[evaluation.CODE] == FAILED


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="takes minutes")
def test_many_parameters():
    rng = np.random.default_rng(5)
    n, p = 4000, 17
    columns = [np.ones(n), *rng.normal(size=(p - 1, n))]
    terms = [term("a", rng.integers(0, 150, n), *columns)]
    xy = simulated(terms, 0.7 * identity(terms))
    assert len(identity(terms)) > newton.MANY
    many = run(terms, xy, many=True)
    assert many[2].counts[evaluation.CODE] == CONVERGED
    assert many[1] == pytest.approx(run(terms, xy)[1], abs=1e-4)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="no threads without compilation")
def test_threads_fit_at_once():
    terms = STRUCTURES["partly crossed, mixed widths"]
    data = [simulated(terms, identity(terms), seed) for seed in range(20)]

    def fit(xy):
        return run(terms, xy)[:2]

    expected = [fit(xy) for xy in data]
    with ThreadPoolExecutor(2) as pool:
        for (theta, f), (theirs, value) in zip(expected, pool.map(fit, data), strict=True):
            np.testing.assert_array_equal(theta, theirs)
            assert f == value
