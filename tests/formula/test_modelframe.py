"""Formulas and data → response, model matrices and terms."""

import math
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.errors import FormulaError
from numbamm.formula import model_frame


def test_the_whole_of_a_simple_model(data):
    mf = model_frame("y~1+x+(1+x|g)", data)
    assert (mf.formula, mf.response) == ("y ~ 1 + x + (1 + x | g)", "y")
    assert mf.xnames == ["Intercept", "x"]
    assert_array_equal(mf.X, np.c_[np.ones(60), data.x])
    assert_array_equal(mf.y, data.y)
    (term,) = mf.reterms
    assert (term.group, term.cnames) == ("g", ["Intercept", "x"])
    assert_array_equal(term.levels, np.arange(12))
    assert_array_equal(term.refs, data.g)
    assert_array_equal(term.z, mf.X.T)
    assert term.structure.entries.tolist() == [0, 2, 3]
    assert mf.weights is mf.offset is mf.trials is mf.success_level is None
    assert_array_equal(mf.rows, np.arange(60))
    assert (mf.nrows, mf.n_missing, mf.n_zero_weight) == (60, 0, 0)
    assert mf.index.equals(data.index)
    assert "y ~ 1 + x" in repr(mf)


def test_small_integers_do_not_wrap(data):
    frame = data.assign(small=np.full(60, 200, dtype=np.uint8), one=np.arange(60) % 2)
    mf = model_frame("y ~ I(one - small) + I(small**3) + (1 | g)", frame)
    assert_array_equal(mf.X[:, 1], frame.one - 200.0)
    assert_array_equal(mf.X[:, 2], np.full(60, 8e6))


def test_a_column_may_share_its_name_with_a_function(data):
    frame = data.rename(columns={"x": "log", "t": "C"})
    mf = model_frame("y ~ log + log(C) + C + C(f) + (1 | g)", frame)
    assert mf.xnames == ["Intercept", "log", "log(C)", "C", "C(f)[T.b]", "C(f)[T.c]"]
    columns = dict(zip(mf.xnames, mf.X.T, strict=True))
    assert_array_equal(columns["log"], data.x)
    assert_allclose(columns["log(C)"], np.log(data.t))


def test_names_that_need_quotes(data):
    frame = data.rename(columns={"x": "my x", "g": "the group", "y": "y (ms)"})
    mf = model_frame("`y (ms)` ~ `my x` + I(`my x`**2) + (`my x` | `the group`)", frame)
    assert mf.reterms[0].group == "the group"
    assert mf.reterms[0].cnames == ["Intercept", "my x"]
    assert_allclose(mf.X[:, 2], data.x**2)


def double(x):
    return 2 * x


def test_the_callers_functions_and_values(data):
    context = {"double": double, "mid": 0.25, "log": math.log, "pd": pd, "unused": object()}
    mf = model_frame("y ~ double(x - mid) + log(t) + (1 | g)", data, context=context)
    assert_allclose(mf.X[:, 1], 2 * (data.x - 0.25))
    assert_allclose(mf.X[:, 2], np.log(data.t))
    again = pickle.loads(pickle.dumps(mf))
    assert_array_equal(again.new_rows(data).X, mf.X)


def test_what_does_not_pickle_is_left_behind(data):
    mf = model_frame("y ~ twice(x) + (1 | g)", data, context={"twice": lambda x: 2 * x})
    again = pickle.loads(pickle.dumps(mf))
    assert_array_equal(again.X, mf.X)
    with pytest.raises(FormulaError, match="twice"):
        again.new_rows(data)


def test_a_pickle_holds_no_data(data):
    wide = pd.concat([data] * 200, ignore_index=True).assign(text="long text" * 20)
    mf = model_frame("y ~ f + poly(x, 2) + C(flag) + (f | g) + (1 | h:f)", wide)
    assert set(mf.columns) == {"f", "x", "flag"}  # what the fixed effects use, and no more
    mf.X = mf.y = mf.rows = mf.index = None
    mf.reterms.clear()
    mf.columns.clear()
    assert len(pickle.dumps(mf)) < 20_000


def test_importing_does_not_import_formulaic():
    import subprocess

    code = "import sys, numbamm.formula; assert not {'formulaic', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
