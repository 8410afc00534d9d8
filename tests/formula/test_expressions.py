"""Expressions, evaluated: names that are known, and those that are not."""

import numpy as np
import pandas as pd
import pytest
from formula.refusal import refuse
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammError, OptionError
from numbamm.formula import model_frame
from numbamm.formula.expressions import read


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ xx + (1 | g)", "no column 'xx' in the data; did you mean 'x'"),
        ("y ~ X + (1 | g)", "no column 'X' in the data; did you mean 'x'"),
        ("y ~ log(dosis) + (1 | g)", r"no column 'dosis' .*log\(dosis\).*did you mean 'dose'"),
        ("y ~ x + (1 | gg)", "no column 'gg' in the data; did you mean 'g'"),
        ("y ~ x + (dosis | g)", "no column 'dosis' in the data; did you mean 'dose'"),
        ("yy ~ x + (1 | g)", "no column 'yy' in the data, for 'yy'; did you mean 'y'"),
        ("y ~ x + offset(q) + (1 | g)", "no column 'q'"),
    ],
)
def test_unknown_columns(data, formula, message):
    refuse(DataError, message, formula, data)


def test_a_name_of_the_callers_scope_is_no_column(data):
    refuse(DataError, "no column 'z'", "y ~ z + (1 | g)", data, context={"z": np.zeros(60)})


def test_unknown_functions(data):
    message = r"no function 'lgo' for 'lgo\(x\)'; did you mean 'log'"
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data)
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data, context={"lgo": 3})


def test_python_is_restored_by_the_configuration_alone(data, tmp_path, monkeypatch):
    for formula in ("y ~ x.clip(0) + (1 | g)", "y ~ I([v for v in x]) + (1 | g)"):
        with pytest.raises(FormulaError):
            model_frame(formula, data)
        with mm.config.context(formula_code="full"):
            mf = model_frame(formula, data)
        some = data.iloc[[3, 40]]
        assert_allclose(mf.new_rows(some).X, mf.X[some.index])  # what was allowed stays so
    monkeypatch.setenv("NUMBAMM_FORMULA_CODE", "full")
    mf = model_frame("y ~ I((lambda v: v * 2)(x)) + I(max(1, 2) * t) + (1 | g)", data)
    assert_allclose(mf.X[:, 1:], 2 * data[["x", "t"]])
    monkeypatch.setenv("NUMBAMM_FORMULA_CODE", "some")
    with pytest.raises(OptionError, match="formula_code must be"):
        mm.config.get("formula_code")
    monkeypatch.delenv("NUMBAMM_FORMULA_CODE")
    (tmp_path / "numbamm.toml").write_text('formula_code = "full"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="formula_code cannot be set by a file"):
        mm.config.get("formula_code")


def test_restored_python_may_not_look_at_other_rows_either(data):
    with mm.config.context(formula_code="full"):
        for expression in ("I(x - x.mean())", "x.rank()", "I(x[::-1])", "I(x - x.iloc[0])"):
            with pytest.raises(FormulaError, match="where that row stands alone"):
                model_frame(f"y ~ {expression} + (1 | g)", data)


def test_columns_are_not_written_to(data):
    before = data.copy()
    for expression in ("log(t, t)", "np.exp(x, x)", "np.clip(x, 0, 1, x)", "np.round(x, 1, t)"):
        with pytest.raises(NumbammError):
            model_frame(f"y ~ {expression} + (1 | g)", data)
    pd.testing.assert_frame_equal(data, before)


def test_a_formula_is_read_once(data):
    names = list(data.columns)
    assert read("I(log(t + 1) * x)", names) is read("I(log(t + 1) * x)", names)
