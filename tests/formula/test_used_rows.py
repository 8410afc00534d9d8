"""Rows of the data: weights and offsets that come beside them, and missing values."""

import numpy as np
import pandas as pd
import pytest
from formula.refusal import refuse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import numbamm as mm
from numbamm.errors import DataError
from numbamm.formula import model_frame

FORMULA = "y ~ x + (1 | g)"


@pytest.fixture
def frame(data):
    rng = np.random.default_rng(14)
    own = {"w": rng.uniform(0.5, 3, 60), "o": rng.normal(size=60)}
    return data.assign(**own).set_axis([f"row {k}" for k in rng.permutation(60)])


@pytest.mark.parametrize(("what", "column"), [("weights", "w"), ("offset", "o")])
def test_a_series_is_matched_by_its_index(frame, what, column):
    moved = frame.sort_values("x")
    for data in (moved, moved.iloc[::-1], moved.assign(x=moved.x.where(moved.t > 2))):
        by_name = model_frame(FORMULA, data, **{what: column})
        by_index = model_frame(FORMULA, data, **{what: frame[column]})
        assert_array_equal(getattr(by_index, what), getattr(by_name, what))
        by_position = model_frame(FORMULA, data, **{what: data[column].to_numpy()})
        assert_array_equal(getattr(by_position, what), getattr(by_name, what))
    mf = model_frame(FORMULA, moved, weights=frame.w)
    assert_array_equal(mf.new_rows(moved, weights=frame.w).weights, moved.w)


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_a_series_of_other_labels_is_refused(frame, what):
    others = [
        frame.w.reset_index(drop=True),
        frame.w.rename({"row 3": "row 99"}),
        frame.w[:30],
        pd.concat([frame.w[:30], frame.w[:30]]),
        frame.w.set_axis(pd.date_range("2020-01-01", periods=60)),
    ]
    for other in others:
        with pytest.raises(DataError, match=f"{what}: (its index is not that of the data|shape)"):
            model_frame(FORMULA, frame, **{what: other})
    twice = frame.rename({"row 3": "row 4"})
    with pytest.raises(DataError, match="its index is not that of the data"):
        model_frame(FORMULA, twice, **{what: twice.w[::-1]})
    model_frame(FORMULA, twice, **{what: twice.w})


def test_data_without_an_index_go_by_position(frame):
    mf = model_frame(FORMULA, frame.to_dict("list"), weights=frame.w)
    assert_array_equal(mf.weights, frame.w)


def test_a_dict_of_series_of_several_orders_is_refused(frame):
    columns = {"y": frame.y, "x": frame.x.sort_values(), "g": frame.g}
    with pytest.raises(DataError, match="'y' and 'x' are Series with different indices"):
        model_frame(FORMULA, columns)
    model_frame(FORMULA, {name: frame[name] for name in columns})
    model_frame(FORMULA, {"y": frame.y, "x": frame.x.to_numpy(), "g": list(frame.g)})


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(40)))
def test_the_order_of_either_does_not_matter(order):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=40), "x": np.arange(40.0), "g": np.arange(40) % 5})
    w = pd.Series(rng.uniform(1, 2, 40))
    mf = model_frame(FORMULA, data, weights=w.iloc[order])
    assert_array_equal(mf.weights, w)
    mf = model_frame(FORMULA, data.iloc[order], weights=w, offset=w)
    assert_array_equal(mf.weights, w.iloc[order])
    assert_array_equal(mf.offset, w.iloc[order])


def test_fits_and_predictions_of_simulations(frame):
    moved = frame.sort_values("t")
    by_name = mm.lmm(FORMULA, moved, weights="w", offset="o")
    by_index = mm.lmm(FORMULA, moved, weights=frame.w, offset=frame.o)
    assert np.isclose(by_index.objective, by_name.objective)
    assert np.isclose(by_index.refit(frame.y).objective, by_name.objective)


@pytest.mark.filterwarnings("error")
def test_a_series_beside_data_without_labels(frame):
    plain = frame.reset_index(drop=True)
    pl = pytest.importorskip("polars")
    for data in (pl.from_pandas(plain), {k: plain[k].to_numpy() for k in plain}):
        for own in (frame.w, plain.w, plain.w.set_axis(np.arange(60) * 3)):  # by position
            assert_array_equal(model_frame(FORMULA, data, weights=own).weights, plain.w)
        with pytest.raises(DataError, match="its index numbers the rows in another order"):
            model_frame(FORMULA, data, weights=plain.w.sort_values())
    series = {k: frame[k] for k in frame}
    moved = model_frame(FORMULA, series, weights=frame.w.sort_values())
    assert_array_equal(moved.weights, frame.w)
    with pytest.raises(DataError, match="its index is not that of the data"):
        model_frame(
            FORMULA, frame.set_axis(list(zip(frame.f, range(60), strict=True))), weights=plain.w
        )


def test_rows_are_counted_in_the_data_as_given(data):
    frame = data.assign(z=1.0)
    frame.loc[[0, 1], "x"] = np.nan
    frame.loc[9, "z"] = -1
    refuse(DataError, r"'log\(z\)' .* in 1 row \(.*: 9\)", "y ~ x + log(z) + (1 | g)", frame)
    refuse(DataError, r"'log\(z\)' .* in 1 row \(.*: 9\)", "log(z) ~ x + (1 | g)", frame)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(59), r"weights: shape \(59,\) where the data have 60 rows"),
        (np.ones((60, 1)), r"weights: shape \(60, 1\)"),
        (2.0, r"weights: shape \(\)"),
        (np.r_[-1.0, np.ones(58), -2], r"negative or infinite in 2 rows \(.*0, 59\)"),
        (np.r_[np.inf, np.ones(59)], r"negative or infinite in 1 row"),
        (np.zeros(60), "no row is left of 60: 0 miss a value .* 60 have zero weight"),
        (np.full(60, np.nan), "no row is left of 60: 60 miss a value"),
        (["a"] * 60, "weights must be numbers"),
        (np.ones(60, dtype="m8[s]"), "weights must be numbers"),
        ("xx", r"no column 'xx' in the data \(weights\); did you mean 'x'"),
        ("f", r"column 'f' \(weights\) must be numbers"),
    ],
)
def test_weights(data, weights, message):
    refuse(DataError, message, "y ~ x + (1 | g)", data, weights=weights)


def test_offsets(data):
    formula = "y ~ x + (1 | g)"
    refuse(DataError, r"offset: shape \(3,\)", formula, data, offset=np.ones(3))
    refuse(DataError, "offset: infinite in 60 rows", formula, data, offset=np.full(60, np.inf))


def test_no_rows(data):
    formula = "y ~ x + (1 | g)"
    refuse(DataError, "the data have no rows", formula, data.iloc[:0])
    refuse(DataError, "the data have no rows", formula, {})
    refuse(DataError, "no row is left of 60", formula, data.assign(x=np.nan))
    refuse(DataError, "must be a data frame", formula, [1, 2])


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_complex_weights_and_offsets(what):
    data = {"y": np.arange(6.0), "g": [1, 1, 2, 2, 3, 3]}
    for values in (np.full(6, 1j), np.full(6, 1 + 0j), pd.Series(np.full(6, 2 + 1j))):
        refuse(DataError, f"{what}: complex numbers", "y ~ 1 + (1 | g)", data, **{what: values})
