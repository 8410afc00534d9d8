"""N and the average information against dense numpy, for every kind of block."""

import numba
import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, rows, term
from blocks.examples import built, each_structure, evaluate_gradient

from numbamm.blocks import information
from numbamm.blocks.layout import LAMBDA, MOVED, NORMAL, P
from numbamm.blocks.tail.dense_tail import DenseTail


@numba.njit
def compiled_curvature(table, index, A, work, adjoint, degrees, sigma, H):
    positions = np.empty((4, len(H)), dtype=np.int64)
    information.parameters(table, index, positions)
    information.curvature(table, index, A, work, adjoint, degrees, sigma, positions, H)
    return positions[3]


def curvature(blocks, theta, xy, reml=False, sigma=0.0):
    layout = blocks.layout
    evaluate_gradient(blocks, theta, xy, reml, sigma)
    degrees = np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])
    H = np.full((len(theta), len(theta)), np.nan)
    positions = compiled_curvature(
        layout.table,
        layout.index,
        blocks.A,
        blocks.work,
        blocks.adjoint,
        degrees,
        sigma,
        H,
    )
    out = np.empty_like(H)
    out[np.ix_(positions, positions)] = H
    return out


@numba.njit
def curvature_of(table, index, A, work, adjoint, degrees, entries, H):
    information.curvature(table, index, A, work, adjoint, degrees, 0.0, entries, H)


@numba.njit
def entries_of_blocks(table, index, theta_index, entries):
    information.parameters(table, index, theta_index)
    information.square_blocks(theta_index, entries)


@pytest.mark.parametrize("name", ["six columns", "partly crossed, mixed widths"])
@pytest.mark.parametrize("null", [False, True])
def test_many_entries_together_and_a_few_at_a_time(name, null):
    """Entries above the diagonal of λ, too, which searches move."""
    terms, xy, blocks = built(name)
    theta, layout = random_theta(terms), blocks.layout
    if null:
        theta[-terms[-1].p :] = 0.0
    evaluate_gradient(blocks, theta, xy, False, 0.0)
    entries = np.empty((4, layout.table[0, MOVED]), dtype=np.int64)
    entries_of_blocks(
        layout.table, layout.index, np.empty((4, len(theta)), dtype=np.int64), entries
    )
    assert (entries[1] < entries[2]).any() and entries.shape[1] >= information.PAIRED

    def found(own):
        H = np.full((own.shape[1],) * 2, np.nan)
        arrays = layout.table, layout.index, blocks.A, blocks.work, blocks.adjoint
        curvature_of(*arrays, np.array([len(xy), 0]), np.ascontiguousarray(own), H)
        return H

    whole, rng = found(entries), np.random.default_rng(2)
    for _ in range(4):
        some = np.sort(rng.permutation(entries.shape[1])[: information.PAIRED - 1])
        few = found(entries[:, some])
        np.testing.assert_allclose(whole[np.ix_(some, some)], few, atol=1e-9 * np.abs(few).max())


def normals(blocks):
    """N of each term, in the caller's order."""
    table = blocks.layout.table
    for k in np.argsort(blocks.layout.order):
        p, at = table[1 + k, P], table[0, NORMAL] + table[1 + k, LAMBDA]
        yield blocks.adjoint[at : at + p * p].reshape(p, p)


@each_structure
@pytest.mark.parametrize("nx", [0, 2])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("sigma", [None, 0.7])
def test_curvature(name, nx, reml, sigma):
    terms, xy, blocks = built(name, nx)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, reml, sigma)
    H = curvature(blocks, theta, xy, reml, sigma or 0.0)
    np.testing.assert_allclose(H, expected.curvature, atol=1e-9 * np.abs(H).max())
    for found, N in zip(normals(blocks), expected.normal, strict=True):
        np.testing.assert_allclose(found, N, atol=1e-9 * np.abs(N).max())


@each_structure
@pytest.mark.parametrize("what", ["zeroed", "last column", "nearly", "first row"])
def test_curvature_at_singular_theta(name, what):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    row = np.concatenate([t.structure.entries // t.p for t in terms])
    column = np.concatenate([t.structure.entries % t.p for t in terms])
    if what == "zeroed":
        theta[:] = 0.0
    elif what == "last column":
        theta[column == column.max()] = 0.0
    elif what == "nearly":
        theta[column == 0] *= 1e-7
    else:  # singular, though no column is zero
        theta[row == 0] = 0.0
    expected = dense_model(terms, xy, theta)
    H = curvature(blocks, theta, xy)
    np.testing.assert_allclose(H, expected.curvature, atol=1e-9 * np.abs(H).max())
    for found, N in zip(normals(blocks), expected.normal, strict=True):
        np.testing.assert_allclose(found, N, atol=1e-9 * np.abs(N).max())


@pytest.mark.parametrize("kind", ["crossed", "nested"])
@pytest.mark.parametrize("reml", [False, True])
def test_curvature_of_many_parameters(kind, reml):
    """Whose inner products are matrix products: two terms of eleven columns and of one."""
    rng, n = np.random.default_rng(4), 150
    inner, outer = rng.integers(0, 12, n), rng.integers(0, 4, n)
    outer = inner % 4 if kind == "nested" else outer
    many = [rng.normal(size=n) for _ in range(11)]
    terms = [term("a", inner, *many), term("b", outer, np.ones(n), *many[:2])]
    xy = rows(n, nx=3)
    blocks = DenseTail(terms, xy)
    theta = random_theta(terms)
    assert len(theta) > information.MANY
    H = curvature(blocks, theta, xy, reml)
    expected = dense_model(terms, xy, theta, reml).curvature
    np.testing.assert_allclose(H, expected, atol=1e-9 * np.abs(H).max())
