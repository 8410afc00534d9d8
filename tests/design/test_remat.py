"""ReMat: templates of λ, views of Z, amalgamation, order and nesting."""

import numpy as np
import pytest

from numbamm.design.remat import ReMat, amalgamate, order_terms
from numbamm.structures.diag import Diag

REFS = np.array([0, 1, 0, 2, 1])
LEVELS = np.array(["a", "b", "c"])
X = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
ONE = np.ones(5)


def scalar(group="g"):
    return ReMat(group, REFS, LEVELS, ["Intercept"], ONE[None])


def vector(**options):
    return ReMat("g", REFS, LEVELS, ["Intercept", "x"], np.vstack([ONE, X]), **options)


def test_full_template_runs_by_column():
    term = ReMat("g", REFS, LEVELS, list("abc"), np.vstack([ONE, X, X**2]))
    term.theta = [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(term.lambda_, [[1, 0, 0], [2, 4, 0], [3, 5, 6]])
    np.testing.assert_array_equal(term.structure.lowerbd, [0, -np.inf, -np.inf, 0, -np.inf, 0])


def test_diagonal_template():
    term = vector(structure=Diag(2))
    term.theta = [2, 3]
    np.testing.assert_array_equal(term.lambda_, np.diag([2, 3]))
    np.testing.assert_array_equal(term.structure.lowerbd, [0, 0])


def test_starts_at_the_identity():
    np.testing.assert_array_equal(vector().theta, [1, 0, 1])


def test_views_of_z():
    expected = np.zeros((5, 6))
    for row, level in enumerate(REFS):
        expected[row, 2 * level : 2 * level + 2] = 1, X[row]
    np.testing.assert_array_equal(vector().toarray(), expected)
    np.testing.assert_array_equal(vector().tosparse().toarray(), expected)
    assert vector().shape == (5, 6) == vector().tosparse().shape


def test_amalgamation_has_structural_zeros():
    slopes = ReMat("g", REFS, LEVELS, ["x", "x2"], np.vstack([X, X**2]))
    (joined,) = amalgamate([scalar(), slopes])
    assert joined.cnames == ["Intercept", "x", "x2"]
    joined.theta = [1, 2, 3, 4]
    np.testing.assert_array_equal(joined.lambda_, [[1, 0, 0], [0, 2, 0], [0, 3, 4]])
    np.testing.assert_array_equal(joined.z, np.vstack([ONE, X, X**2]))


def test_amalgamation_keeps_other_factors():
    other = ReMat("h", REFS % 2, np.array([0, 1]), ["Intercept"], ONE[None])
    assert [t.group for t in amalgamate([scalar(), other, scalar("k")])] == ["g", "h", "k"]


def test_order_is_by_number_of_random_effects():
    few = ReMat("h", REFS % 2, np.array([0, 1]), ["Intercept", "x"], np.vstack([ONE, X]))
    assert [t.group for t in order_terms([scalar(), few])] == ["h", "g"]
    assert [t.group for t in order_terms([scalar("first"), scalar("second")])] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("inner", "outer", "nested"), [(REFS, REFS // 2, True), (REFS // 2, REFS, False)]
)
def test_nesting(inner, outer, nested):
    def term(refs):
        return ReMat("g", refs, np.unique(refs), ["Intercept"], ONE[None])

    assert term(inner).is_nested_in(term(outer)) is nested


def test_repr_names_columns_levels_and_template():
    assert repr(vector()) == "ReMat(Intercept, x | g: 3 levels, 5 rows)"
    diagonal = vector(structure=Diag(2))
    assert repr(diagonal) == "ReMat(Intercept, x | g: 3 levels, 5 rows, diag λ)"
