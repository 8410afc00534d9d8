"""The layout table: no region is written beyond its end, and every kind of block occurs.

Layouts for any number of X columns are made from one pattern of the blocks of Z.
"""

import numba
import numpy as np
import pytest
from blocks.dense import random_theta, structures
from blocks.examples import GAP, STRUCTURES, built, each_structure, evaluate_gradient
from hypothesis import given, settings
from hypothesis import strategies as st

import numbamm as mm
from numbamm.blocks import layout
from numbamm.blocks.layout import Pattern, build_layout, sort_pairs


@each_structure
def test_regions_do_not_overrun(name):
    terms, xy, blocks = built(name)
    evaluate_gradient(blocks, random_theta(terms), xy)
    blocks.new_response(xy[:, -1])
    buffers = {"A": blocks.A, "work": blocks.work, "adjoint": blocks.adjoint}
    for what, buffer, start, stop in blocks.layout.regions:
        assert np.isnan(buffers[buffer][stop : stop + GAP]).all(), what
        if buffer == "A" and "X and y" not in what:  # of which the lower triangle is used
            assert not np.isnan(blocks.A[start:stop]).any(), what


def test_every_kind_of_block_is_tested():
    seen = {kind for name in STRUCTURES for row in built(name)[2].layout.kinds() for kind in row}
    assert seen == {
        "Diagonal",
        "Diagonal/Dense",
        "BlkDiag",
        "BlkDiag/Dense",
        "Nested",
        "Sparse",
        "Sparse/Dense",
        "Dense",
    }


@each_structure
def test_layouts_of_one_pattern_are_those_of_the_terms(name):
    """In any order, since a layout leaves nothing in the pattern."""
    terms = STRUCTURES[name]
    pattern = Pattern.of(terms)
    for nx in (3, 0, 3):
        ours, theirs = vars(pattern.layout(nx)), vars(build_layout(terms, nx))
        assert ours.keys() == theirs.keys()
        for what, value in theirs.items():
            assert np.array_equal(ours[what], value), what


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="Python refuses to divide by 0")
def test_a_generalized_model_finds_its_pattern_once(monkeypatch):
    """With γ in the search for the mode and without it, in the fit and in standard errors."""
    found, of = [], Pattern.of.__func__
    monkeypatch.setattr(
        Pattern, "of", classmethod(lambda cls, terms: found.append(len(terms)) or of(cls, terms))
    )
    formula = "r2 ~ Anger + (1 | id) + (1 | item)"
    data = mm.datasets.load("VerbAgg").iloc[::5]
    model = mm.glmm(formula, data, "bernoulli")
    assert np.isfinite(model.bse).all() and np.isfinite(model.leverage()).any()
    assert sorted(found) == [0, 2]  # and that of the model without random effects


# ---- pairs of levels, sorted by counting ---------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 9), st.integers(0, 1000))
def test_pairs(n, nfirst, nsecond, seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, nfirst, n).astype(np.int32)
    second = rng.integers(0, nsecond, n).astype(np.int32)
    blocks, place, spare = (np.empty(k * n, dtype=np.int32) for k in (2, 1, 2))
    count = sort_pairs(first, second, nfirst, nsecond, blocks, place, spare)
    pairs, inverse = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
    np.testing.assert_array_equal(blocks[: 2 * count].reshape(-1, 2), pairs.T)
    np.testing.assert_array_equal(place, inverse.ravel())


@pytest.mark.parametrize("name", structures())
def test_layouts_are_the_same_by_counting(name, monkeypatch):
    terms = structures()[name]
    expected = layout.build_layout(terms, 2)
    monkeypatch.setattr(layout, "MANY", 0)
    found = layout.build_layout(terms, 2)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_array_equal(found.table, expected.table)
