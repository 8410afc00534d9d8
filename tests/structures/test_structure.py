"""Every structure, as the registry finds it: λ, its slopes, its names, and what files keep."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from structures.examples import differences, each, each_linear, some_theta

from numbamm.structures.toep import Toep


@each
def test_the_start(structure):
    """The identity, except where effects are correlated by design: there it is of their size."""
    gamma = structure.matrix(structure.start) @ structure.matrix(structure.start).T
    if structure.is_linear:
        assert_allclose(gamma, np.eye(structure.p), atol=1e-15)
    assert (np.diag(gamma) >= 0.5).all() and (np.diag(gamma) <= 2.0).all()
    sds = np.linalg.norm(structure.matrix(structure.of_sds(np.full(structure.p, 3.0))), axis=1)
    assert_allclose(sds, 3.0, rtol=1e-12)
    assert structure.start.shape == structure.lowerbd.shape == (structure.size,)
    assert (structure.start >= structure.lowerbd).all()


@each
def test_lambda_is_lower_triangular_and_has_its_entries_alone(structure):
    lam = structure.matrix(some_theta(structure))
    assert_array_equal(lam, np.tril(lam))
    assert (np.delete(lam.ravel(), structure.entries) == 0).all()
    row, column = np.divmod(structure.entries, structure.p)
    assert_array_equal(np.lexsort((row, column)), np.arange(len(row)))  # column by column


@each
def test_many_at_once(structure):
    thetas = np.array([some_theta(structure, seed) for seed in range(4)])
    one_by_one = [structure.matrix(theta) for theta in thetas]
    assert_array_equal(structure.matrix(thetas), one_by_one)
    assert structure.matrix(thetas.reshape(2, 2, -1)).shape == (2, 2, structure.p, structure.p)


@each
def test_slopes_are_those_of_the_entries(structure):
    weight = np.random.default_rng(3).normal(size=(structure.p, structure.p))
    theta = some_theta(structure)
    expected = differences(lambda x: (weight * structure.matrix(x)).sum(), theta)
    found = structure.slopes(theta, weight.ravel()[structure.entries])
    assert_allclose(found, expected, atol=1e-8)
    by_jacobian = structure.jacobian(theta).T @ weight.ravel()[structure.entries]
    assert_allclose(by_jacobian, expected, atol=1e-8)


@each
def test_theta_comes_back(structure):
    theta = some_theta(structure)
    theta = structure.rectified(theta[None])[0]
    found = structure.nearest(structure.matrix(theta))
    assert_allclose(found, theta, rtol=1e-7)


@each
def test_signs(structure):
    thetas = np.array([some_theta(structure, seed) for seed in range(6)])
    flipped = thetas * np.array([-1, -1, 1, 1, -1, 1])[:, None]
    flipped[4] = 0.0
    found = structure.rectified(flipped)
    before, after = structure.matrix(flipped), structure.matrix(found)
    turned = before @ before.transpose(0, 2, 1), after @ after.transpose(0, 2, 1)
    assert_allclose(*turned, rtol=1e-12)
    assert (np.diagonal(after, axis1=1, axis2=2) >= 0).all()


@each
def test_derivatives_of_the_covariance(structure):
    """First and second ones, against differences; at bounds of correlations, too."""
    rng = np.random.default_rng(7)
    N = rng.normal(size=(structure.p, structure.p))
    N = N + N.T
    for theta in (some_theta(structure), np.where(structure.is_scale, 0.8, np.pi / 2)):

        def value(x):
            lam = structure.matrix(x)
            return (N * (lam @ lam.T)).sum()

        def slopes(x):
            return np.einsum("ab,tab->t", N, structure.covariance_slopes(x))

        assert_allclose(slopes(theta), differences(value, theta), atol=1e-7)
        second = [slopes(theta + h) - slopes(theta - h) for h in 1e-5 * np.eye(len(theta))]
        assert_allclose(structure.bend(theta, N), np.array(second) / 2e-5, atol=2e-6)


@each_linear
def test_free_entries_of_the_covariance(structure):
    """λλ' is the sum of its units by its coordinates, where it is linear in them."""
    lam = structure.matrix(some_theta(structure))
    gamma = lam @ lam.T
    back = np.tensordot(structure.coordinates(gamma), structure.units, 1)
    assert_allclose(back, gamma, atol=1e-14)
    zero = ~structure.correlated
    assert (gamma[zero] == 0).all() and (gamma[~zero] != 0).all()


@each_linear
def test_lifts_make_up_the_covariance(structure):
    """Each is a factor of a part of λλ', and their moves are independent of each other."""
    theta = some_theta(structure)
    lam, size = structure.matrix(theta), np.linspace(0.5, 3.0, structure.p)
    moves = []
    for L, A, variance in structure.lifts(lam, size):
        part = L @ L.T
        inside = part != 0
        assert_allclose(part[inside], (lam @ lam.T)[inside], rtol=1e-10)
        assert variance > 0
        moves.append(structure.coordinates(A @ L.T + L @ A.T))
    assert np.linalg.matrix_rank(moves) == structure.size


@each
def test_some_of_its_columns(structure):
    for columns in ([0], [structure.p - 1], [0, structure.p - 1], list(range(structure.p))):
        part = structure.select(columns)
        assert part.p == len(columns)
        kept = np.ix_(columns, columns)
        assert_array_equal(part.correlated, structure.correlated[kept])
    assert structure.select(list(range(structure.p))) == structure


@each
def test_a_change_of_columns_that_it_allows(structure):
    """Common factors where columns have one size; within a triangle of λ any other change."""
    rng = np.random.default_rng(5)
    T = np.eye(structure.p)
    for group in structure.of_one_size:
        T[group] *= rng.uniform(0.2, 5)
    lam = T @ structure.matrix(some_theta(structure))
    found = structure.matrix(structure.nearest(lam))
    assert_allclose(found @ found.T, lam @ lam.T, rtol=1e-7)
    scaled = [j for group in structure.of_one_size for j in group]
    assert len(set(scaled)) == len(scaled) and set(scaled) <= set(range(structure.p))
    assert sorted(j for block in structure.blocks for j in block) == list(range(structure.p))


@each
def test_names(structure):
    cnames = [f"c{j}" for j in range(structure.p)]
    labels = structure.labels(cnames)
    assert len(set(labels)) == len(labels) == structure.size
    sds = [name for _, name in structure.deviations(cnames)]
    assert len(set(sds)) == len(sds) >= structure.is_scale.sum()
    sizes = structure.column_sizes(np.ones(structure.p))
    assert_allclose(sizes, np.ones(structure.size))
    assert ((structure.rows >= 0) & (structure.rows < structure.p)).all()


@each
def test_parameters_without_effect_have_none(structure):
    """At zeros, and where partial autocorrelations are at a bound: λλ' stays as it is."""
    size, rng = np.ones(structure.p), np.random.default_rng(4)
    assert not structure.without_effect(some_theta(structure), size, 1e-3).any()
    at_bounds = np.where(structure.is_scale, some_theta(structure), np.pi / 2)
    for theta in (at_bounds, np.where(structure.is_scale, 0.0, some_theta(structure))):
        hidden = structure.without_effect(theta, size, 1e-3)
        moved = np.where(hidden, rng.normal(size=structure.size), theta)
        lam, other = structure.matrix(theta), structure.matrix(moved)
        assert_allclose(other @ other.T, lam @ lam.T, atol=1e-7)


def test_words_on_partial_autocorrelations_at_a_bound():
    toep = Toep(4)
    theta = np.array([1.0, 1.1, 0.9, 1.0, 0.3, -np.pi / 2, 0.7])
    assert toep.bounds_met(theta, 1e-3) == ["the partial autocorrelation of lag 2 of toep is -1"]
    assert toep.without_effect(theta, np.ones(4), 1e-3).tolist() == [False] * 6 + [True]
    assert toep.bounds_met(np.full(7, 0.5), 1e-3) == []
