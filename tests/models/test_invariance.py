"""What must not change a fit: order, names, origin and scale of the data, kind of frame."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm

FORMULA = "y ~ x + f + (1 + z | g) + (1 | h)"
THETA = [0.8, -0.3, 0.5, 0.6]


def simulated(n=90, seed=11):
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 15, n), rng.integers(0, 7, n)
    z, x = rng.integers(0, 9, n).astype(float), rng.integers(-20, 20, n).astype(float)
    effects = rng.normal(size=(15, 2))[g]
    y = 3 + x / 4 + effects[:, 0] + effects[:, 1] * z / 3 + rng.normal(size=7)[h]
    y = np.round(64 * (y + rng.normal(size=n))) / 64  # a shift then loses no digits
    f = np.array(["u", "v", "w"])[rng.integers(0, 3, n)]
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "g": g, "h": h})


DATA = simulated()


def built(data=DATA, formula=FORMULA, **options):
    return mm.LinearMixedModel(formula, data, **options)


@pytest.fixture(scope="module")
def plain():
    return built()


def same_fit(model, plain, abs=1e-9):
    assert model.objective_at(THETA) == pytest.approx(plain.objective_at(THETA), abs=abs)


@given(seed=st.integers(0, 2**32 - 1), reml=st.booleans())
def test_order_of_rows(seed, reml):
    order = np.random.default_rng(seed).permutation(len(DATA))
    shuffled = built(DATA.iloc[order], reml=reml)
    same_fit(shuffled, built(reml=reml))


def test_order_of_rows_in_the_results():
    order = np.random.default_rng(1).permutation(len(DATA))
    one, two = mm.lmm(FORMULA, DATA), mm.lmm(FORMULA, DATA.iloc[order])
    assert_allclose(two.fittedvalues.loc[DATA.index], one.fittedvalues, rtol=1e-4)
    assert_allclose(two.leverage().loc[DATA.index], one.leverage(), rtol=1e-4)


@given(labels=st.lists(st.text(min_size=1, max_size=6), min_size=15, max_size=15, unique=True))
def test_names_of_levels(labels):
    named = DATA.assign(g=[labels[i] for i in DATA["g"]])
    same_fit(built(named), built())


@pytest.mark.parametrize("kind", ["category", "str", "float64", "object", "int8"])
def test_type_of_the_grouping_column(kind, plain):
    same_fit(built(DATA.assign(g=DATA["g"].astype(kind))), plain)


def test_boolean_group():
    flag = DATA.assign(h=DATA["h"] > 3)
    model = built(flag, "y ~ x + (1 | h)")
    assert model.reterms[0].levels.tolist() == [False, True]
    other = built(flag.assign(h=np.where(flag["h"], "yes", "no")), "y ~ x + (1 | h)")
    assert model.objective_at([0.7]) == pytest.approx(other.objective_at([0.7]), abs=1e-9)


@given(
    shift=st.sampled_from([0.0, 1e3, -1e6, 1e8]),
    column=st.sampled_from(["y", "x"]),
    reml=st.booleans(),
)
def test_shift(shift, column, reml):
    moved = built(DATA.assign(**{column: DATA[column] + shift}), reml=reml)
    same_fit(moved, built(reml=reml), abs=1e-9)


@pytest.mark.parametrize("column", ["y", "x"])
def test_shift_changes_the_intercept_alone(column):
    one, two = mm.lmm(FORMULA, DATA), mm.lmm(FORMULA, DATA.assign(**{column: DATA[column] + 1e8}))
    slopes = ["x", "f[T.v]", "f[T.w]"]
    assert two.objective == pytest.approx(one.objective, abs=1e-6)
    # The search ends a rounding error away, so estimates agree to its tolerance, no more.
    assert ((two.params - one.params).abs() < 1e-3 * one.bse)[slopes].all()
    assert_allclose(two.bse[slopes], one.bse[slopes], rtol=1e-4)
    assert_allclose(two.resid, one.resid, atol=1e-3)
    moved = 1e8 if column == "y" else -1e8 * one.params["x"]
    assert two.params["Intercept"] - one.params["Intercept"] == pytest.approx(moved, rel=1e-4)


def test_shift_without_an_intercept_column():
    """Indicator columns span the constant, though none of them is constant."""
    formula = "y ~ 0 + f + (1 | g)"
    one, two = built(formula=formula), built(DATA.assign(y=DATA["y"] + 1e8), formula)
    assert two.objective_at([0.8]) == pytest.approx(one.objective_at([0.8]), abs=1e-6)


@given(exponent=st.integers(-8, 8), reml=st.booleans())
def test_scale_of_the_response(exponent, reml):
    scale = 10.0**exponent
    model, plain = built(DATA.assign(y=scale * DATA["y"]), reml=reml), built(reml=reml)
    d = plain.nobs - 4 * reml
    expected = plain.objective_at(THETA) + 2 * d * np.log(scale)
    assert model.objective_at(THETA) == pytest.approx(expected, abs=1e-8)


@given(exponent=st.integers(-8, 8), reml=st.booleans())
def test_scale_of_a_covariate(exponent, reml):
    scale = 10.0**exponent
    model, plain = built(DATA.assign(x=scale * DATA["x"]), reml=reml), built(reml=reml)
    change = 2 * np.log(scale) if reml else 0.0  # log|X'V⁻¹X| has units
    assert model.objective_at(THETA) == pytest.approx(plain.objective_at(THETA) + change, abs=1e-8)


def test_centred_and_scaled_slope_is_the_same_model():
    """(1 + z | g) spans what (1 + a z + b | g) spans, so the optimum is the same."""
    one = mm.lmm(FORMULA, DATA)
    two = mm.lmm(FORMULA, DATA.assign(z=(DATA["z"] - 4) / 2))
    assert two.objective == pytest.approx(one.objective, abs=1e-5)


@pytest.mark.parametrize(
    "move", [lambda z: z + 2000, lambda z: z + 1e8, lambda z: 1e-6 * z, lambda z: 1e6 * (z - 1e4)]
)
@pytest.mark.parametrize(
    "formula",
    ["y ~ x + z + (1 + z | g)", "y ~ x + z + (1 | h) + (1 + z | g)", "y ~ f * z + (1 + z | g)"],
)
def test_origin_and_size_of_a_slope(formula, move):
    """Calendar years, or microseconds: the fit is that of the plain column."""
    one, two = mm.lmm(formula, DATA), mm.lmm(formula, DATA.assign(z=move(DATA["z"])))
    assert two.objective == pytest.approx(one.objective, abs=1e-5)
    assert two.is_singular() == one.is_singular()
    assert_allclose(two.fittedvalues, one.fittedvalues, atol=5e-3)
    assert_allclose(two.predict(DATA.assign(z=move(DATA["z"]))), two.fittedvalues, atol=1e-6)
    assert_allclose(two.leverage(), one.leverage(), atol=1e-3)
    assert two.objective_at(two.theta) == pytest.approx(two.objective, abs=1e-7)
    for u, b, term in zip(two.u, two.b, two.reterms, strict=True):
        assert_allclose(u @ term.lambda_.T, b, atol=1e-7 * max(np.abs(b).max(), 1))


@pytest.mark.parametrize("move", [1e6, 1e-6])
def test_size_of_a_slope_without_correlation(move):
    formula = "y ~ x + zerocorr(1 + z | g)"
    one, two = mm.lmm(formula, DATA), mm.lmm(formula, DATA.assign(z=move * DATA["z"]))
    assert two.objective == pytest.approx(one.objective, abs=1e-6)
    assert_allclose(two.theta * [1, move], one.theta, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "formula", ["y ~ f * x + (1 | g)", "y ~ 0 + f + x + (1 | g)", "y ~ 0 + f + f:x + (1 | g)"]
)
def test_shift_beside_a_factor(formula):
    one, two = built(formula=formula), built(DATA.assign(x=DATA["x"] + 1e8), formula)
    assert two.feterm.dropped == one.feterm.dropped == []
    assert two.objective_at([0.8]) == pytest.approx(one.objective_at([0.8]), abs=1e-6)


def test_scale_of_the_weights_leaves_singularity_alone():
    for scale in (1e-8, 1e8):
        weighted = mm.lmm("y ~ x + (1 | g)", DATA, weights=np.full(len(DATA), scale))
        assert weighted.is_singular() == mm.lmm("y ~ x + (1 | g)", DATA).is_singular()


def test_weights_of_one(plain):
    same_fit(built(weights=np.ones(len(DATA))), plain)


@given(scale=st.floats(1e-3, 1e3))
def test_scale_of_the_weights(scale):
    """c w instead of w divides V by c: λλ' stays, σ² becomes c σ², Σ log w moves alone."""
    weights = np.random.default_rng(2).uniform(0.5, 2, len(DATA))
    theta = np.array(THETA)
    one, two = built(weights=weights), built(weights=scale * weights)
    assert two.objective_at(theta / np.sqrt(scale)) == pytest.approx(
        one.objective_at(theta), abs=1e-8
    )


def test_kinds_of_frames(plain):
    frames = [
        DATA.to_dict("list"),
        {name: DATA[name].to_numpy() for name in DATA},
        pl.from_pandas(DATA),
        pa.Table.from_pandas(DATA),
        DATA.astype({"f": "category", "g": "category"}),
    ]
    for frame in frames:
        model = built(frame)
        assert model.feterm.cnames == plain.feterm.cnames
        same_fit(model, plain)
