"""The compiled fit: that it ends at minima, knows a false one, and can be taken apart."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from blocks.dense import dense_model, rows, structures, term
from blocks.test_blocks import built, each_structure
from scipy.optimize import minimize

from numbamm.blocks.blocks import Blocks
from numbamm.blocks.search import evaluation, newton, rotations, trust
from numbamm.blocks.search.certificate import ESCAPE_BELOW
from numbamm.blocks.search.communication import CONVERGED, FAILED
from numbamm.structures.diag import Diag
from numbamm.structures.joined import Joined
from numbamm.structures.us import Us

STRUCTURES = structures()
each_search = pytest.mark.parametrize("many", [False, True])


def model_of(blocks, n, reml=False):
    layout = blocks.layout
    degrees = np.array([n - (blocks.nx if reml else 0), int(reml)])
    return evaluation.Model(
        layout.table, layout.index, blocks.A, blocks.work, blocks.adjoint, degrees, 0.0, 0.0
    )


def identity(terms):
    return np.concatenate([np.where(t.structure.is_scale, 1.0, 0.0) for t in terms])


def run(terms, xy, theta=None, many=False, nlog=0, most=1000):
    blocks = Blocks(terms, xy)
    theta = identity(terms) if theta is None else theta.copy()
    model = model_of(blocks, len(xy))
    f, search = newton.fit(theta, model, 1e-10, 0.0, most, nlog, many)
    return theta, f, search


def simulated(terms, theta, seed=3, sigma=1.0):
    """[1, x | y] with effects drawn from the terms' covariance."""
    rng = np.random.default_rng(seed)
    xy, at = rows(len(terms[0].refs), nx=2), 0
    xy[:, -1] = sigma * rng.normal(size=len(xy))
    for t in terms:
        lam = np.zeros((t.p, t.p))
        lam.ravel()[t.structure.entries] = theta[at : at + t.structure.size]
        at += t.structure.size
        xy[:, -1] += t.toarray() @ (rng.normal(size=(t.nlevels, t.p)) @ lam.T).ravel()
    return xy


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


PATTERN = Joined((Us(1), Us(2)))
#: Template, and the θ that stay zero at the false point.
FALSE = {
    "full, all of it": (None, [0, 1, 2, 3, 4, 5]),
    "full, rank one": (None, [3, 4, 5]),
    "full, rank two": (None, [5]),
    "diagonal, all of it": (Diag(3), [0, 1, 2]),
    "diagonal, one of three": (Diag(3), [1]),
    "amalgamated, the single column": (PATTERN, [0]),
    "amalgamated, the pair": (PATTERN, [1, 2, 3]),
    "amalgamated, rank one of the pair": (PATTERN, [3]),
}


def false_point(name):
    """Terms, data, and a θ where the gradient vanishes although it is no minimum."""
    structure, zero = FALSE[name]
    rng = np.random.default_rng(11)
    n = 240
    one, x, w = np.ones(n), rng.normal(size=n), rng.normal(size=n)
    terms = [term("a", rng.integers(0, 20, n), one, x, w, structure=structure)]
    truth = identity(terms) + 0.2 * (1 - identity(terms))
    xy = simulated(terms, truth)
    free = np.setdiff1d(np.arange(len(truth)), zero)

    def restricted(values):
        theta = np.zeros(len(truth))
        theta[free] = values
        model = dense_model(terms, xy, theta)
        return model.objective, model.gradient[free]

    theta = np.zeros(len(truth))
    if len(free):
        start = truth[free]
        theta[free] = minimize(restricted, start, jac=True, tol=1e-12, method="BFGS").x
    return terms, xy, theta


def certificate(terms, xy, theta):
    return Blocks(terms, xy).certify(theta, np.array([len(xy), 0]), 0.0, 0.0)[0]


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
    blocks, reference = Blocks(terms, xy), Blocks(terms, xy)
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


def test_a_genuine_singular_fit_is_certified():
    terms, _, _ = false_point("full, rank two")
    xy = simulated(terms, np.array([1.0, 0.5, 0.3, 0.0, 0.0, 0.0]))
    theta, _, search = run(terms, xy)
    assert 0 < search.outcome[evaluation.CERTIFICATE] <= 1
    assert certificate(terms, xy, theta) == pytest.approx(
        search.outcome[evaluation.CERTIFICATE], abs=1e-3
    )


def test_certificate_of_a_fit_that_is_not_singular_is_infinite():
    terms, xy, _ = false_point("full, rank two")
    assert run(terms, xy)[2].outcome[evaluation.CERTIFICATE] == np.inf


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
    blocks = Blocks(terms, xy)
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
