"""The rows' thresholds, location and scale as linear functions of the coefficients."""

import numpy as np
from cumulative_cases import Case

from numbamm.glm.cumulative.cumulative_rows import LOWER, RATE, UPPER
from numbamm.glm.cumulative.row_parts import Parts, Slopes


def test_the_table_has_the_thresholds_of_each_rows_category():
    case = Case("logit", "symmetric", n=20)
    parts, table = case.parts, np.empty((3, 20))
    assert parts.fill(case.psi, table)
    a = case.psi[:4].reshape(2, 2)
    alpha = parts.nominal @ a @ parts.T.T
    ends = np.column_stack([np.full(20, -np.inf), alpha, np.full(20, np.inf)])
    rows = np.arange(20)
    np.testing.assert_allclose(table[UPPER], ends[rows, parts.y + 1])
    np.testing.assert_allclose(table[LOWER], ends[rows, parts.y])
    np.testing.assert_allclose(table[RATE], np.exp(-0.4 * parts.scale[:, 0]))


def test_one_column_of_thresholds_is_filled_as_several_are():
    case = Case(n=20)
    several = case.parts
    one = Parts(several.y, several.T, several.nominal[:, :1], several.location, several.scale)
    psi, zero = np.delete(case.psi, np.arange(3, 6)), case.psi.copy()
    zero[3:6] = 0
    both = np.empty((2, 3, 20))
    assert one.fill(psi, both[0]) and several.fill(zero, both[1])
    np.testing.assert_allclose(*both, rtol=1e-12)


def test_the_gradient_is_the_sum_of_the_rows_changes():
    parts = Case(n=25).parts
    slopes = Slopes(*np.random.default_rng(0).normal(size=(4, 25)))
    slopes.upper[parts.y == 3] = 0  # no threshold above
    slopes.lower[parts.y == 0] = 0
    np.testing.assert_allclose(parts.gradient(slopes), parts.changes(slopes).sum(axis=0))
