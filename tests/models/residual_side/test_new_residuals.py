"""Predictions of new rows borrow from correlated residuals: against dense normal distributions."""

import numpy as np
import pandas as pd
import pytest
from models.residual_side.dense_prediction import correlations, deviations, kriged
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError
from numbamm.inference.prediction.model_rows import ModelRows


def frame(seed=0):
    """Unsorted rows with gaps, a group of one row, and rows to predict, some of a new group."""
    rng = np.random.default_rng(seed)
    rows = [(g, t) for g in range(12) for t in rng.choice(6, rng.integers(2, 6), replace=False)]
    rows = [*rows, (12, 3)]
    there = set(rows)
    new = [(g, t) for g in range(14) for t in range(6) if (g, t) not in there]
    d = pd.DataFrame([*rows, *new], columns=["g", "t"])
    d["item"], d["x"] = rng.integers(0, 4, len(d)), rng.normal(size=len(d))
    d["w"], d["east"] = rng.uniform(0.5, 2, len(d)), rng.uniform(0, 3, len(d))
    d["arm"] = np.where(d.g % 3 == 0, "b", "a")
    d["y"] = d.x + rng.normal(size=14)[d.g] + rng.normal(size=len(d))
    fit = d[: len(rows)].sample(frac=1, random_state=1)
    return fit.reset_index(drop=True), d[len(rows) :].sample(frac=1, random_state=2)[:25]


FIT, NEW = frame()
SIDES = {
    name: {"residual": f"{name}(t | g)"}
    for name in (
        *("ar1", "ar2", "arma", "ou", "exp", "gau", "mat"),
        *("us", "cs", "hetar1", "toep", "adh", "homus", "homtoep"),
    )
} | {
    "homcs": {"residual": "homcs(1 | g)"},
    "nugget": {"residual": "exp(t | g, nugget=True)"},
    "plane": {"residual": "gau(t, east | g, nugget=True)"},
    "one group": {"residual": "mat(t, east | 1, nugget=True)"},
    "by": {"residual": "hetar1(t | g, by=arm)"},
    "lags by": {"residual": "ar1(t | g, by=arm)"},
    "times by": {"residual": "ou(t | g, by=arm)", "dispersion": "~ x"},
    "us by": {"residual": "us(t | g, by=arm)"},
    "all": {"residual": "adh(t | g)", "dispersion": ["~ x + arm", "power(w, by=arm)"]},
    "formula": {"dispersion": "~ x + arm"},
    "power": {"dispersion": "constpower(w)"},
    "rates": {"dispersion": ["exp(x, by=arm)", "fixed(w)"]},
}
FORMULAS = {
    "none": "y ~ x",
    "nested": "y ~ x + (1 + x | g)",
    "crossed": "y ~ x + (1 | g) + (1 | item)",
}
CASES = [(side, "crossed") for side in SIDES]
CASES += [
    (side, terms) for side in ("ou", "us", "all", "one group") for terms in ("none", "nested")
]


def at_some_point(side, formula="y ~ x", seed=0, **options):
    """A model at random parameters."""
    m = mm.LinearMixedModel(formula, FIT, **SIDES.get(side, {}), **options)
    rng, x = np.random.default_rng(seed), m.optsum.initial.copy()
    k = m.residual_side.size
    x[:k] += rng.uniform(0.1, 0.3, k)
    x[k:] = 0.7 * x[k:] + 0.1
    return m.estimate_at(x)


@pytest.mark.parametrize(("side", "terms"), CASES)
@pytest.mark.filterwarnings("ignore:levels of:numbamm.errors.NumbammWarning")
@pytest.mark.filterwarnings("ignore:residual=:numbamm.errors.NumbammWarning")
def test_new_rows(side, terms):
    m = at_some_point(side, FORMULAS[terms], weights="w")
    mean, error, observation = kriged(m, FIT, NEW, weights="w")
    found = m.predict(NEW, se=True, interval="prediction")
    assert_allclose(found["prediction"], mean, atol=1e-8)
    assert_allclose(found["se"] ** 2, error, atol=1e-8)
    assert_allclose(sd_of(found) ** 2, observation, atol=1e-8)


def sd_of(intervals):
    return (intervals["upper"] - intervals["lower"]) / 2 / 1.959963984540054


@pytest.mark.parametrize("side", ["hetar1", "us", "ou"])
def test_a_row_of_the_fit_is_known(side):
    m = at_some_point(side, weights="w")
    found = m.predict(FIT, se=True, interval="prediction")
    assert_allclose(found["prediction"], FIT.y, atol=1e-8)
    assert_allclose(found["se"], 0, atol=1e-6)
    assert_allclose(found["upper"] - found["lower"], 0, atol=1e-6)


@pytest.mark.parametrize("scale", [(1e6, 1), (1.7e9, 86_400)])
@pytest.mark.parametrize("side", ["ou", "mat", "nugget"])
def test_times_far_off(scale, side):
    base = at_some_point(side)
    first, step = scale
    moved = FIT.assign(t=first + step * FIT.t.astype(float))
    m = mm.LinearMixedModel("y ~ x", moved, **SIDES[side]).estimate_at(base.x)
    known = NEW[NEW.g < 12]
    found = m.predict(known.assign(t=first + step * known.t), se=True, interval="prediction")
    assert_allclose(found, base.predict(known, se=True, interval="prediction"), atol=1e-7)


class Unit:
    """In place of a generator: its noise is one for one row, zero for others."""

    def __init__(self, row):
        self.row = row

    def standard_normal(self, n):
        return np.eye(n)[self.row]


@pytest.mark.parametrize("side", ["lags by", "us", "nugget", "homcs", "formula"])
def test_noise_of_new_rows(side):
    """Its covariances, rows in no order; two rows at one time are one, but for a nugget."""
    m, new = at_some_point(side), pd.concat([NEW, NEW[:1]])
    rows = ModelRows.new(m, new, [], residuals="correlated").residuals
    root = np.column_stack([rows.noise(Unit(i)) for i in range(len(new))])
    C = correlations(m, new)
    nugget = m.residual_side.parameters(m.residual_side.phi, 1.0).get("nugget", 0.0)
    C[-1, 0] = C[0, -1] = {"us": 1.0, "lags by": 1.0, "nugget": 1 - nugget}.get(side, C[-1, 0])
    assert_allclose(root @ root.T, C, atol=1e-8)


def test_draws_of_new_rows():
    m = at_some_point("all", weights="w")
    y = m.simulate(3, newdata=NEW)
    noise = ModelRows.new(m, NEW, [], residuals="correlated").residuals.noise(
        np.random.default_rng(3)
    )
    mean, sd = m.predict(NEW, random=False), m.sigma * deviations(m, NEW) / np.sqrt(NEW.w)
    assert_allclose(y, mean + sd * noise)
    assert (m.simulate(3, n=2, newdata=NEW)["sim_1"] == y).all()


def test_groups_too_large_for_a_negative_correlation():
    m = at_some_point("homcs")
    phi = m.residual_side.phi.copy()
    phi[:] = -1.2
    m.estimate_at(phi)
    largest = FIT.g.value_counts().idxmax()
    row = {"x": [0.0], "g": [largest]}
    rows = {"x": np.zeros(9), "g": np.full(9, largest)}
    with pytest.raises(DataError, match="more rows than such a correlation allows"):
        m.predict(row)
    with pytest.raises(DataError, match="a group of 9 rows of the new data is larger"):
        m.simulate(1, newdata=rows)
