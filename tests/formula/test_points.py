"""Points: the effects of a term over positions."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import numbamm as mm
from numbamm.errors import DataError, FormulaError
from numbamm.formula import points
from numbamm.formula.points import Points


def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"g": np.repeat(list("abcdef"), 8), "t": np.tile([0, 1, 1, 2, 5, 5, 7, 9], 6)})
    d["t"] = d.t / 3 + np.where(d.g == "b", 0.1, 0.0)
    d["u"], d["f"] = rng.integers(0, 3, 48), np.tile(list("xyzw"), 12)
    d["y"] = rng.normal(size=48) + rng.normal(size=6)[pd.factorize(d.g)[0]]
    return d


def test_each_row_picks_its_point():
    coordinates = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0], [-0.0, 5.0]])
    found = Points.of(coordinates, ["x", "y"], "exp(x, y | g)")
    assert found.labels == ["x,y[0,5]", "x,y[1,2]"]
    assert_array_equal(found.indicators(coordinates, ""), [[0, 1], [1, 0], [0, 1], [1, 0]])


def test_what_cannot_be():
    with pytest.raises(DataError, match="all rows are at one point"):
        Points.of(np.ones((4, 2)), ["x", "y"], "exp(x, y | g)")
    with pytest.raises(DataError, match="more than"):
        Points.of(np.arange(points.MOST + 1.0)[:, None], ["x"], "ou(x | g)")
    with pytest.raises(DataError, match="no row at t = 99"):
        Points.of(np.arange(3.0)[:, None], ["t"], "ou(t | g)").indicators(np.array([[99.0]]), "")


def test_levels_with_points_of_their_own():
    times = np.random.default_rng(1).uniform(0, 10, 1000)
    own = pd.DataFrame({"g": np.repeat(np.arange(200), 5), "t": times, "y": times**2})
    with pytest.raises(DataError, match="200 levels are at 1000 distinct points.*coarser grid"):
        mm.LinearMixedModel("y ~ 1 + ou(t | g)", own)
    with pytest.raises(DataError, match=r'by residual="exp\(t \| g, nugget=True\)"'):
        mm.LinearMixedModel("y ~ 1 + ou(t | g)", own)
    assert mm.LinearMixedModel("y ~ 1 + ou(t | g)", own.assign(t=own.t.round())).reterms[0].p == 11


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("exp(t + u | g)", "separated by commas"),
        ("exp(t, | g)", "separated by commas"),
        ("ou(f | g)", "must be numbers"),
        ("ou(t | g, d=2)", "takes no options"),
        ("rr(0 + f | g, d=0)", "from 1 on"),
        ("rr(0 + f | g, k=1)", "takes the option d=2"),
        ("ar1(0 + f | 1)", "is not a grouping factor"),
    ],
)
def test_formulas_that_say_nothing(term, message):
    with pytest.raises((FormulaError, DataError), match=message):
        mm.LinearMixedModel(f"y ~ 1 + {term}", data())


def test_a_function_of_the_same_name():
    """exp(x) without a bar is the function; the response may have it, too."""
    d = data()
    m = mm.LinearMixedModel("exp(y) ~ exp(u) + exp(t | g) + exp(t, u | 1) + (1 | f)", d)
    assert m.feterm.cnames == ["Intercept", "exp(u)"]
    assert {term.group: term.nlevels for term in m.reterms} == {"1": 1, "g": 6, "f": 4}


def test_terms_on_the_same_coordinates_and_new_rows():
    d = data()
    m = mm.lmm("y ~ u + ou(t | g) + exp(t, u | 1)", d)
    assert m.ranef()["1"].shape == (1, len(np.unique(d[["t", "u"]], axis=0)))
    new = d.iloc[[40, 3, 9]]
    np.testing.assert_allclose(m.predict(new), m.fittedvalues.iloc[[40, 3, 9]])
    assert np.isfinite(m.predict(new.assign(t=77.0))).all()


def test_points_are_learnt_from_the_rows_that_are_used():
    d = data()
    d.loc[len(d)] = {"g": "a", "t": 55.0, "u": 1, "f": "x", "y": np.nan}
    m = mm.LinearMixedModel("y ~ 1 + ou(t | g)", d)
    assert "t[55]" not in m.reterms[0].cnames


@pytest.mark.parametrize(("term", "residual"), [("ou", "exp"), ("gau", "gau")])
def test_points_of_each_level_are_residuals_of_the_same_covariance(term, residual):
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "t": rng.uniform(0, 5, 120).round(1)})
    d = d[~d.duplicated()]
    d["y"] = np.sin(d.t + d.g) + rng.normal(size=len(d))
    effects = mm.lmm(f"y ~ t + {term}(t | g)", d, reml=True)
    residuals = mm.lmm("y ~ t", d, residual=f"{residual}(t | g, nugget=True)", reml=True)
    np.testing.assert_allclose(residuals.objective, effects.objective, atol=1e-5)
    np.testing.assert_allclose(residuals.bse, effects.bse, rtol=1e-3)
