"""Robust covariances of linear models, against clubSandwich and dense matrices."""

from functools import cache

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError

MODELS = {
    "cr_sleep_slope": ("Reaction ~ Days + (1 + Days | Subject)", "sleepstudy", []),
    "cr_sleep_int": (
        "Reaction ~ Days + I(Days**2) + (1 | Subject)",
        "sleepstudy",
        ["Days", "I(Days ** 2)"],
    ),
    "cr_cake": (
        "angle ~ recipe + temp + (1 | recipe:replicate)",
        "cake",
        ["recipe[T.B]", "recipe[T.C]"],
    ),
}


@cache
def fit(name):
    formula, data, _ = MODELS[name]
    return mm.lmm(formula, mm.datasets.load(data), reml=True)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])
@pytest.mark.parametrize("name", MODELS)
def test_covariances(name, kind):
    entry = postfit_oracles.entries()[name]
    ours = fit(name).cov_params(robust=kind)
    assert_allclose(ours, entry["vcov"][kind], rtol=1e-6, atol=1e-12)
    assert f"{entry['clusters']} clusters of {entry['cluster']}" in ours.title


@pytest.mark.parametrize("name", MODELS)
def test_tests(name):
    entry, m = postfit_oracles.entries()[name], fit(name)
    wanted = entry["CR2_satterthwaite"]
    table = m.coef_table(robust="CR2").frame
    names = {"se": "se", "t": "statistic", "df": "df", "p": "pvalue"}
    for theirs, ours in (names | {"ci_low": "lower", "ci_high": "upper"}).items():
        assert_allclose(table[ours], wanted[theirs], rtol=2e-6, err_msg=ours)
    naive = m.coef_table(robust="cr1").frame
    if "CR1_naive_t" in entry:
        assert_allclose(naive["pvalue"], entry["CR1_naive_t"]["p"], rtol=1e-5)
        assert (naive["df"] == entry["CR1_naive_t"]["df"]).all()


@pytest.mark.parametrize("name", ["cr_sleep_int", "cr_cake"])
def test_several_coefficients(name):
    wanted, m = postfit_oracles.entries()[name]["wald_HTZ"], fit(name)
    rows = {row: {row: 1} for row in MODELS[name][2]}
    line = m.contrast(rows, robust="CR2", joint=True).frame.loc["joint"]
    assert_allclose(line["F"], wanted["F"], rtol=1e-6)
    assert_allclose(line["dendf"], wanted["df_denom"], rtol=1e-6)
    assert_allclose(line["pvalue"], wanted["p"], rtol=1e-5)


def test_terms():
    table = fit("cr_cake").anova(robust="CR2").frame
    wanted = postfit_oracles.entries()["cr_cake"]["wald_HTZ"]
    assert_allclose(
        table.loc["recipe", ["F", "dendf"]], [wanted["F"], wanted["df_denom"]], rtol=1e-6
    )
    assert "sumsq" not in table


def dense(m, cluster, kind, R=None, K=None):
    """The definitions, with n × n matrices; R of the residuals over σ², K of rows' levels."""
    X, n = m.feterm.x[:, m.feterm.kept], m.nobs
    V = np.eye(n) if m.sqrt_weights is None else np.diag(m.sqrt_weights**-2.0)
    if m.residual_side is not None:
        V = R
    for term in m.reterms:
        half = (term.z.T @ term.lambda_) * m.sigma
        same = term.refs[:, None] == term.refs if K is None else K
        V = V + half @ half.T / m.sigma**2 * same
    V = V * m.sigma**2
    M = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    e = m.frame.y - X @ m.estimates.beta
    if m.frame.offset is not None:
        e = e - m.frame.offset
    meat, parts = 0.0, []
    codes = pd.factorize(cluster)[0]
    H = X @ M @ X.T @ np.linalg.inv(V)
    for j in range(codes.max() + 1):
        at = np.flatnonzero(codes == j)
        Vj, Xj, A = V[np.ix_(at, at)], X[at], np.eye(len(at))
        if kind == "CR2":
            D = np.linalg.cholesky(Vj).T
            B = D @ (Vj - Xj @ M @ Xj.T) @ D.T
            values, vectors = np.linalg.eigh(B)
            power = [0.0 if v < 1e-9 * values.max() else v**-0.5 for v in values]
            A = D.T @ (vectors * power) @ vectors.T @ D
        weights = M @ Xj.T @ np.linalg.solve(Vj, A)
        g = weights @ e[at]
        meat = meat + np.outer(g, g)
        parts.append(weights @ (np.eye(n) - H)[at])
    count = codes.max() + 1
    return meat * (count / (count - 1) if kind == "CR1" else 1), np.array(parts), V


def dense_df(parts, V, c):
    G = c @ parts  # shape (clusters, n)
    P = G @ V @ G.T
    return np.trace(P) ** 2 / np.sum(P**2)


def irregular(seed, weighted=False, slope=True):
    """Nested groups of one to six rows, regions of several, a factor with empty cells."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, 24)
    g = np.repeat([f"g {k}'" for k in range(24)], sizes)
    region = np.repeat(np.arange(24) // 4, sizes)
    n = len(g)
    d = pd.DataFrame({"g": g, "region": region, "x": rng.normal(50, 3, n)})
    d["f"] = np.array(["a", "b", "c"])[(region + (rng.random(n) < 0.4)) % 3]
    d["w"], d["o"] = rng.uniform(0.3, 3, n), rng.normal(size=n)
    u = rng.normal(size=24)[np.repeat(np.arange(24), sizes)] + rng.normal(size=6)[region]
    d["y"] = u + d["x"] * 1e-1 + rng.normal(size=n) * (1 + (region == 2))
    formula = "y ~ x + f + (1 | region / g)" if slope else "y ~ x * f + (1 + x | g)"
    d = d.sample(frac=1, random_state=seed).reset_index(drop=True)
    return mm.lmm(formula, d, weights="w" if weighted else None, offset="o", reml=True), d


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])
def test_dense_matrices(kind, weighted):
    m, d = irregular(3, weighted)
    ours = m.coefficient_method(None, kind)
    assert "6 clusters of region" in ours.title
    wanted, parts, V = dense(m, d["region"], kind)
    scale = np.sqrt(np.diag(wanted))
    assert_allclose(ours.vcov / np.outer(scale, scale), wanted / np.outer(scale, scale), atol=1e-7)
    if kind == "CR2":
        df = ours.df(np.eye(len(scale)))
        assert_allclose(df, [dense_df(parts, V, c) for c in np.eye(len(scale))], rtol=1e-5)


def check_dense(m, cluster, kind, **matrices):
    ours = m.coefficient_method(None, kind, cluster)
    wanted, parts, V = dense(m, cluster, kind, **matrices)
    scale = np.sqrt(np.diag(wanted))
    assert_allclose(ours.vcov / np.outer(scale, scale), wanted / np.outer(scale, scale), atol=1e-7)
    if kind == "CR2":
        df = ours.df(np.eye(len(scale)))
        assert_allclose(df, [dense_df(parts, V, c) for c in np.eye(len(scale))], rtol=1e-5)


@pytest.mark.parametrize("kind", ["CR0", "CR2"])
@pytest.mark.parametrize("text", ["homcs(1 | g)", "ar1(day | g)", None])
@pytest.mark.parametrize("effects", ["", " + (1 | region)"])
def test_residuals_with_a_structure(text, kind, effects):
    _, d = irregular(8)
    d["day"] = 2.0 * d.groupby("g").cumcount()  # a missing day between any two
    options = {"residual": text, "dispersion": "exp(x)", "weights": "w", "offset": "o"}
    m = mm.lmm("y ~ x + f" + effects, d, **options)
    cluster = d["region" if effects or text is None else "g"]
    own = m.residual_side.parameters(m.residual_side.phi, 1.0)
    sd = np.exp(own["rate"] * d["x"]) / np.sqrt(d["w"])
    same = d["g"].to_numpy()[:, None] == d["g"].to_numpy()
    apart = np.abs(np.subtract.outer(d["day"].to_numpy(), d["day"].to_numpy()))
    correlations = np.eye(len(d))
    if text is not None:
        power = apart if text.startswith("ar1") else np.minimum(apart, 1)
        correlations = np.where(same, own["rho"] ** power, 0.0)
        named = "region" if effects else "g"
        assert f"clusters of {named}" in m.cov_params(robust=kind).title
    check_dense(m, cluster, kind, R=correlations * np.outer(sd, sd))


@pytest.mark.parametrize("argument", ["cov", "precision"])
def test_related_levels(argument):
    """Families of related levels, in a matrix of another order with levels that have no rows."""
    _, d = irregular(9)
    levels = [*sorted(set(d["g"])), "no rows", "none either"]
    family = np.array([d["region"][d["g"] == level].max() for level in levels[:-2]] + [0, 5])
    K = np.where(family[:, None] == family, 0.4, 0.0) + np.diag(np.linspace(0.6, 1.1, len(levels)))
    given_matrix = K if argument == "cov" else np.linalg.inv(K) * (family[:, None] == family)
    frame = pd.DataFrame(given_matrix, levels, levels).sample(frac=1, random_state=1)
    m = mm.lmm("y ~ x + f + (1 | g)", d, offset="o", weights="w", **{argument: {"g": frame}})
    places = [levels.index(label) for label in d["g"]]
    check_dense(m, d["region"], "CR2", K=K[np.ix_(places, places)])
    with pytest.raises(OptionError, match="related"):
        m.cov_params(robust="CR2")
    with pytest.raises(OptionError, match=f"levels of g that {argument}.*relates are in several"):
        m.permutation_test("x", 5, cluster="g")


def test_clusters_hold_correlated_residuals():
    d = mm.datasets.load("sleepstudy")
    m = mm.lmm("Reaction ~ Days", d, residual="ar1(Days | Subject)")
    with pytest.raises(OptionError, match=r"residuals that ar1\(Days \| Subject\) correlates"):
        m.cov_params(robust="CR2", cluster=d["Days"])
    with pytest.raises(OptionError, match='take kind="parametric"'):
        m.bootstrap(3, kind="cases")
    free = mm.lmm("Reaction ~ Days", d, dispersion="exp(Days)")
    with pytest.raises(OptionError, match="no grouping factor"):
        free.cov_params(robust="CR2")


def test_clusters_above_the_grouping_factor():
    m, d = irregular(5, slope=False)
    given_labels = m.cov_params(robust="CR2", cluster=d["region"])
    wanted = dense(m, d["region"], "CR2")[0]
    scale = np.sqrt(np.diag(wanted))
    assert_allclose(
        given_labels / np.outer(scale, scale), wanted / np.outer(scale, scale), atol=1e-6
    )
    assert "region" in given_labels.title
    assert not np.allclose(m.cov_params(robust="CR2"), given_labels)


def test_a_cluster_that_a_column_tells():
    """A column for one cluster alone explains its mean: B is singular there."""
    d = mm.datasets.load("sleepstudy")
    d["one"] = (d["Subject"].astype(str) == "309").astype(float)
    m = mm.lmm("Reaction ~ Days + one + (1 | Subject)", d)
    ours = m.coefficient_method(None, "CR2")
    assert_allclose(ours.vcov, dense(m, d["Subject"], "CR2")[0], rtol=1e-6, atol=1e-9)
    assert np.isfinite(ours.df(np.eye(3))).all()


def test_dropped_columns_and_missing_rows():
    d = mm.datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    d.loc[[3, 60], "Reaction"] = np.nan
    m = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", d)
    whole = m.cov_params(robust="CR2", cluster=d["Subject"])
    assert whole.loc["twice"].isna().all()
    kept = ["Intercept", "Days"]
    plain = mm.lmm("Reaction ~ Days + (1 | Subject)", d).cov_params(robust="CR2")
    assert_allclose(whole.loc[kept, kept], plain, rtol=1e-6)
    used = m.cov_params(robust="CR2", cluster=d["Subject"][d["Reaction"].notna()])
    assert_allclose(used.loc[kept, kept], plain, rtol=1e-6)


@settings(max_examples=8)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_order_names_and_units(seed, unit):
    d = mm.datasets.load("sleepstudy")
    m = fit("cr_sleep_int")
    other = d.sample(frac=1, random_state=seed)
    other["Reaction"] *= unit
    other["Subject"] = "s" + other["Subject"].astype(str).str[::-1]
    turned = mm.lmm(m.formula, other, reml=True)
    assert_allclose(
        turned.cov_params(robust="CR2") / unit**2, m.cov_params(robust="CR2"), rtol=1e-4
    )
    assert_allclose(turned.coef_table(robust="CR2").frame["df"], 17, rtol=1e-6)


def test_what_is_refused():
    m, d = fit("cr_sleep_int"), mm.datasets.load("sleepstudy")
    for options, words in (
        ({"robust": "CR3"}, "must be one of CR0, CR1, CR2"),
        ({"cluster": "Subject"}, "cluster is for robust"),
        ({"robust": "CR2", "cluster": "subject"}, "did you mean 'Subject'"),
        ({"robust": "CR2", "cluster": d["Days"]}, "levels of Subject are in several clusters"),
        ({"robust": "CR2", "cluster": [1, 2]}, "each of the 180 rows, not 2"),
        ({"robust": "CR2", "cluster": np.ones(180)}, "two clusters or more"),
        ({"robust": "CR2", "cluster": d["Subject"].where(d["Days"] > 0)}, "18 rows"),
        ({"robust": "CR2", "ddf": "wald"}, "leave ddf out"),
    ):
        with pytest.raises(OptionError, match=words):
            m.coef_table(**options)
    crossed = mm.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.datasets.load("Penicillin"))
    with pytest.raises(OptionError, match="plate, sample are crossed"):
        crossed.coef_table(robust="CR2")
