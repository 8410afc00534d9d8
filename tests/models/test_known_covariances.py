"""Models with known covariances between levels: oracles, dense evaluations, both ways to hold K."""

import json
import pickle
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dense_relations import (
    at_estimates,
    criterion,
    data_of,
    laplace,
    marginal,
    relationship,
    row_variances,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import HERE

import numbamm as mm
from numbamm.design import related_levels

FOLDER = HERE / "reference" / "structures"
ENTRIES = {e["id"]: e for e in json.loads((HERE / "reference/known.json").read_text("utf-8"))}


# ---- oracles ----------------------------------------------------------------------------------


@cache
def oracle(name):
    """An entry, and the model: K with its levels in another order."""
    e = ENTRIES[name]
    d = pd.read_csv(FOLDER / f"{e['dataset']}.csv")
    K = pd.read_csv(FOLDER / f"{e['K']}.csv", index_col=0)
    K = K.sample(frac=1, random_state=1)
    d = d.assign(**{f"{e['related']}2": d[e["related"]]})
    reml = e["method"] == "REML"
    if e["sigma"]:
        return e, mm.lmm(e["formula"], d, cov={e["related"]: K}, reml=reml)
    # K itself, with nothing estimated and no residuals: half of its least eigenvalue is a residual
    sigma = np.sqrt(np.linalg.eigvalsh(K.loc[:, K.index])[0] / 2)
    K = K.loc[:, K.index] - sigma**2 * np.eye(len(K))
    m = mm.LinearMixedModel(e["formula"], d, cov={e["related"]: K}, sigma=sigma, reml=reml)
    lower, upper = m.optsum.lowerbd.copy(), m.optsum.upperbd.copy()
    held = m.theta_names.index(f"{e['related']}.Intercept")
    lower[held] = upper[held] = m.optsum.initial[held] = 1 / sigma
    m.optsum.lowerbd, m.optsum.upperbd = lower, upper
    return e, m.fit()


@pytest.mark.parametrize("name", ENTRIES)
def test_oracles(name):
    e, m = oracle(name)
    assert m.objective <= e["criterion"] + 1e-7
    np.testing.assert_allclose(m.beta, e["beta"], atol=1e-4 * np.array(e["se"]).max())
    np.testing.assert_allclose(m.bse, e["se"], rtol=1e-4)
    if e["sigma"]:
        np.testing.assert_allclose(m.sigma, e["sigma"], rtol=1e-4)
        groups = re.findall(r"\(1 \| (\w+)\)", e["formula"])
        sds = [m.varcorr[group].sd[0] for group in groups]
        np.testing.assert_allclose(sds, e["sd"], rtol=1e-3)
        modes = m.ranef()[e["related"]].iloc[:, 0].sort_index().iloc[:6]
        np.testing.assert_allclose(modes, e["modes"][0], atol=1e-4)
    V = marginal(m, m.theta, m.sigma**2)[:6, :6]
    np.testing.assert_allclose(V, e["V6"], atol=1e-4 * np.max(e["V6"]))


@pytest.mark.parametrize("name", ["animal_pe_reml", "phylo_reml"])
def test_degrees_of_freedom(name):
    e, m = oracle(name)
    df = m.tidy(ddf="satterthwaite").df.dropna()
    np.testing.assert_allclose(df, e["satterthwaite_df"], rtol=1e-4)


# ---- dense evaluations, for each way to compute with K ----------------------------------------

Q = 14
LABELS = [f"L{i:02d}" for i in range(Q)]


def matrices():
    rng = np.random.default_rng(5)
    K = relationship(Q, rng)
    low = rng.normal(size=(Q, 6))
    d = data_of(K[:12, :12], LABELS[:12], rng, n=90, slope=0.5)  # two levels have no rows
    frames = {"regular": K, "singular": low @ low.T / 6, "huge": 1e6 * K, "tiny": 1e-6 * K}
    frames = {name: pd.DataFrame(M, LABELS, LABELS) for name, M in frames.items()}
    d["c"] = rng.poisson(np.exp(0.2 * d.y))
    d["b"] = (rng.random(len(d)) < 1 / (1 + np.exp(1 - d.y))).astype(int)
    return frames, d.assign(g2=d.g, o=rng.normal(size=len(d)))


FRAMES, DATA = matrices()


@pytest.fixture
def sparse_always(monkeypatch):
    """Take the precision matrix, however few levels there are."""
    pytest.importorskip("sksparse")
    monkeypatch.setattr(related_levels, "MOST_DENSE", 0)
    monkeypatch.setattr(related_levels, "FEW", 0)


def as_precision(K):
    return sp.csc_array(np.linalg.inv(K.to_numpy())), K.index


CASES = {
    "one term": ("y ~ x + (1 | g)", "regular", {}),
    "weights and another factor": ("y ~ x + (1 | g) + (1 | h)", "regular", {"weights": "w"}),
    "REML, with the same levels unrelated": (
        "y ~ x + (1 | g) + (1 | g2) + (1 + x | h)",
        "regular",
        {"reml": True, "offset": "o"},
    ),
    "slopes": ("y ~ x + (1 + x | g) + (1 | h)", "regular", {"reml": True, "weights": "w"}),
    "slopes apart": ("y ~ x + (1 + x || g)", "regular", {}),
    "singular": ("y ~ x + (1 | g) + (1 | h)", "singular", {"reml": True}),
    "singular, slopes": ("y ~ x + (1 + x | g)", "singular", {}),
    "huge": ("y ~ x + (1 | g) + (1 | h)", "huge", {"reml": True}),
    "tiny, slopes": ("y ~ x + (1 + x | g)", "tiny", {}),
}


@cache
def dense(case):
    formula, K, options = CASES[case]
    return mm.lmm(formula, DATA, cov={"g": FRAMES[K]}, **options)


def check(m, reml):
    """A linear model against dense matrices: criterion, gradient, effects, variances."""
    assert m.objective == pytest.approx(criterion(m, m.theta, reml), abs=1e-8)
    theta = 1.2 * m.theta + 0.05 * np.abs(m.theta).max()
    step = 1e-5 * np.abs(theta).max()
    value, gradient = m.objective_gradient(theta)
    assert value == pytest.approx(criterion(m, theta, reml), abs=1e-8)
    moves = step * np.eye(len(theta))
    central = [criterion(m, theta + h, reml) - criterion(m, theta - h, reml) for h in moves]
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(gradient / scale, np.array(central) / 2 / step / scale, atol=1e-6)
    effects, variances = at_estimates(m)
    for term, b, V, own in zip(m.reterms, effects, variances, m.b, strict=True):
        np.testing.assert_allclose(own, b, atol=1e-7)
        found = m.condvar()[term.group].to_numpy().reshape(V.shape)
        np.testing.assert_allclose(found, V, atol=1e-7)
    of_rows, leverage = row_variances(m)
    terms = [(term.refs, term.z) for term in m.reterms]
    np.testing.assert_allclose(m.row_variances(m.frame.X, terms), of_rows, atol=1e-7)
    np.testing.assert_allclose(m.leverage(), leverage, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_linear_models_against_dense_matrices(case):
    check(dense(case), CASES[case][2].get("reml", False))


@pytest.mark.parametrize("case", [c for c, (_, K, _) in CASES.items() if K != "singular"])
def test_precision_against_dense_matrices(case, sparse_always):
    formula, K, options = CASES[case]
    m = mm.lmm(formula, DATA, precision={"g": as_precision(FRAMES[K])}, **options)
    assert m.optsum.tail_kind == "sparse"
    if K != "huge":
        check(m, options.get("reml", False))
    assert m.objective == pytest.approx(dense(case).objective, abs=1e-8)
    assert m.optsum.feval <= 20
    if options.get("reml"):
        for ddf in ("satterthwaite", "kenward-roger"):
            ours, theirs = (x.tidy(ddf=ddf).df.dropna() for x in (m, dense(case)))
            np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@settings(max_examples=10)
@given(st.permutations(range(Q)), st.permutations(range(len(DATA))))
def test_orders_of_levels_and_rows_do_not_matter(levels, rows):
    K, m = FRAMES["regular"].iloc[levels], dense("one term")
    other = mm.LinearMixedModel("y ~ x + (1 | g)", DATA.iloc[rows], cov={"g": K})
    assert other.objective_at([0.7]) == pytest.approx(m.objective_at([0.7]), abs=1e-9)


def test_starts_end_at_the_same_optimum():
    m = dense("slopes")
    rng = np.random.default_rng(1)
    for _ in range(3):
        other = mm.LinearMixedModel(m.formula, DATA, cov={"g": FRAMES["regular"]}, weights="w")
        other.optsum.initial = np.abs(rng.normal(size=4))
        assert other.fit(reml=True).objective == pytest.approx(m.objective, abs=1e-6)


# ---- generalized models -----------------------------------------------------------------------

GENERALIZED = {
    "poisson": ("c ~ x + (1 | g)", "poisson", "regular"),
    "bernoulli": ("b ~ x + (1 | g) + (1 | h)", "bernoulli", "regular"),
    "slopes": ("c ~ x + (1 + x | g)", "poisson", "regular"),
    "singular": ("c ~ x + (1 | g) + (1 | h)", "poisson", "singular"),
}


def check_generalized(m):
    nb = len(m.beta)
    x = np.concatenate([m.beta, m.theta])
    assert m.objective == pytest.approx(laplace(m, m.beta, m.theta), abs=1e-7)
    x[nb:] = 1.2 * x[nb:] + 0.05
    value, gradient = m.objective_gradient(x)
    assert value == pytest.approx(laplace(m, x[:nb], x[nb:]), abs=1e-7)
    moves = 1e-5 * np.eye(len(x))
    pairs = [((x + h), (x - h)) for h in moves]
    central = [(laplace(m, u[:nb], u[nb:]) - laplace(m, d[:nb], d[nb:])) / 2e-5 for u, d in pairs]
    np.testing.assert_allclose(gradient, central, atol=1e-6)


@cache
def whitened(case):
    formula, family, K = GENERALIZED[case]
    return mm.glmm(formula, DATA, family, cov={"g": FRAMES[K]})


@pytest.mark.parametrize("case", GENERALIZED)
def test_generalized_models_against_dense_matrices(case):
    check_generalized(whitened(case))


@pytest.mark.parametrize("case", ["poisson", "bernoulli", "slopes"])
def test_generalized_models_with_a_precision(case, sparse_always):
    formula, family, K = GENERALIZED[case]
    m, other = mm.glmm(formula, DATA, family, precision={"g": as_precision(FRAMES[K])}), None
    assert "sparse" in m.block_description()
    check_generalized(m)
    other = whitened(case)
    assert m.objective == pytest.approx(other.objective, abs=1e-7)
    np.testing.assert_allclose(m.b[0], other.b[0], atol=1e-4)
    np.testing.assert_allclose(m.condvar()["g"], other.condvar()["g"], atol=1e-4)
    np.testing.assert_allclose(m.bse, other.bse, rtol=1e-4)
    np.testing.assert_allclose(m.leverage(), other.leverage(), atol=1e-4)


def test_quadrature_is_refused():
    formula, family, K = GENERALIZED["poisson"]
    with pytest.raises(mm.OptionError, match="known covariance"):
        mm.glmm(formula, DATA, family, cov={"g": FRAMES[K]}, nagq=5)


# ---- after the fit ----------------------------------------------------------------------------


def test_levels_without_rows_are_predicted():
    m = dense("one term")
    assert list(m.ranef()["g"].index) == LABELS
    new = pd.DataFrame({"x": [0.0], "g": [LABELS[13]]})
    b = m.ranef()["g"].loc[LABELS[13]].iloc[0]
    assert m.predict(new)[0] == pytest.approx(m.beta[0] + b)
    assert abs(b) > 1e-4
    with pytest.warns(mm.NumbammWarning, match="'zz'"):
        m.predict(new.assign(g="zz"))


def test_draws_have_the_known_covariance():
    m = dense("one term")
    rows = pd.DataFrame({"x": np.zeros(Q), "g": LABELS})
    rng = np.random.default_rng(1)
    draws = m.simulate(rng, newdata=rows, n=4000, sigma=0.01, theta=[100.0]).to_numpy()
    K = FRAMES["regular"].to_numpy()
    np.testing.assert_allclose(np.cov(draws), K, atol=6 * np.diag(K).max() / np.sqrt(4000))
    with pytest.raises(mm.DataError, match=r"cov\['g'\] has no covariances of 'zz'"):
        m.simulate(1, newdata=rows.assign(g="zz"))


def test_deleted_rows_are_those_of_a_new_fit():
    m = dense("one term")
    rows = np.arange(0, 30, 3)
    kept = DATA.drop(DATA.index[rows])
    new = mm.lmm("y ~ x + (1 | g)", kept, cov={"g": FRAMES["regular"]})
    twin = m.without_rows(rows)
    assert twin.refit(progress=False).objective == pytest.approx(new.objective, abs=1e-6)
    assert len(mm.delete_levels(m, "g").frame) == 12


def test_a_new_response_is_that_of_a_new_model():
    y = DATA.y[::-1].to_numpy()
    refitted = mm.lmm("y ~ x + (1 | g)", DATA, cov={"g": FRAMES["regular"]}).refit(y)
    new = mm.lmm("y ~ x + (1 | g)", DATA.assign(y=y), cov={"g": FRAMES["regular"]})
    assert refitted.objective == pytest.approx(new.objective, abs=1e-8)


def test_bootstrap_profile_and_pickle():
    m = dense("one term")
    assert len(m.bootstrap(5, seed=1).values) == 5
    low, high = m.profile().conf_int().loc["sd_Intercept|g"]
    assert low < m.varcorr["g"].sd[0] < high
    assert pickle.loads(pickle.dumps(m)).objective == m.objective


def test_updates_keep_the_covariance_of_the_terms_that_are_left():
    m = dense("weights and another factor")
    assert m.update("~ . - x").reterms[0].relation is not None
    assert m.update("~ . - (1 | g)").reterms[0].relation is None


def test_related_and_unrelated_levels_are_not_nested():
    m = dense("weights and another factor")
    other = m.update("y ~ x + (1 | g)", cov=None)
    with pytest.raises(mm.OptionError, match="not nested"):
        mm.lrtest(other, m)
    assert 0 <= mm.lrtest(m.update("~ . - (1 | g)"), m).frame["pvalue"].iloc[-1] <= 1


def test_robust_methods_are_refused():
    with pytest.raises(mm.OptionError, match="no independent clusters"):
        dense("one term").cov_params(robust="CR2")
    with pytest.raises(mm.OptionError, match="parametric"):
        dense("one term").bootstrap(3, kind="cases")


def test_shares_of_variance_do_not_depend_on_the_scale_of_the_matrix():
    ordinary = dense("weights and another factor")
    huge = mm.lmm(ordinary.formula, DATA, cov={"g": FRAMES["huge"]}, weights="w")
    for method in ("icc", "r2"):
        ours, theirs = (getattr(m, method)().frame for m in (ordinary, huge))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_rows_left_out_are_predicted_by_their_relatives():
    m = dense("one term")
    found = m.cross_validate(groups="g", k=12, seed=1).predictions
    rows = np.flatnonzero(DATA.g == LABELS[3])
    K, left = FRAMES["regular"], DATA.drop(DATA.index[rows])
    new = mm.lmm("y ~ x + (1 | g)", left, cov={"g": K})
    expected = new.predict(DATA.iloc[rows])
    np.testing.assert_allclose(found["predicted"].iloc[rows], expected, atol=1e-3)


def test_tables_say_what_is_known():
    m = dense("one term")
    assert "Known covariance between levels: g (cov['g'])" in str(m)
    assert "known covariance" in repr(m.reterms[0])
    assert "diagonalised" in m.block_description()


# ---- refusals ---------------------------------------------------------------------------------


def changed(row, column, value):
    K = FRAMES["regular"].copy()
    K.iloc[row, column] = value
    return K


def missing_levels():
    return FRAMES["regular"].iloc[2:, 2:]


REFUSED = {
    "levels are missing": (missing_levels, mm.DataError, "lacks levels of 'g'.*'L01', 'L00'"),
    "not symmetric": (lambda: changed(0, 1, 9.0), mm.DataError, "not symmetric"),
    "missing values": (lambda: changed(2, 2, np.nan), mm.DataError, "missing or infinite"),
    "indefinite": (lambda: FRAMES["regular"] - 5.0, mm.DataError, "no covariance matrix"),
    "no matrix": (lambda: "K", mm.OptionError, "a pandas DataFrame"),
    "not square": (lambda: np.ones((3, 2)), mm.DataError, "square"),
    "too few rows": (lambda: np.eye(5), mm.DataError, "5 rows and no labels"),
    "as many labels": (lambda: (np.eye(3), ["a", "b"]), mm.DataError, "3 rows, but 2 labels"),
    "labels twice": (lambda: (np.eye(2), ["a", "a"]), mm.DataError, "twice: 'a'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_matrices_that_are_none_are_refused(what):
    make, error, message = REFUSED[what]
    with pytest.raises(error, match=message):
        mm.LinearMixedModel("y ~ x + (1 | g)", DATA, cov={"g": make()})


def test_options_that_do_not_fit_the_formula_are_refused():
    K = FRAMES["regular"]
    for options, message in (
        ({"cov": {"gg": K}}, "'gg' is no grouping factor.*did you mean 'g'"),
        ({"cov": {"g": K}, "precision": {"g": K}}, "cov and precision both have 'g'"),
        ({"cov": K.to_numpy()}, "must be a dict"),
        ({"cov": {"g": K}, "tail": "iterative"}, "leave tail at 'auto'"),
    ):
        with pytest.raises(mm.OptionError, match=message):
            mm.LinearMixedModel("y ~ x + (1 | g)", DATA, **options)
    with pytest.raises(mm.FormulaError, match="make a column"):
        mm.LinearMixedModel("y ~ x + (1 | g:h)", DATA, cov={"g:h": K})
    with pytest.raises(mm.OptionError, match="not where rows stream"):
        mm.LinearMixedModel("y ~ x + (1 | g)", lambda: iter([DATA]), cov={"g": K})


def test_independent_levels_of_single_rows_are_refused():
    d = DATA.iloc[:12].assign(g=LABELS[:12])
    K = pd.DataFrame(2.0 * np.eye(Q), LABELS, LABELS)
    with pytest.raises(mm.DataError, match="residual variance cannot be separated"):
        mm.LinearMixedModel("y ~ x + (1 | g)", d, cov={"g": K})
    assert mm.lmm("y ~ 1 + (1 | g)", d, cov={"g": FRAMES["regular"]}).is_fitted


def test_a_matrix_without_labels_is_in_the_order_of_the_levels():
    d = DATA.assign(g=pd.Categorical(DATA.g, LABELS))
    m = mm.lmm("y ~ x + (1 | g)", d, cov={"g": FRAMES["regular"].to_numpy()})
    assert m.objective == pytest.approx(dense("one term").objective, abs=1e-9)


def test_a_centred_singular_matrix_asks_for_reml():
    rng = np.random.default_rng(4)
    markers = rng.binomial(2, 0.3, (30, 200)).astype(float)
    markers -= markers.mean(axis=0)
    names = [f"v{i}" for i in range(30)]
    G = pd.DataFrame(markers @ markers.T / 80, names, names)
    y = markers @ rng.normal(size=200) / 18 + rng.normal(size=30)
    d = pd.DataFrame({"y": y, "v": names})
    with pytest.raises(mm.FitError, match="singular.*fit by REML"):
        mm.lmm("y ~ 1 + (1 | v)", d, cov={"v": G})
    m = mm.lmm("y ~ 1 + (1 | v)", d, cov={"v": G}, reml=True)
    assert m.objective == pytest.approx(criterion(m, m.theta, True), abs=1e-8)


def test_clones_have_the_same_effect():
    K = FRAMES["regular"].copy()
    K.loc["twin"] = K.loc["L00"]
    K["twin"] = K["L00"].to_numpy() if len(K["L00"]) == len(K) else K.loc[:, "L00"]
    d = DATA.copy()
    d.loc[d.index[d.g == "L00"][::2], "g"] = "twin"
    m = mm.lmm("y ~ x + (1 | g)", d, cov={"g": K})
    b = m.ranef()["g"].iloc[:, 0]
    assert b["twin"] == pytest.approx(b["L00"], abs=1e-9)
    assert m.objective == pytest.approx(dense("one term").objective, abs=1e-8)
