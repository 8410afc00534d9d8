"""`LedSearch` goes the way of the compiled search, one evaluation after the other."""

import numba
import numpy as np
import pytest
from blocks.dense import rows, structures

from numbamm.blocks.information import curvature
from numbamm.blocks.layout import LAMBDA, NORMAL, P
from numbamm.blocks.search.led import LedSearch
from numbamm.blocks.search.newton import StepwiseFit
from numbamm.blocks.tail.dense_tail import DenseTail

STRUCTURES = structures()


@numba.njit
def filled(table, index, A, work, adjoint, degrees, sigma, entries, H):
    curvature(table, index, A, work, adjoint, degrees, sigma, entries, H)


class Led(DenseTail):
    """The dense tail as one that compiled searches do not know."""

    is_compiled = False

    def information(self, entries, degrees, sigma):
        """What `curvature` computes, less I ⊗ 2N."""
        n, layout = entries.shape[1], self.layout
        H, table = np.empty((n, n)), layout.table
        arrays = table, layout.index, self.A, self.work, self.adjoint
        filled(*arrays, degrees, sigma, entries, H)
        for s in range(n):
            for t in range(n):
                k, row, column, _ = entries[:, s]
                if k == entries[0, t] and column == entries[2, t]:
                    at = table[0, NORMAL] + table[1 + k, LAMBDA]
                    H[s, t] -= 2 * self.adjoint[at + row * table[1 + k, P] + entries[1, t]]
        return H


def path(search):
    steps = []
    while search.returnvalue is None:
        steps += search.step(1)
    return steps


def response(name, kind, seed=4):
    """A response with and without differences between levels: singular fits are among them."""
    rng, xy = np.random.default_rng(seed), rows()
    if kind == "effects":
        for term in STRUCTURES[name]:
            xy[:, -1] += (rng.normal(size=(len(term.levels), term.p))[term.refs] * term.z.T).sum(1)
    return xy


@pytest.mark.parametrize("kind", ["noise", "effects"])
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("criterion", ["ml", "reml", "sigma"])
def test_a_led_search_goes_the_compiled_one_s_way(name, kind, criterion):
    xy, terms = response(name, kind), STRUCTURES[name]
    reml, sigma = criterion == "reml", 0.7 if criterion == "sigma" else 0.0
    n = len(xy) - (xy.shape[1] - 1) * reml
    given = np.array([n, reml], dtype=np.int64), 3.0, sigma
    start = np.concatenate([np.eye(t.p).ravel()[t.structure.entries] for t in terms])
    compiled, led = DenseTail(terms, xy), Led(terms, xy)
    first = StepwiseFit(start, compiled.newton_model(*given), 1e-8, 1e-12)
    second = LedSearch(led, start, given, 1e-8, 1e-12)
    expected, steps = path(first), path(second)
    few = min(len(expected), len(steps), 5)
    for (theta, value), (other, again) in zip(expected[:few], steps[:few], strict=True):
        np.testing.assert_allclose(other, theta, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(again, value, rtol=1e-10)
    assert abs(len(expected) - len(steps)) <= 2 + len(expected) // 4  # rounding, in long valleys
    short = len(expected) < 30  # long ones creep along a valley, and end where rounding lets them
    np.testing.assert_allclose(second.fbest, first.fbest, rtol=1e-10, atol=1e-8 if short else 1e-3)
    assert second.returnvalue == first.returnvalue or not short


@pytest.mark.parametrize("name", STRUCTURES)
def test_both_have_the_same_certificate(name):
    xy, terms = response(name, "effects"), STRUCTURES[name]
    theta = np.concatenate([np.zeros(len(t.structure.entries)) for t in terms])
    given = np.array([len(xy), 0], dtype=np.int64), 0.0, 0.0
    tail = DenseTail(terms, xy)
    expected = tail.certify(theta, *given)
    value = super(DenseTail, tail).certify(theta, *given)
    np.testing.assert_allclose(value[:2], expected[:2], rtol=1e-9)
    np.testing.assert_allclose(value[2](0.2), expected[2](0.2), rtol=1e-9)
