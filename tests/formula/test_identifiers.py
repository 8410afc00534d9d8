"""Integers beyond what floats can tell apart have a level each, in every kind of data."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import numbamm as mm
from numbamm.errors import DataError
from numbamm.formula import model_frame

N = 160
RNG = np.random.default_rng(10)
K = RNG.integers(0, 4, N)
G = np.arange(N) % 8
Y = np.array([0, 2, -1, 1])[K] + RNG.normal(size=8)[G] + RNG.normal(size=N)
X = RNG.normal(size=N)
BASES = {"53 bits": 2**53, "63 bits": 2**63 - 4, "64 bits": 2**64 - 4, "70 bits": 2**70}
HUGE = 10**400


def kinds(base):
    """The identifiers base, base + 1, ... in all kinds of columns that hold them."""
    values = [base + int(k) for k in K]
    found = {
        "list": values,
        "object": np.array(values, dtype=object),
        "decimal": [Decimal(v) for v in values],
        "arrow decimal": pd.Series(
            [Decimal(v) for v in values], dtype=pd.ArrowDtype(pa.decimal128(30))
        ),
        "128 bits": pl.Series(values, dtype=pl.Int128),
    }
    if base + 3 < 2**64:
        dtype, nullable = ("int64", "Int64") if base + 3 < 2**63 else ("uint64", "UInt64")
        found |= {
            "numpy": np.array(values, dtype=dtype),
            "nullable": pd.array(values, dtype=nullable),
            "polars": pl.Series(values, dtype=pl.Int64 if dtype == "int64" else pl.UInt64),
            "arrow": pa.array(values, type=dtype),
        }
    return found


def data(values):
    return {"y": Y, "x": X, "k": K, "g": G, "id": values, "h": np.array(list("uv"))[K % 2]}


@pytest.mark.parametrize("size", BASES)
def test_a_level_each(size):
    formula = "y ~ C({0}) + (0 + fulldummy({0}) | g)"
    plain = model_frame(formula.format("k"), data(K))
    crossed = model_frame("y ~ x + factor(k):x + (1 | k:h) + (1 | k)", data(K))
    for kind, values in kinds(BASES[size]).items():
        mf = model_frame(formula.format("id"), data(values))
        assert_array_equal(mf.X, plain.X, kind)
        assert_array_equal(mf.reterms[0].z, plain.reterms[0].z, kind)
        assert mf.xnames[1:] == [f"C(id)[T.{BASES[size] + k}]" for k in (1, 2, 3)], kind
        assert_array_equal(mf.new_rows(data(values)).X, plain.X)
        both = model_frame("y ~ x + factor(id):x + (1 | id:h) + (1 | id)", data(values))
        assert_array_equal(both.X, crossed.X, kind)
        for ours, reference in zip(both.reterms, crossed.reterms, strict=True):
            assert_array_equal(ours.refs, reference.refs, kind)


@pytest.mark.parametrize("size", BASES)
def test_comparisons_and_remainders_are_exact(size):
    base = BASES[size]
    for kind, values in kinds(base).items():
        formula = f"y ~ I(id == {base + 1}) + I((id > {base + 1}) * 1) + I(id % 2) + (1 | g)"
        mf = model_frame(formula, data(values))
        assert_array_equal(mf.X[:, 1:].T, [K == 1, K > 1, [(base + int(k)) % 2 for k in K]], kind)


@pytest.mark.parametrize("size", BASES)
def test_beside_missing_values(size):
    values = [base if k else None for k, base in zip(K, kinds(BASES[size])["list"], strict=True)]
    frames = [data(values), data(np.array(values, dtype=object))]
    if size != "70 bits":
        wide = size == "64 bits"
        frames.append(data(pl.Series(values, dtype=pl.UInt64 if wide else pl.Int64)))
        frames.append(data(pa.array(values, type="uint64" if wide else "int64")))
    for frame in frames:
        mf = model_frame("y ~ C(id) + (1 | g)", frame)
        assert mf.n_missing == (K == 0).sum()
        assert len(mf.xnames) == 3


def test_floats_are_not_taken_for_the_integers_of_the_fit():
    values = 2**53 + K
    mf = model_frame("y ~ C(id) + (1 | id)", data(values))
    with pytest.raises(DataError, match="are floats here and integers in the fit"):
        mf.new_rows(data(values.astype(float)))
    small = model_frame("y ~ C(id) + (1 | id)", data(K))
    assert_array_equal(small.new_rows(data(K.astype(float))).X, small.X)
    floats = model_frame("y ~ C(id) + (1 | g)", data(K * 1e300))
    assert floats.X.shape == (N, 4)


def test_integers_of_hundreds_of_digits_are_labels():
    mf = model_frame("y ~ C(id) + (1 | id:h)", data([HUGE + int(k) for k in K]))
    assert_array_equal(mf.X, model_frame("y ~ C(k) + (1 | k:h)", data(K)).X)
    with pytest.raises(DataError, match="'id' holds"):
        model_frame("y ~ id + (1 | g)", data([HUGE + int(k) for k in K]))


def test_as_numbers_they_are_floats():
    for base in BASES.values():
        for values in kinds(base).values():
            mf = model_frame("y ~ id + I(id / 2) + (1 | g)", data(values))
            assert_allclose(mf.X[:, 1], float(base))
            assert_allclose(mf.X[:, 2], base / 2)


def test_fits_and_means_are_those_of_small_labels():
    plain = mm.lmm("y ~ C(k) + (1 | g)", data(K))
    for base in BASES.values():
        big = mm.lmm("y ~ C(id) + (1 | g)", data([base + int(k) for k in K]))
        assert_allclose(big.objective, plain.objective)
        means = big.emmeans("id").to_frame()
        assert [int(v) for v in means["id"]] == [base + k for k in range(4)]
        assert_allclose(means["mean"], plain.emmeans("k").to_frame()["mean"])
        groups = mm.lmm("y ~ x + (1 | id)", data([base + int(g) for g in G]))
        assert_allclose(groups.objective, mm.lmm("y ~ x + (1 | g)", data(K)).objective)
        assert len(groups.ranef()["id"]) == 8


def test_numbers_beyond_64_bits_are_a_covariate_of_marginal_means():
    step = 2**66
    scaled = mm.lmm("y ~ k + h + (1 | g)", data(K))
    model = mm.lmm("y ~ id + h + (1 | g)", data([2**70 + step * int(k) for k in K]))
    means, reference = model.emmeans("h").to_frame(), scaled.emmeans("h").to_frame()
    assert_allclose(means[["mean", "se"]], reference[["mean", "se"]], rtol=1e-6)
    assert len(model.emmeans("id").to_frame()) == 1
