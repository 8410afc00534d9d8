"""One-sided formulas of further parts."""

import numpy as np
import pandas as pd
import pytest

from numbamm import formula as formulas
from numbamm.errors import DataError, FormulaError
from numbamm.formula.parts import one_sided

DATA = pd.DataFrame(
    {
        "y": [1.0, 2.5, 0.5, 2.0, 4.0, 3.0],
        "odd name": [1e6, 2e6, 3e6, 1e6, np.nan, 5e6],
        "f": pd.Categorical(list("abcabc")),
        "g": [1, 1, 2, 2, 3, 3],
    }
)


def frame(**parts):
    return formulas.model_frame("y ~ 1 + (1 | g)", DATA, parts=parts)


def test_columns_of_parts_are_those_of_formulas():
    built = frame(scale="~ f + `odd name`", nominal="~ 0 + log(`odd name`)", other=None)
    assert set(built.parts) == {"scale", "nominal"}
    assert built.parts["scale"].names == ["Intercept", "f[T.b]", "f[T.c]", "odd name"]
    assert built.n_missing == 1  # of a column that a part alone uses
    np.testing.assert_array_equal(built.parts["scale"].X[:, 3], DATA["odd name"].dropna())
    np.testing.assert_allclose(built.parts["nominal"].X[:, 0], np.log(DATA["odd name"].dropna()))
    assert "f" not in built.columns  # which are those of the fixed effects


def test_new_rows_have_the_columns_that_are_asked_for():
    built = frame(scale="~ f * scale(`odd name`)", nominal="~ f")
    new = built.new_rows(
        {"f": ["c", "a"], "odd name": [1e6, np.nan]}, random=False, parts=["scale"]
    )
    assert set(new.parts) == {"scale"}
    np.testing.assert_allclose(new.parts["scale"][0, 1:3], [0, 1])
    assert np.isnan(new.parts["scale"][1]).all()
    without = built.new_rows({"f": ["a"]}, random=False, parts=["nominal"])
    assert without.parts["nominal"].tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("x", "no one-sided formula"),
        ("y ~ x", "no one-sided formula"),
        ("~", "no effects"),
        ("~ x ~ z", "two tildes"),
        ("~ x + (1 | g)", "random effects"),
        ("~ offset(x)", "offset"),
        (3, "must be a one-sided formula"),
    ],
)
def test_other_formulas_are_refused(formula, problem):
    with pytest.raises(FormulaError, match=problem) as error:
        one_sided("scale", formula)
    assert "scale" in str(error.value)


def test_absent_columns_are_named():
    with pytest.raises(DataError, match="'fff'"):
        frame(scale="~ fff")
