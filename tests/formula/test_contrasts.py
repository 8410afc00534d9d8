"""Contrasts: the same columns as R's, by argument, by default and in the formula."""

import numpy as np
import pandas as pd
import pytest
from formulaic.transforms.contrasts import SumContrasts, TreatmentContrasts

from numbamm.errors import DataError, FormulaError, OptionError
from numbamm.formula import model_frame

ABC = pd.DataFrame(
    {
        "y": np.arange(12.0) ** 2,
        "x": np.linspace(0, 1, 12),
        "f": list("abcd") * 3,
        "g": list("pqr") * 4,
        "n": [1, 2, 3, 4] * 3,
        "one": ["u"] * 12,
    }
)


def coding(value, formula="y ~ f + (1 | g)", data=ABC):
    """Contrast columns of levels a, b, c, d, and their names."""
    mf = model_frame(formula, data, contrasts={"f": value})
    return mf.X[:4, 1:], mf.xnames[1:]


@pytest.mark.parametrize(
    ("value", "matrix", "names"),
    [
        ("treatment", np.eye(4)[:, 1:], ["f[T.b]", "f[T.c]", "f[T.d]"]),
        (
            "sum",
            [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]],
            ["f[S.a]", "f[S.b]", "f[S.c]"],
        ),
        (
            "helmert",
            [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]],
            ["f[H.b]", "f[H.c]", "f[H.d]"],
        ),
        (
            "poly",
            [
                [-0.6708203932499369, 0.5, -0.2236067977499790],
                [-0.2236067977499790, -0.5, 0.6708203932499369],
                [0.2236067977499790, -0.5, -0.6708203932499369],
                [0.6708203932499369, 0.5, 0.2236067977499790],
            ],
            ["f[.L]", "f[.Q]", "f[.C]"],
        ),
    ],
)
def test_named_contrasts_are_those_of_r(value, matrix, names):
    columns, found = coding(value)
    assert found == names
    np.testing.assert_allclose(columns, matrix, atol=1e-14)


def test_differences_of_successive_levels():
    columns, names = coding("diff")
    assert names == ["f[D.b]", "f[D.c]", "f[D.d]"]
    means = np.array([3.0, 5.0, 4.0, 9.0])
    effects = np.linalg.solve(np.c_[np.ones(4), columns], means)
    np.testing.assert_allclose(effects, [means.mean(), *np.diff(means)])


def test_formulaics_contrasts_and_classes():
    assert coding(TreatmentContrasts(base="c"))[1] == ["f[T.a]", "f[T.b]", "f[T.d]"]
    np.testing.assert_array_equal(coding(SumContrasts)[0], coding("sum")[0])


def test_a_matrix_and_named_vectors():
    matrix = np.array([[1, 0, 2], [0, 1, 2], [0, 0, -1], [-1, -1, -3.0]])
    columns, names = coding(matrix)
    assert names == ["f[1]", "f[2]", "f[3]"]
    np.testing.assert_array_equal(columns, matrix)
    columns, names = coding({"ends": [1, 0, 0, -1], "middle": [0, 1, -1, 0]})
    assert names == ["f[ends]", "f[middle]"]
    np.testing.assert_array_equal(columns, [[1, 0], [0, 1], [0, -1], [-1, 0]])


def test_contrasts_hold_left_of_a_bar_where_rank_is_reduced():
    mf = model_frame("y ~ 1 + (1 + f | g)", ABC, contrasts={"f": "sum"})
    assert mf.reterms[0].cnames == ["Intercept", "f[S.a]", "f[S.b]", "f[S.c]"]
    np.testing.assert_array_equal(mf.reterms[0].z[:, 3], [1, -1, -1, -1])
    full = model_frame("y ~ 1 + (0 + f | g)", ABC)
    assert full.reterms[0].cnames == ["f[a]", "f[b]", "f[c]", "f[d]"]


def test_ordered_columns_are_polynomial_by_default(data):
    mf = model_frame("y ~ dose + kind + (1 | g)", data)
    assert mf.xnames[1:] == ["dose[.L]", "dose[.Q]", "kind[T.v]", "kind[T.u]"]
    by_dose = dict(zip(data.dose, mf.X[:, 1:3], strict=True))
    np.testing.assert_allclose(
        [by_dose[level] for level in "lmh"],
        [[-(0.5**0.5), 6**-0.5], [0, -2 * 6**-0.5], [0.5**0.5, 6**-0.5]],
        atol=1e-14,
    )
    treated = model_frame("y ~ dose + (1 | g)", data, contrasts={"dose": "treatment"})
    assert treated.xnames[1:] == ["dose[T.m]", "dose[T.h]"]


def test_contrasts_in_the_formula():
    mf = model_frame("y ~ C(f, contr.sum) + (1 | g)", ABC)
    np.testing.assert_array_equal(mf.X[:4, 1:], coding("sum")[0])
    mf = model_frame("y ~ C(n) + (1 | g)", ABC)
    assert mf.xnames[1:] == ["C(n)[T.2]", "C(n)[T.3]", "C(n)[T.4]"]
    mf = model_frame("y ~ C(n) + (1 | g)", ABC, contrasts={"n": "sum"})
    assert mf.xnames[1:] == ["C(n)[S.1]", "C(n)[S.2]", "C(n)[S.3]"]
    mf = model_frame("y ~ C(f, levels=['d', 'c', 'b', 'a']) + (1 | g)", ABC)
    assert [name[-5:] for name in mf.xnames[1:]] == ["[T.c]", "[T.b]", "[T.a]"]


def test_levels_that_do_not_occur_have_no_column():
    data = ABC.assign(f=pd.Categorical(ABC.f, categories=list("dcbaz")))
    data.loc[data.f == "b", "y"] = np.nan
    mf = model_frame("y ~ f + (1 | g)", data)
    assert mf.xnames[1:] == ["f[T.c]", "f[T.a]"]
    assert mf.n_missing == 3


@pytest.mark.parametrize(
    ("contrasts", "error", "message"),
    [
        ({"f": "summ"}, OptionError, "no contrasts 'summ'; did you mean 'sum'"),
        ({"f": 3}, OptionError, "a name or a matrix"),
        ({"f": {}}, OptionError, "a name or a matrix"),
        ({"f": {"u": [1, 0], "v": [1]}}, OptionError, "a name or a matrix"),
        ({"f": [[1, np.nan], [0, 1], [1, 0]]}, OptionError, "a matrix of finite numbers"),
        ("sum", OptionError, "contrasts must be a dict of column"),
        ({1: "sum"}, OptionError, "contrasts must be a dict of column"),
        ({"f": np.eye(4)}, OptionError, "'f' are 4 × 4; its 4 levels need 4 × 3"),
        ({"f": np.eye(3)[:, 1:]}, OptionError, "'f' are 3 × 2; its 4 levels need 4 × 3"),
        ({"f": TreatmentContrasts(base="z")}, OptionError, "contrasts of 'f'.*'z'"),
        ({"ff": "sum"}, OptionError, "'ff', which no effect uses; did you mean 'f'"),
        ({"x": "sum"}, OptionError, r"'x', which is not a categorical effect.*C\(x\)"),
        ({"g": "sum"}, OptionError, "'g', which is not a categorical effect.*grouping factor"),
    ],
)
def test_contrasts_that_cannot_be_used(contrasts, error, message):
    with pytest.raises(error, match=message):
        model_frame("y ~ f + x + (1 | g)", ABC, contrasts=contrasts)


def test_one_level_leaves_nothing_to_contrast():
    with pytest.raises(DataError, match="'one' has a single level"):
        model_frame("y ~ one + (1 | g)", ABC)


def test_unknown_contrasts_in_the_formula():
    with pytest.raises(OptionError, match="no contrasts 'som'"):
        model_frame("y ~ C(f, 'som') + (1 | g)", ABC)
    with pytest.raises(OptionError, match="no contrasts 'som'"):
        model_frame("C(f, 'som') ~ 1 + (1 | g)", ABC)
    with pytest.raises(FormulaError, match="cannot be read"):
        model_frame("y ~ f f + (1 | g)", ABC)
