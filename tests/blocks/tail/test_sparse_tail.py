"""The sparse tail gives what the dense one gives, on any design; and it says when it cannot."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, rows, structures
from blocks.tail.designs import KINDS, terms_of
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks.search.newton import StepwiseFit
from numbamm.blocks.tail import cholmod
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.sparse_tail import SparseTail

pytest.importorskip("sksparse")

DESIGNS = {kind: terms_of(np.random.default_rng(7), kind, 160) for kind in KINDS}
STRUCTURES = structures()
CRITERIA = {"ml": (0, 0.0), "reml": (1, 0.0), "sigma": (0, 0.7)}


def criterion(kind, xy):
    reml, sigma = CRITERIA[kind]
    n = len(xy) - (xy.shape[1] - 1) * reml
    return np.array([n, reml], dtype=np.int64), 1.5, sigma


def both(terms, xy, sqrtw=None):
    return DenseTail(terms, xy, sqrtw), SparseTail(terms, xy, sqrtw)


def close(values, expected, rtol=1e-9):
    """Whether lists of arrays agree, relative to the largest of their numbers."""
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(
            value, other, rtol=rtol, atol=rtol * np.max(np.abs(other), initial=1)
        )


def singular(terms):
    """A θ at which every term's last column of λ is zero, and the second term's whole λ."""
    theta, at = random_theta(terms), 0
    for i, term in enumerate(terms):
        own = theta[at : at + term.structure.size]
        own[(np.arange(len(own)) == len(own) - 1) | (i == 1)] = 0.0
        at += len(own)
    return theta


def check(terms, xy, theta, kind, sqrtw=None, rtol=1e-9):
    dense, sparse = both(terms, xy, sqrtw)
    arguments = criterion(kind, xy)
    value, gradient = dense.objective_gradient(theta, *arguments)
    got, slopes = sparse.objective_gradient(theta, *arguments)
    assert got == pytest.approx(value, rel=1e-11)
    assert sparse.objective(theta, *arguments) == got
    close([slopes], [gradient], rtol)
    close(sparse.gradient_blocks(), dense.gradient_blocks(), rtol)
    close(sparse.normal_blocks(), dense.normal_blocks(), max(rtol, 1e-6))
    for tail in (dense, sparse):
        tail.factorize(theta)
    expected, found = dense.solve(), sparse.solve()
    close([*found.u, *found.b, found.gamma], [*expected.u, *expected.b, expected.gamma], rtol)
    assert sparse.residual_norm() == pytest.approx(dense.residual_norm(), rel=1e-10)
    close([sparse.x_factor()], [dense.x_factor()], rtol)
    close([sparse.leverage()], [dense.leverage()], rtol)
    close(sparse.conditional_variances(), dense.conditional_variances(), rtol)
    rng, n = np.random.default_rng(1), 40
    new = [(rng.integers(-1, len(t.levels), n), rng.normal(size=(t.p, n))) for t in terms]
    new = [(refs.astype(np.int32), z) for refs, z in new]
    x = rng.normal(size=(n, xy.shape[1] - 1))
    close([sparse.row_variances(new, x)], [dense.row_variances(new, x)], rtol)
    return dense, sparse


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure(name, kind):
    terms = STRUCTURES[name]
    check(terms, rows(), random_theta(terms), kind)


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_with_weights(name, kind):
    terms, n = DESIGNS[name], 160
    root = np.sqrt(np.random.default_rng(3).uniform(0.2, 3, n))
    xy = rows(n) * root[:, None]
    _, sparse = check(terms, xy, random_theta(terms), kind, root)
    assert any("Sparse" in kind for row in sparse.kinds() for kind in row)
    assert not any("/Dense" in row[1] for row in sparse.kinds()[1:-1] if name == "movers")


@pytest.mark.parametrize("name", DESIGNS)
def test_a_singular_theta(name):
    terms, xy = DESIGNS[name], rows(160)
    theta = singular(terms)
    dense, sparse = check(terms, xy, theta, "reml")
    arguments = criterion("reml", xy)
    expected, found = dense.certify(theta, *arguments), sparse.certify(theta, *arguments)
    if name != "seen once":  # there N is zero, and rounding gives it a sign
        np.testing.assert_allclose(found[:2], expected[:2], atol=1e-6)
        np.testing.assert_allclose(found[2](0.1), expected[2](0.1), atol=1e-5)
    check(terms, xy, 0.0 * theta, "ml")


@pytest.mark.parametrize("name", DESIGNS)
def test_the_gradient_is_that_of_differences(name):
    terms, xy = DESIGNS[name], rows(160)
    theta, arguments = random_theta(terms), criterion("reml", xy)
    tail = SparseTail(terms, xy)
    _, gradient = tail.objective_gradient(theta, *arguments)
    for i in range(len(theta)):
        h = 1e-4 * np.eye(len(theta))[i]
        f = [tail.objective(theta + s * h, *arguments) for s in (-2, -1, 1, 2)]
        slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / 12e-4
        assert gradient[i] == pytest.approx(slope, rel=1e-7, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    n=st.integers(30, 220),
    nx=st.integers(0, 4),
    scale=st.sampled_from([1e-3, 1.0, 20.0]),
    criterion_kind=st.sampled_from(list(CRITERIA)),
)
def test_any_design(kind, seed, n, nx, scale, criterion_kind):
    terms = terms_of(np.random.default_rng(seed), kind, n)
    theta = random_theta(terms, seed) * scale
    check(terms, rows(n, nx, seed), theta, criterion_kind, rtol=1e-8)


@pytest.mark.parametrize("name", ["vectors", "three", "nested"])
def test_against_the_model_by_dense_matrices(name):
    terms, xy = DESIGNS[name], rows(160)
    theta = random_theta(terms)
    reference, tail = dense_model(terms, xy, theta), SparseTail(terms, xy)
    arguments = np.array([len(xy), 0]), 0.0, 0.0
    value, gradient = tail.objective_gradient(theta, *arguments)
    assert value == pytest.approx(reference.objective, rel=1e-10)
    close([gradient], [reference.gradient], 1e-8)
    close(tail.normal_blocks(), reference.normal, 1e-8)


@pytest.mark.parametrize("kind", CRITERIA)
@pytest.mark.parametrize("name", DESIGNS)
def test_a_search_goes_the_compiled_one_s_way(name, kind):
    terms, rng, xy = DESIGNS[name], np.random.default_rng(5), rows(160)
    for i, term in enumerate(terms):  # the second term has no effects: many fits are singular
        effects = rng.normal(size=(len(term.levels), term.p)) * (i != 1)
        xy[:, -1] += (effects[term.refs] * term.z.T).sum(axis=1)
    start = np.concatenate([np.eye(t.p).ravel()[t.structure.entries] for t in terms])
    arguments = criterion(kind, xy)
    dense, sparse = both(terms, xy)
    compiled = StepwiseFit(start, dense.newton_model(*arguments), 1e-8, 1e-12)
    led = sparse.search(start, *arguments, 1e-8, 1e-12)
    ends = []
    for search in (compiled, led):
        steps = []
        while search.returnvalue is None and len(steps) < 200:
            steps += search.step(1)
        ends.append((steps, search))
    (expected, _), (steps, _) = ends
    for (theta, value), (other, again) in zip(expected[:4], steps[:4], strict=False):
        close([other], [theta], 1e-5)
        assert again == pytest.approx(value, rel=1e-9)
    assert led.fbest == pytest.approx(compiled.fbest, rel=1e-9, abs=1e-6)


def test_what_is_not_positive_definite_has_no_value():
    terms, xy = DESIGNS["movers"], rows(160)
    tail, arguments = SparseTail(terms, xy), criterion("ml", xy)
    good = random_theta(terms)
    for bad in (np.full(2, np.nan), np.array([1.0, 1e200]), np.array([1e200, 1.0])):
        with np.errstate(all="ignore"):
            assert not np.isfinite(tail.objective(bad, *arguments))
            assert np.isnan(tail.objective_gradient(bad, *arguments)[1]).all()
            with pytest.raises(FloatingPointError, match="fails at theta"):
                tail.factorize(bad)
    assert tail.objective(good, *arguments) == SparseTail(terms, xy).objective(good, *arguments)


def test_a_factor_is_computed_once_and_anew_with_a_new_response(monkeypatch):
    terms, xy = DESIGNS["movers"], rows(160)
    tail, theta, arguments = SparseTail(terms, xy), random_theta(terms), criterion("ml", xy)
    tail.factorize(theta)
    before = tail.solve()
    with monkeypatch.context() as patch:
        patch.setattr(SparseTail, "_factor_tail", lambda *_: pytest.fail("factored again"))
        tail.factorize(theta)
        tail.objective_gradient(theta, *arguments)
    y = xy[::-1, -1].copy()
    tail.new_response(y)
    tail.factorize(theta)
    changed = xy.copy()
    changed[:, -1] = y
    other = SparseTail(terms, changed)
    other.factorize(theta)
    close(tail.solve().b, other.solve().b)
    assert not np.allclose(tail.solve().b[0], before.b[0])


def pickled(tail):
    return pickle.loads(pickle.dumps(tail))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_copies_go_on(duplicate):
    terms, xy = DESIGNS["three"], rows(160)
    tail, theta, arguments = SparseTail(terms, xy), random_theta(terms), criterion("ml", xy)
    value, gradient = tail.objective_gradient(theta, *arguments)
    again = duplicate(tail).objective_gradient(theta, *arguments)
    assert again[0] == value
    np.testing.assert_array_equal(again[1], gradient)


def test_threads_do_not_disturb_each_other():
    terms, xy = DESIGNS["vectors"], rows(160)
    tail, arguments = SparseTail(terms, xy), criterion("reml", xy)
    thetas = [random_theta(terms, seed) for seed in range(24)]
    expected = [tail.objective_gradient(theta, *arguments) for theta in thetas]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda theta: tail.objective_gradient(theta, *arguments), thetas))
    for (value, gradient), (other, slopes) in zip(found, expected, strict=True):
        assert value == pytest.approx(other, rel=1e-12)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-9)


def test_the_order_of_rows_does_not_matter():
    rng, xy = np.random.default_rng(9), rows(160)
    terms, order = DESIGNS["three"], rng.permutation(160)
    moved = [copy.copy(term) for term in terms]
    for term in moved:
        term.refs, term.z = term.refs[order].copy(), np.asfortranarray(term.z[:, order])
    theta, arguments = random_theta(terms), criterion("ml", xy)
    value, gradient = SparseTail(terms, xy).objective_gradient(theta, *arguments)
    other, slopes = SparseTail(moved, xy[order]).objective_gradient(theta, *arguments)
    assert other == pytest.approx(value, rel=1e-12)
    close([slopes], [gradient])


def test_without_scikit_sparse_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cholmod, "find_spec", lambda name: None)
    tail = DenseTail(DESIGNS["movers"], rows(160))
    assert SparseTail.predict(tail.layout, DESIGNS["movers"]) == cholmod.MISSING
