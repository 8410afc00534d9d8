"""Formulas of further parts of a model: which are refused, and the columns that designs make."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from numbamm.errors import DataError, FormulaError
from numbamm.formula import model_frame
from numbamm.formula.parts.one_sided import one_sided

FRAME = pd.DataFrame(
    {
        "y": [1.0, 2.0, 4.0, 3.0, 5.0, 6.0],
        "x": [0.0, 1.0, 2.0, np.nan, 4.0, 5.0],
        "odd name": list("babaab"),
        "g": list("aabbcc"),
    }
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "no one-sided formula"),
        ("y ~ x", "no one-sided formula"),
        ("~", "nothing stands after"),
        ("~ x + (1 | g)", "has a bar"),
        (3, "must be a string"),
    ],
)
def test_what_is_no_formula_of_a_part(text, words):
    with pytest.raises(FormulaError, match=words) as caught:
        one_sided("dispersion", text)
    assert "dispersion" in str(caught.value)


def test_columns_of_parts_on_the_rows_without_missing_values():
    parts = {"dispersion": "~ x + `odd name`", "zi": "~ 1"}
    frame = model_frame("y ~ 1 + (1 | g)", FRAME, parts=parts)
    values, names = frame.parts["dispersion"]
    assert names == ["Intercept", "x", "odd name[T.b]"]
    assert_array_equal(frame.rows, [0, 1, 2, 4, 5])
    assert_array_equal(values[:, 1], [0, 1, 2, 4, 5])
    assert_array_equal(frame.parts["zi"][0], np.ones((5, 1)))


def test_other_rows_get_the_levels_of_the_fit():
    frame = model_frame("y ~ 1 + (1 | g)", FRAME, parts={"dispersion": "~ `odd name`"})
    other = {"odd name": pd.Series(["b", "b"]).astype("category")}
    data = frame.design.materializer(other, np.arange(2))
    assert_array_equal(frame.design.part("dispersion", data)[0], [[1, 1], [1, 1]])


def test_columns_that_parts_need_besides():
    frame = model_frame("y ~ 1 + (1 | g)", FRAME, part_columns=["x"])
    assert frame.part_columns["x"].tolist() == [0, 1, 2, 4, 5]
    with pytest.raises(DataError, match="no column 'z'"):
        model_frame("y ~ 1 + (1 | g)", FRAME, part_columns=["z"])
    with pytest.raises(DataError, match="no column 'z'"):
        model_frame("y ~ 1 + (1 | g)", FRAME, parts={"dispersion": "~ z"})


def test_a_formula_without_random_effects_where_parts_allow_it():
    frame = model_frame("y ~ x", FRAME, needs_terms=False)
    assert frame.reterms == [] and frame.nobs == 5
    with pytest.raises(FormulaError, match="no random-effects term"):
        model_frame("y ~ x", FRAME)


def test_new_rows_have_the_columns_of_the_parts_that_are_asked_for():
    parts = {"scale": "~ `odd name` * scale(x)", "nominal": "~ 0 + `odd name`", "zi": None}
    frame = model_frame("y ~ 1 + (1 | g)", FRAME, parts=parts)
    assert set(frame.parts) == {"scale", "nominal"}
    data = {"odd name": ["b", "a"], "x": [2.4, np.nan]}  # the first is the mean of x
    new = frame.new_rows(data, random=False, parts=["scale"])
    assert set(new.parts) == {"scale"}
    np.testing.assert_allclose(new.parts["scale"][0], [1, 1, 0, 0], atol=1e-12)
    assert np.isnan(new.parts["scale"][1]).all()
    without = frame.new_rows({"odd name": ["a"]}, random=False, parts=["nominal"])
    assert_array_equal(without.parts["nominal"], [[1, 0]])
