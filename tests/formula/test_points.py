"""Points: the effects of a term over positions."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import numbamm as mm
from numbamm.errors import DataError, FormulaError
from numbamm.formula import points
from numbamm.formula.points import Points
from numbamm.structures.registry import from_json


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
    times = np.random.default_rng(1).uniform(0, 10, 2000)
    own = pd.DataFrame({"g": np.repeat(np.arange(400), 5), "t": times, "y": times**2})
    with pytest.raises(DataError, match="400 levels are at 2000 distinct points.*coarser grid"):
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


@pytest.fixture()
def in_groups(monkeypatch):
    """Points of each group wherever they are fewer."""
    monkeypatch.setattr(points, "OPERATIONS", 0)
    monkeypatch.setattr(points, "GAIN", 1)


@pytest.mark.parametrize("name", ["ou", "gau", "mat"])
@pytest.mark.parametrize("reml", [False, True])
def test_effects_at_the_points_of_each_group(name, reml, in_groups):
    """Against a dense criterion, and differences; groups of one to six points, one point twice."""
    rng = np.random.default_rng(7)
    d = pd.DataFrame({"g": [f"ü{g}" for g in range(6) for _ in range(g + 1)]})
    d["t"] = 1e6 + rng.uniform(0, 5, len(d)).round(3)
    d["item"], d["y"] = rng.integers(0, 4, len(d)), rng.normal(size=len(d))
    d["x"] = rng.normal(size=len(d))
    d = pd.concat([d, d.iloc[[9, 4]].assign(y=0.3)]).sample(frac=1, random_state=2)
    m = mm.LinearMixedModel(f"y ~ x + {name}(t | g) + (1 | g) + (1 | item)", d, reml=reml)
    x = m.theta + rng.uniform(-0.2, 0.2, len(m.theta))
    m.estimate_at(x)
    (term,) = (t for t in m.reterms if t.group == "g:t")
    assert (term.nlevels, term.p) == (1, 21) and term.cnames[0].startswith("t[ü0,")
    apart = np.abs(np.subtract.outer(d.t.to_numpy(), d.t.to_numpy()))
    same = {c: np.equal.outer(d[c].to_numpy(), d[c].to_numpy()) for c in ("g", "item")}
    phi = term.theta[1:]
    C = np.where(same["g"], term.structure.values_at(apart / term.structure.unit, phi), 0.0)
    others = {t.group: t.theta[0] ** 2 for t in m.reterms}
    V = np.eye(len(d)) + term.theta[0] ** 2 * C
    V += others["g"] * same["g"] + others["item"] * same["item"]
    X, y = m.frame.X, d.y.to_numpy()
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    degrees = len(d) - 2 * reml
    expected = degrees * (1 + np.log(2 * np.pi * (r @ inverse @ r) / degrees))
    expected += np.linalg.slogdet(V)[1] + reml * np.linalg.slogdet(information)[1]
    np.testing.assert_allclose(m.objective, expected, atol=1e-8)
    gradient = m.objective_gradient(x)[1]
    steps = 1e-5 * np.eye(len(x))
    slopes = [(m.objective_at(x + h) - m.objective_at(x - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(gradient, slopes, atol=1e-6 * max(1, np.abs(gradient).max()))


def test_predictions_at_points_of_groups(in_groups, monkeypatch):
    """As those of the model with an effect at every point in every group, new groups included."""
    d, rng = data(), np.random.default_rng(5)
    d["t"] = rng.uniform(0, 3, len(d)).round(2)
    own = mm.LinearMixedModel("y ~ u + ou(t | g)", d)
    monkeypatch.setattr(points, "OPERATIONS", 1e12)
    every = mm.LinearMixedModel("y ~ u + ou(t | g)", d)
    units = [m.reterms[0].structure.unit for m in (own, every)]
    own.estimate_at(np.array([1.3, -0.4]))
    every.estimate_at(np.array([1.3, -0.4 + np.log(units[0] / units[1])]))
    np.testing.assert_allclose(own.objective, every.objective, rtol=1e-12)
    new = d.iloc[:6].assign(t=[0.1, 1.0, 7.0, 2.0, *d.t[:2]])
    new.loc[new.index[3], "g"] = "new"
    with pytest.warns(mm.errors.NumbammWarning, match="levels of 'g'"):
        expected = every.predict(new, se=True, interval="prediction")
    found = own.predict(new, se=True, interval="prediction")
    np.testing.assert_allclose(found, expected, atol=1e-8)
    (term,) = own.reterms
    assert from_json(term.structure.to_json(), term.p) == term.structure


@pytest.mark.parametrize("group", ["g", "1"])
@pytest.mark.parametrize("seed", [0, 2])
def test_one_level_of_few_points_ends_where_residuals_do(group, seed, in_groups):
    """Moments of one draw of all effects tell nothing about the range: no start is made of them."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 5 if group == "g" else 2)
    t = rng.uniform(0, 10, len(g)).round(3)
    C = np.exp(-np.abs(np.subtract.outer(t, t)) / 2)
    C = np.where(np.equal.outer(g, g) | (group == "1"), C, 0.0) + 1e-9 * np.eye(len(g))
    d = pd.DataFrame({"g": g, "t": t, "x": rng.normal(size=len(g))})
    d["y"] = np.linalg.cholesky(C) @ rng.normal(size=len(g)) + rng.normal(size=len(d)) * 0.5
    d = pd.concat([d, d[:20]], ignore_index=True)
    d["y"] += d.x + rng.normal(size=len(d)) * 0.3
    effects = mm.lmm(f"y ~ x + ou(t | {group})", d, reml=True)
    residuals = mm.lmm("y ~ x", d, residual=f"exp(t | {group}, nugget=True)", reml=True)
    np.testing.assert_allclose(effects.objective, residuals.objective, atol=1e-5)
    df = [m.coef_table(ddf="satterthwaite").frame["df"] for m in (effects, residuals)]
    np.testing.assert_allclose(*df, rtol=1e-3)


def test_one_level_of_many_points_is_not_sparse():
    d = pd.DataFrame({"t": np.arange(60.0), "y": np.arange(60) % 7})
    with pytest.raises(mm.errors.OptionError, match="all effects of the model meet each other"):
        mm.LinearMixedModel("y ~ 1 + ou(t | 1)", d, tail="sparse")
