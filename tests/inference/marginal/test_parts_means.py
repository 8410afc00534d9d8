"""Averages of what models of several parts predict, by brute force in all parameters."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import nbinom

import numbamm as mm
from numbamm.errors import DataError, OptionError
from numbamm.inference.marginal.mean_kinds import grid_for, means_of

KINDS = ("response", "conditional", "zprob", "dispersion")


def make(n=240, seed=5):
    """Counts with zeros; `b` never occurs with `s2`, and `x` is far from zero."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(list("abc"), n)})
    d["odd name"] = rng.choice(["s1", "s2"], n)
    d.loc[d["f"] == "b", "odd name"] = "s1"
    d["g"], d["one"] = rng.integers(0, 12, n).astype(str), "only"
    b, c = rng.normal(size=(2, 12)) * [[0.4], [0.8]]
    g = d["g"].astype(int).to_numpy()
    mu = np.exp(1 + 0.3 * d["x"] + 0.3 * (d["f"] == "b") + b[g])
    zero = rng.uniform(size=n) < expit(-1 + 0.6 * d["x"] + c[g])
    d["y"] = np.where(zero, 0.0, rng.poisson(rng.gamma(3, mu / 3)))
    d["t"] = np.where(zero, 0.0, rng.gamma(3, mu / 3))
    d["x"] += 30.0
    return d


@pytest.fixture(scope="module")
def data():
    return make()


@pytest.fixture(scope="module")
def models(data):
    return {
        "zi": mm.glmm("y ~ x + f + (1 | g)", data, "nbinom2", zi="~ x", dispersion="~ f"),
        "two": mm.glmm("y ~ x + f + (1 | g)", data, "poisson", zi="~ x + (1 | g)"),
        "hurdle": mm.glmm("y ~ x + f + (1 | g)", data, "nbinom2", hurdle="~ x"),
        "gamma": mm.glmm("t ~ x + f + (1 | g)", data, "gamma", link="log", hurdle="~ x"),
    }


def by_hand(name, kind, x, X, W, S, integrated):
    """Predictions at parameters x = (β, ψ, θ): written out, by Gauss–Hermite quadrature."""
    x = np.asarray(x, dtype=float)
    beta, x = x[:4], x[4:]
    shape = {"zi": 3, "two": 0, "hurdle": 1, "gamma": 1}[name]
    phi = np.exp(S[:, :shape] @ x[:shape]) if shape else np.zeros(len(X))
    zeros, theta = W @ x[shape : shape + 2], x[shape + 2 :]
    nodes, weights = np.polynomial.hermite_e.hermegauss(41) if integrated else ([0.0], [1.0])
    weights = np.array(weights) / np.sum(weights)
    sd = theta if len(theta) == 2 else [*theta, 0.0]
    p = sum(w * expit(zeros + sd[1] * z) for w, z in zip(weights, nodes, strict=True))

    def mean(eta):
        mu = np.exp(eta)
        return mu / nbinom.sf(0, phi, phi / (phi + mu)) if name == "hurdle" else mu

    c = sum(w * mean(X @ beta + sd[0] * z) for w, z in zip(weights, nodes, strict=True))
    return {"response": (1 - p) * c, "conditional": c, "zprob": p, "dispersion": phi}[kind]


def in_order(model):
    """Where the parameters of `by_hand` are in those of the model."""
    rank, size = model.feterm.rank, len(model.optsum.final)
    groups = [t.part for t in model.reterms]
    theta = [size - len(groups) + groups.index(part) for part in ("", "zi") if part in groups]
    return [*range(size - len(groups)), *theta] if rank else []


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["zi", "two", "hurdle", "gamma"])
def test_values_and_derivatives_are_those_by_hand(models, name, kind, integrated):
    model = models[name]
    if (name, kind) == ("two", "dispersion"):
        pytest.skip("Poisson responses have none")
    grid = grid_for(model, kind, {"x": [29.5, 31.0]})
    means = means_of(model, grid, kind, integrated)
    value, gradient = means.at(means.rows(grid.rows, are_data=False))
    gradient, estimable = means.of_parameters(gradient)
    assert estimable.all()
    rows = grid.rows
    ones, is_b, is_c = np.ones(len(rows)), rows["f"] == "b", rows["f"] == "c"
    X = np.column_stack([ones, rows["x"], is_b, is_c]).astype(float)
    W, S = X[:, :2], X[:, [0, 2, 3]]
    order = in_order(model)
    x = model.optsum.final[order]
    assert_allclose(value, by_hand(name, kind, x, X, W, S, integrated), rtol=1e-8)
    moves = np.diag(1e-5 * np.maximum(np.abs(x), 1e-2))
    ends = [
        [by_hand(name, kind, x + sign * h, X, W, S, integrated) for h in moves] for sign in (1, -1)
    ]
    numeric = (np.array(ends[0]) - ends[1]).T / (2 * np.diag(moves))
    if not integrated:  # random effects of zero do not depend on θ
        assert not gradient[:, len(x) - len(model.theta) :].any()
    assert_allclose(gradient[:, order], numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("kind", ["response", "zprob"])
def test_standard_errors_are_those_of_drawn_parameters(models, kind):
    model = models["zi"]
    means = model.emmeans("f", type=kind)
    cov = model.part_covariance
    drawn = np.random.default_rng(1).multivariate_normal(np.zeros(len(cov)), 0.01 * cov, 4000)
    linear = drawn @ means.gradient[:, : len(cov)].T
    assert_allclose(linear.std(axis=0), 0.1 * means.frame["se"], rtol=0.05)
    # and so are those of what is not linearised
    grid = grid_for(model, kind)
    rows, order = grid.rows, in_order(model)
    X = np.column_stack([np.ones(3), rows["x"], rows["f"] == "b", rows["f"] == "c"]).astype(float)
    x = model.optsum.final[order]
    near = [
        by_hand("zi", kind, x + np.r_[d, 0.0], X, X[:, :2], X[:, [0, 2, 3]], False) for d in drawn
    ]
    assert_allclose(np.std(near, axis=0), 0.1 * means.frame["se"], rtol=0.06)


def test_types_agree_with_predictions(models, data):
    model = models["zi"]
    at = pd.DataFrame({"x": data["x"].mean(), "f": list("abc")})
    for kind in KINDS:
        means = model.emmeans("f", type=kind).frame
        one = model.predict(at, type=kind, random=False, se=True)
        assert_allclose(means["estimate"], one["prediction"])
        assert_allclose(means["se"], one["se"], rtol=1e-6)
        assert ((means["lower"] < means["estimate"]) & (means["estimate"] < means["upper"])).all()
    over = model.predict(at, re="integrated", se=True, interval="confidence")
    means = model.emmeans("f", re="integrated").frame
    assert_allclose(over[["prediction", "se", "lower"]], means[["estimate", "se", "lower"]])
    zeros = model.predict(at, type="zprob", re="integrated")
    assert_allclose(zeros, model.emmeans("f", type="zprob").frame["estimate"])


def test_slopes_and_comparisons_are_differences_of_predictions(models, data):
    model, h = models["two"], 1e-5

    def mean(kind, **changed):
        return model.predict(data.assign(**changed), type=kind, random=False).mean()

    for kind in ("response", "zprob", "conditional"):
        slope = (mean(kind, x=data["x"] + h) - mean(kind, x=data["x"] - h)) / (2 * h)
        assert model.slopes("x", type=kind).frame["estimate"].iloc[0] == pytest.approx(slope, 1e-6)
        change = mean(kind, f="c") - mean(kind, f="a")
        found = model.comparisons("f", type=kind).frame["estimate"].iloc[1]
        assert found == pytest.approx(change, rel=1e-8, abs=1e-12)
    odds = model.comparisons("x", [30, 31], type="zprob", measure="odds ratio").frame
    zi = model.parts.set_index("term")
    assert odds["estimate"].iloc[0] == pytest.approx(np.exp(zi.loc["x", "estimate"]))
    assert odds["se"].iloc[0] / odds["estimate"].iloc[0] == pytest.approx(zi.loc["x", "se"])


def test_robust_and_integrated_know_the_zeros(models):
    model = models["two"]
    robust = model.emmeans("f", type="response", robust="CR0")
    assert "robust" in robust.title
    usual = model.emmeans("f", type="response")
    assert_allclose(robust.frame["estimate"], usual.frame["estimate"])
    assert_allclose(robust.frame["se"], usual.frame["se"], rtol=0.8)
    assert not np.allclose(robust.frame["se"], usual.frame["se"], rtol=1e-3)
    ratio = usual.pairs(measure="ratio").frame  # the zeros' part cancels
    assert_allclose(np.log(ratio["estimate"].iloc[0]), -model.params["f[T.b]"])


def test_variables_of_a_part_alone_and_empty_cells(data):
    model = mm.glmm("y ~ x + (1 | g)", data, "poisson", zi="~ `odd name` * f")
    means = model.emmeans(["f", "odd name"], type="zprob")
    frame = means.frame.set_index(["f", "odd name"])
    assert np.isnan(frame.loc[("b", "s2"), "estimate"])  # no such rows: not estimable
    assert frame["estimate"].notna().sum() == 5 and "not estimable" in str(means)
    shares = model.predict(data, type="zprob", random=False)
    cells = shares.groupby([data["f"], data["odd name"]]).mean()
    assert_allclose(frame["estimate"].dropna().sort_index(), cells.sort_index())
    assert np.isfinite(model.slopes("x").frame["se"]).all()
    with pytest.raises(OptionError, match="no variable of the fixed effects"):
        model.emmeans("f")  # the mean does not depend on f


def test_units_zeros_and_order_of_rows_do_not_matter(data):
    def fit(d):
        return mm.glmm("y ~ x + f + (1 | g)", d, "poisson", zi="~ x")

    order = np.random.default_rng(0).permutation(len(data))
    one, other = fit(data), fit(data.assign(x=1e4 * (data["x"] - 2e3)).iloc[order])
    for options in ({"type": "response"}, {"type": "zprob"}, {"re": "integrated"}):
        a, b = (m.emmeans("f", **options).frame for m in (one, other))
        assert_allclose(b[["estimate", "se"]], a[["estimate", "se"]], rtol=2e-5)
    a, b = (m.slopes("x", re="integrated").frame for m in (one, other))
    assert_allclose(1e4 * b[["estimate", "se"]], a[["estimate", "se"]], rtol=2e-5)


def test_parameters_at_the_end_of_their_range_count_as_known(data):
    rng = np.random.default_rng(2)
    d = data.assign(y=rng.poisson(np.exp(0.5 + 0.2 * (data["x"] - 30))).astype(float))
    with pytest.warns(mm.NumbammWarning, match="grows without limit"):
        model = mm.glmm("y ~ x + (1 | g)", d, "nbinom2", zi="~ 1")
    assert model.flat_parts
    at = {"x": [30.0]}
    for re in ("zero", "integrated"):
        assert 0 < model.predict(at, se=True, re=re)["se"].iloc[0] < 0.3
    assert np.isnan(model.predict(at, se=True, type="dispersion", random=False)["se"].iloc[0])


def test_what_a_model_does_not_have_is_refused(models, data):
    with pytest.raises(OptionError, match="Poisson|poisson"):
        models["two"].emmeans("f", type="dispersion")
    plain = mm.glmm("y ~ x + (1 | g)", data, "nbinom2")
    with pytest.raises(OptionError, match="type must be"):
        plain.slopes("x", type="zprob")
    with pytest.raises(OptionError, match="bias_adjust"):
        models["zi"].emmeans("f", type="response", bias_adjust=True)


def test_columns_that_depend_on_others(data):
    """What the data do not tell has no average: dropped columns are not zero."""
    d = data.assign(twice=2 * data["x"] - 1)
    with pytest.raises(DataError, match="'one' has a single level"):
        mm.glmm("y ~ x + (1 | g)", d, "poisson", zi="~ x + one")
    model = mm.glmm("y ~ x + f + (1 | g)", d, "poisson", zi="~ x + twice")
    assert np.isfinite(model.emmeans("f", type="conditional").frame["se"]).all()
    slope = model.slopes("x", type="zprob")  # of x alone, while twice stays
    assert slope.frame["estimate"].isna().all() and "not estimable" in str(slope)
    assert np.isfinite(model.slopes("x", type="conditional").frame["se"]).all()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shift=st.floats(-1e3, 1e3),
    size=st.sampled_from([1e-4, 0.3, 1e3]),
    order=st.randoms(use_true_random=False),
)
def test_any_units_and_orders(shift, size, order):
    d, rows = make(), list(range(240))
    order.shuffle(rows)
    moved = d.assign(x=size * (d["x"] + shift)).iloc[rows]
    one, other = _fit_of(None), _fit_of(moved)
    for kind in ("response", "zprob"):
        a, b = (m.emmeans("f", type=kind).frame for m in (one, other))
        assert_allclose(b["estimate"], a["estimate"], atol=1e-2 * a["se"].min())
        assert_allclose(b["se"], a["se"], rtol=1e-2)
    a, b = (m.anova(part="zi").frame["chisq"] for m in (one, other))
    assert_allclose(b, a, rtol=2e-2)


@cache
def _own_fit():
    return mm.glmm("y ~ x + f + (1 | g)", make(), "poisson", zi="~ x")


def _fit_of(moved):
    if moved is None:
        return _own_fit()
    return mm.glmm("y ~ x + f + (1 | g)", moved, "poisson", zi="~ x")
