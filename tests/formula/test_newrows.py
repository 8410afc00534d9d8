"""Model matrices of new data, with the levels and transforms of the fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.errors import DataError
from numbamm.formula import model_frame

FORMULAS = [
    "y ~ 1 + x + (1 + x | g)",
    "y ~ 0 + (1 | g)",
    "y ~ f * x + dose + kind + flag + (f || g)",
    "y ~ poly(x, 3) + center(t) + scale(x) + bs(t, df=4) + (poly(x, 2) | g) + (1 | h:f)",
    "y ~ C(g > 4) + I(x > 0) + (0 + fulldummy(kind) | h) + (1 | g/dose)",
    "log(t) ~ x + offset(2 * x) + zerocorr(f | flag:h)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_rows_of_the_fit_give_the_matrices_of_the_fit(data, formula):
    mf = model_frame(formula, data)
    some = data.iloc[[40, 3, 17, 3]]
    new = mf.new_rows(some.drop(columns="y"))
    rows = some.index
    assert_allclose(new.X, mf.X[rows], atol=1e-12)
    assert not new.missing.any()
    if mf.offset is None:
        assert new.offset is None
    else:
        assert_allclose(new.offset, mf.offset[rows])
    assert len(new.terms) == len(mf.reterms)
    for (refs, z, unseen, _), term in zip(new.terms, mf.reterms, strict=True):
        assert_array_equal(refs, term.refs[rows])
        assert refs.dtype == np.int32
        assert_allclose(z, term.z[:, rows], atol=1e-12)
        assert unseen == []
    population = mf.new_rows(some.drop(columns=["y", "h"]), random=False)
    assert_array_equal(population.X, new.X)
    assert population.terms == []


def test_new_data_may_be_of_another_kind(data):
    mf = model_frame("y ~ f + dose + flag + (1 | g)", data)
    plain = data.assign(dose=data.dose.astype(str))
    assert_array_equal(mf.new_rows(pl.from_pandas(plain)).X, mf.X)
    assert_array_equal(mf.new_rows(plain.to_dict("list")).X, mf.X)


def test_unseen_groups(data):
    mf = model_frame("y ~ x + (1 | g) + (1 | h:f)", data)
    new = mf.new_rows(
        {"x": [1.0, 2.0, 3.0], "g": [0, 99, 5], "h": ["p", "p", "z"], "f": list("abz")}
    )
    first = mf.reterms[0].group == "g"
    g, hf = new.terms if first else new.terms[::-1]
    of_g, of_hf = mf.reterms if first else mf.reterms[::-1]
    assert_array_equal(g.refs, [0, of_g.nlevels, 5])
    assert g.unseen == [99]
    assert_array_equal(hf.refs, [0, 1, of_hf.nlevels])
    assert hf.unseen == ["z:z"]


def test_missing_values(data):
    mf = model_frame("y ~ x + offset(t) + (0 + x | g)", data)
    frame = data.iloc[:4].copy().astype({"g": float})
    frame.loc[0, "x"] = np.nan
    frame.loc[1, "g"] = np.nan
    frame.loc[2, "y"] = np.nan  # not needed
    new = mf.new_rows(frame)
    assert_array_equal(new.missing, [True, True, False, False])
    assert np.isnan(new.X[:2]).all()
    assert np.isnan(new.offset[:2]).all()
    assert_array_equal(new.X[2:], mf.X[2:4])
    assert_array_equal(new.terms[0].refs, [-1, -1, 0, 0])
    assert_array_equal(mf.new_rows(frame, random=False).missing, [True, False, False, False])


def test_no_complete_rows(data):
    mf = model_frame("y ~ poly(x, 2) + offset(x) + (1 | g)", data)
    new = mf.new_rows({"x": [np.nan], "g": [3]})
    assert np.isnan(new.X).all()
    assert np.isnan(new.offset).all()
    assert new.X.shape == (1, 3)
    assert mf.new_rows({"x": [], "g": []}).X.shape == (0, 3)


def test_the_column_given_as_offset(data):
    mf = model_frame("y ~ x + offset(x) + (1 | g)", data, offset="t", weights=np.ones(60))
    assert_allclose(mf.new_rows(data).offset, data.x + data.t)
    with pytest.raises(DataError, match="no column 't' in the new data"):
        mf.new_rows(data.drop(columns="t"))
    assert mf.offset_name == "t"
    assert not mf.has_array_offset
    by_array = model_frame("y ~ x + (1 | g)", data, offset=data.t)
    assert by_array.has_array_offset
    assert by_array.new_rows(data).offset is None


def test_unseen_levels_of_a_fixed_effect_are_refused(data):
    mf = model_frame("y ~ f + C(g > 3) + (1 | g)", data)
    frame = data.iloc[:3].assign(f=["a", "new", "b"])
    with pytest.raises(DataError, match="'f' has levels that were not in the fit: 'new'"):
        mf.new_rows(frame)
    with pytest.raises(DataError, match="not in the fit: 'b'"):
        model_frame("y ~ f + (1 | g)", data[data.f != "b"]).new_rows(data)


def test_columns_must_be_there(data):
    mf = model_frame("y ~ x + t + (1 | g)", data)
    with pytest.raises(DataError, match="no columns 't', 'x' in the new data"):
        mf.new_rows(data[["g"]])
    with pytest.raises(DataError, match="no column 'g' in the new data"):
        mf.new_rows(data[["x", "t"]])


def test_a_column_must_keep_its_kind(data):
    mf = model_frame("y ~ x + C(h) + (1 | g)", data)
    with pytest.raises(DataError, match="'x' was numeric in the fit"):
        mf.new_rows(data.assign(x="a"))


def test_new_levels_as_numbers_or_labels(data):
    mf = model_frame("y ~ k + (1 | g)", data.assign(k=pd.Categorical(data.g % 3)))
    assert_array_equal(mf.new_rows(data.assign(k=data.g % 3)).X, mf.X)


def test_a_function_must_keep_its_columns(data):
    powers = lambda x: pd.DataFrame({k: x**k for k in range(1, 2 + (x.max() > 99))})  # noqa: E731
    mf = model_frame("y ~ powers(x) + (1 | g)", data, context={"powers": powers})
    with pytest.raises(DataError, match="do not fit the formula"):
        mf.new_rows(data.assign(x=data.x + 100))


def test_back_quoted_names_are_told_from_those_they_resemble(data):
    data = data.assign(**{"a b": data.x + 7, "a_b": data.t, "True": data.t})
    mf = model_frame("y ~ a_b + scale(`a b`) + I(`a b` - a_b) + log(`True`) + (1 | g)", data)
    x, t = data.x.to_numpy(), data.t.to_numpy()
    scaled = (x - x.mean()) / x.std(ddof=1)
    assert_allclose(mf.X[:, 1:].T, [t, scaled, x + 7 - t, np.log(t)], atol=1e-12)
    some = data.iloc[[40, 3, 17]]
    assert_allclose(mf.new_rows(some).X, mf.X[some.index], atol=1e-12)
