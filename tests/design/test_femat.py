"""FeMat: rank, dropped columns, and a basis that large shifts do not disturb."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.design.femat import FeMat

N = 40
RNG = np.random.default_rng(3)
X1, X2 = RNG.normal(size=(2, N))
ONE = np.ones(N)


def femat(*columns, sqrtw=None):
    names = [f"x{j}" for j in range(len(columns))]
    return FeMat.from_columns(np.column_stack(columns), names, sqrtw)


def test_later_columns_are_dropped():
    fe = femat(ONE, X1, 2 * X1 - 3, X2, 7 * ONE, 0 * ONE, X1 + X2)
    assert fe.kept.tolist() == [0, 1, 3]
    assert fe.dropped == ["x2", "x4", "x5", "x6"]
    np.testing.assert_array_equal(np.isnan(fe.full([1.0, 2.0, 3.0])), [0, 0, 1, 0, 1, 1, 1])


def test_no_columns():
    fe = FeMat.from_columns(np.zeros((N, 0)), [])
    assert fe.rank == 0
    assert fe.basis.shape == (N, 0)
    assert fe.logdet_to_basis == 0.0


@pytest.mark.parametrize("sqrtw", [None, np.sqrt(RNG.uniform(0.5, 2, N))])
@pytest.mark.parametrize("columns", [(ONE, X1, X2), (X1, X2), (3 * ONE, X1 + 5)])
def test_basis_spans_the_columns_orthonormally(columns, sqrtw):
    fe = femat(*columns, sqrtw=sqrtw)
    np.testing.assert_allclose(fe.basis.T @ fe.basis / N, np.eye(fe.rank), atol=1e-13)
    rows = np.ones(N) if sqrtw is None else sqrtw
    np.testing.assert_allclose(fe.x @ fe.to_basis * rows[:, None], fe.basis, atol=1e-12)
    gram = (fe.x * rows[:, None]).T @ (fe.x * rows[:, None])
    determinant = np.linalg.slogdet(gram)[1]
    assert fe.rank * np.log(N) - 2 * fe.logdet_to_basis == pytest.approx(determinant, rel=1e-12)


@given(shift=st.sampled_from([1e3, -1e6, 1e8]), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_shift_and_scale_leave_the_basis_alone(shift, scale):
    days = np.arange(N) % 10.0  # integers: a shift loses no digits
    plain, moved = femat(ONE, days), femat(ONE, scale * (days + shift))
    np.testing.assert_allclose(moved.basis, plain.basis, rtol=0, atol=1e-6 if scale != 1 else 1e-14)
