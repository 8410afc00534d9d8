"""Triangles and moments of columns that come in parts are those of the whole columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.streams import cut, irregular

import numbamm as mm
from numbamm.sources.column_moments import ColumnMoments, Constants, Products, Triangle
from numbamm.sources.iterables import Frames
from numbamm.sources.streamed_frame import streamed_frame

ENDS = st.lists(st.integers(1, 59), max_size=6)


@given(ENDS)
def test_a_triangle_has_the_products_of_all_rows(ends):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 4)) @ np.diag([1, 1e-8, 1e8, 1])
    triangle = Triangle(4)
    for part in np.split(rows, sorted(set(ends))):
        triangle.add(part)
    size = np.linalg.norm(rows, axis=0)
    R = triangle.whole() / size
    np.testing.assert_allclose(R.T @ R, (rows / size).T @ (rows / size), atol=1e-14)
    assert R[0, 0] > 0


@given(ENDS)
def test_products_and_constants(ends):
    rng = np.random.default_rng(2)
    z, w = np.vstack([np.full(60, 3.0), 1000 + rng.normal(size=60)]), rng.random(60)
    total, constants = Products(np.array([3.0, 999.0])), Constants(2)
    for part in np.split(np.arange(60), sorted(set(ends))):
        products, same = Products(total.shift), Constants(2)
        products.add(z[:, part], w[part])
        same.add(z[:, part].T)
        total.merge(products)
        constants.merge(same)
    mean, spread = total.moments()
    np.testing.assert_allclose(mean, np.average(z, axis=1, weights=w), rtol=1e-13)
    np.testing.assert_allclose(spread, np.cov(z, aweights=w, bias=True), atol=1e-12)
    assert constants.nonzero.tolist() == [True, False]


@pytest.mark.parametrize("weights", [None, "w"])
def test_scaled_columns_are_those_in_memory(weights):
    formula = "y ~ x + year + twice + (1 + year | g) + (0 + tiny | h) + homdiag(0 + big | f)"
    data = irregular()
    memory = mm.LinearMixedModel(formula, data, weights=weights)
    streamed = mm.LinearMixedModel(formula, cut(data, 10, 300), weights=weights)
    assert streamed.feterm.kept.tolist() == memory.feterm.kept.tolist()
    assert streamed.feterm.dropped == ["twice"]
    inverses = [m.feterm.to_basis @ m.feterm.to_basis.T for m in (streamed, memory)]
    np.testing.assert_allclose(*inverses, rtol=1e-10)  # of X'WX/n, whatever the signs
    for a, b in zip(streamed.scalings, memory.scalings, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.T, b.T, rtol=1e-12)
    for a, b in zip(streamed.reterms, memory.reterms, strict=True):
        for root in (None, memory.sqrt_weights):
            sizes = b.root_mean_squares(root)
            np.testing.assert_allclose(a.root_mean_squares(root), sizes, rtol=1e-11)
    for a, b in zip(streamed.scaled.sizes, memory.scaled.sizes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_response_that_the_fixed_effects_explain():
    data = irregular().assign(y=lambda d: 2 * d["o"] + 1e3)
    with pytest.raises(mm.DataError, match="explain the response exactly"):
        mm.lmm("y ~ o + (1 | g)", cut(data, 100))


def test_values_too_large_to_square():
    data = irregular().assign(huge=lambda d: 1e200 * d["o"])
    with pytest.raises(mm.DataError, match="'huge' has values of the size"):
        mm.lmm("y ~ huge + (1 | g)", cut(data, 100))


def test_moments_of_no_rows_change_nothing():
    source = Frames(cut(irregular(), 5))
    options = {"weights": None, "offset": None, "contrasts": None, "amalgamate": True}
    frame = streamed_frame("y ~ x + (1 | g)", source, **options, context={})
    some = source.gather(ColumnMoments(frame), False, "")
    R = some.triangle.R.copy()
    some.merge(some.empty())
    np.testing.assert_allclose(np.abs(some.triangle.R), np.abs(R), atol=1e-12)
