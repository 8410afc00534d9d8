"""`homdiag`: one variance for all effects, against dense matrices, a closed form, and `(1 | g:f)`.

``homdiag(0 + f | g)`` of a factor f is ``(1 | g:f)``: another design, with no structure, and the
same model in every respect.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammWarning, OptionError

SD = "sd_f[a b]..f[ü]|g"


@cache
def data() -> pd.DataFrame:
    """Empty cells, a level in one row, odd names, rows in no order, columns of odd sizes."""
    rng = np.random.default_rng(41)
    n = 160
    d = pd.DataFrame(
        {
            "g": rng.integers(0, 14, n),
            "f": rng.choice(["a b", "c", "ü"], n),
            "h": rng.integers(0, 6, n),
            "x": rng.normal(size=n),
            "z": 3 + rng.normal(size=n),
        }
    )
    d = d[~((d.g == 3) & (d.f == "c")) & ~((d.g == 4) & (d.f != "c"))].reset_index(drop=True)
    d.loc[len(d)] = {"g": 99, "f": "c", "h": 2, "x": 0.3, "z": 1.0}
    cell = pd.factorize(d.g.astype(str) + d.f)[0]
    level = pd.factorize(d.g)[0]
    effects = rng.normal(size=(level.max() + 1, 2))
    d["y"] = 2 + d.x + 0.8 * rng.normal(size=cell.max() + 1)[cell] + rng.normal(size=len(d))
    d["y2"] = d.y + 0.7 * (effects[level, 0] * d.x + effects[level, 1] * d.z)
    d["count"] = rng.poisson(np.exp(0.3 + 0.4 * d.x + 0.6 * rng.normal(size=cell.max() + 1)[cell]))
    d["w"] = rng.uniform(0.5, 2, len(d))
    return d


BESIDE = {"alone": "", "beside its factor": " + (1 | g)", "crossed": " + (1 + x | h)"}
OPTIONS = [{}, {"reml": True}, {"weights": "w", "reml": True}, {"sigma": 1.1}]


@cache
def pair(beside: str, option: int = 1):
    """The same model twice: as homdiag, and as a term on an interaction."""
    fixed, options = "y ~ x + f" + BESIDE[beside], OPTIONS[option]
    return tuple(
        mm.lmm(f"{fixed} + {term}", data(), optimizer="newton", **options)
        for term in ("homdiag(0 + f | g)", "(1 | g:f)")
    )


@cache
def poisson(fast: bool = False):
    fixed = "count ~ x + (1 | h) + "
    return tuple(
        mm.glmm(fixed + term, data(), "poisson", fast=fast)
        for term in ("homdiag(0 + f | g)", "(1 | g:f)")
    )


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("option", range(len(OPTIONS)))
def test_one_variance_for_a_factor_is_that_of_an_interaction(beside, option):
    ours, theirs = pair(beside, option)
    assert_allclose(ours.objective, theirs.objective, atol=1e-6)
    assert ours.n_parameters == theirs.n_parameters
    assert_allclose(ours.params, theirs.params, atol=1e-4)
    assert_allclose(ours.bse, theirs.bse, rtol=1e-3)
    assert_allclose(ours.fittedvalues, theirs.fittedvalues, atol=2e-3)
    assert_allclose(ours.leverage(), theirs.leverage(), atol=2e-3)


def test_names_and_tables():
    ours, _ = pair("beside its factor")
    assert ours.theta_names == ["g.Intercept", "g.f[a b]..f[ü]"]
    assert ours.optsum.names == ours.theta_names
    table = ours.varcorr.to_frame()
    sds = table[table.name1.str.startswith("f[", na=False)].sd
    assert len(sds) == 3 and sds.nunique() == 1
    assert not (table.name2.notna()).any()  # no correlations
    assert "homdiag(0 + f | g)" in str(ours)
    profiled = ours.profile([SD])
    assert list(profiled.conf_int().index) == [SD]


def dense_minimum(y, X, groups, w=None, reml=False):
    """-2 log-likelihood by the n × n covariance matrix, minimised over standard deviations.

    Parameters
    ----------
    groups : list of ndarray, shape (n, n)
        ZZ' of each variance.
    """
    n, p = X.shape
    noise = np.diag(1 / (np.ones(n) if w is None else w))

    def value(logs):
        V = np.exp(2 * logs[0]) * noise
        for log, K in zip(logs[1:], groups, strict=True):
            V = V + np.exp(2 * log) * K
        VX = np.linalg.solve(V, X)
        information = X.T @ VX
        r = y - X @ np.linalg.solve(information, VX.T @ y)
        total = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + n * np.log(2 * np.pi)
        if reml:
            total += np.linalg.slogdet(information)[1] - p * np.log(2 * np.pi)
        return total

    starts = [np.full(1 + len(groups), s) for s in (0.0, -0.7)]
    found = [
        minimize(value, s, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        for s in starts
    ]
    best = min(found, key=lambda r: r.fun)
    return best.fun, np.exp(best.x)


@pytest.mark.parametrize("unit", [1.0, 1e5])
@pytest.mark.parametrize("options", [{}, {"reml": True, "weights": "w"}])
@pytest.mark.parametrize("optimizer", ["auto", "newton", "nlopt:LN_NELDERMEAD"])
def test_numeric_columns_by_dense_matrices(unit, options, optimizer):
    d = data().assign(x=data().x * unit, z=data().z * unit)
    formula = "y2 ~ x + homdiag(0 + x + z | g) + (1 | h)"
    m = mm.lmm(formula, d, optimizer=optimizer, **options)
    same = np.equal.outer(d.g.to_numpy(), d.g.to_numpy())
    columns = data()[["x", "z"]].to_numpy()
    groups = [same * (columns @ columns.T), np.equal.outer(d.h.to_numpy(), d.h.to_numpy())]
    w = d.w.to_numpy() if "weights" in options else None
    X = np.column_stack([np.ones(len(d)), data().x])
    value, sds = dense_minimum(d.y2.to_numpy(), X, groups, w, options.get("reml", False))
    value += 2 * np.log(unit) * options.get("reml", False)  # log|X'V⁻¹X|, of x in other units
    assert_allclose(m.objective, value, atol=1e-5)
    found = [m.sigma, m.varcorr["g"].sd[1] * unit, m.varcorr["h"].sd[0]]
    assert_allclose(found, sds, rtol=2e-3, atol=2e-3)
    assert m.varcorr["g"].sd[0] == m.varcorr["g"].sd[1]


def test_a_closed_form():
    """In balanced cells, by REML: mean squares between cells and within."""
    rng = np.random.default_rng(3)
    cells = pd.MultiIndex.from_product([range(9), list("pqr"), range(4)], names=["g", "f", "r"])
    d = cells.to_frame(index=False).sample(frac=1, random_state=1)
    cell = d.g * 3 + d.f.map({"p": 0, "q": 1, "r": 2})
    d["y"] = rng.normal(size=len(d)) + 1.3 * rng.normal(size=27)[cell]
    m = mm.lmm("y ~ f + homdiag(0 + f | g)", d, reml=True)
    means = d.groupby(["f", "g"]).y.mean()
    between = 4 * ((means - means.groupby("f").transform("mean")) ** 2).sum() / (27 - 3)
    within = ((d.y - d.groupby(["f", "g"]).y.transform("mean")) ** 2).sum() / (108 - 27)
    assert_allclose(m.sigma**2, within, rtol=1e-6)
    assert_allclose(m.varcorr["g"].variances, np.full(3, (between - within) / 4), rtol=1e-5)


def test_machines_by_other_programs():
    """lme4 2.1, glmmTMB 1.1.14 and nlme (`pdIdent`) in R 4.6."""
    m = mm.lmm("score ~ Machine + homdiag(0 + Machine | Worker)", mm.datasets.load("Machines"))
    assert_allclose(m.objective, 231.951073389393, atol=1e-8)
    assert_allclose(m.varcorr["Worker"].sd, np.full(3, 5.53069117844852), rtol=1e-6)
    assert_allclose(m.sigma, 0.961576679352255, rtol=1e-6)
    assert_allclose(m.bse, [2.26924197383153, 3.20919277569885, 3.20919277569885], rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 3e6])
@pytest.mark.parametrize("reml", [False, True])
def test_gradient(unit, reml):
    d = data().assign(x=data().x * unit, z=data().z * unit)
    formula = "y2 ~ x + (1 | g) + homdiag(0 + x + z | g) + (1 + x | h)"
    m = mm.LinearMixedModel(formula, d, reml=reml)
    scale = np.array([1 / unit if ".x" in name else 1.0 for name in m.theta_names])
    theta = scale * np.array([0.6, 0.7, 0.8, 0.3, 0.5])
    steps = 1e-5 * np.diag(scale)
    expected = [(m.objective_at(theta + h) - m.objective_at(theta - h)) / 2e-5 for h in steps]
    value, slopes = m.objective_gradient(theta)
    assert_allclose(value, m.objective_at(theta), rtol=1e-12)
    assert_allclose(slopes * scale, expected, atol=2e-5)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("beside", BESIDE)
def test_small_sample_inference(ddf, beside):
    ours, theirs = pair(beside)
    tables = [m.anova(ddf=ddf).frame.select_dtypes(float) for m in (ours, theirs)]
    assert_allclose(*tables, rtol=2e-3)


def test_small_sample_inference_where_the_variance_is_zero():
    d = data().assign(y=np.random.default_rng(8).normal(size=len(data())))
    d["y"] -= d.groupby(["g", "f"]).y.transform("mean")
    terms = "homdiag(0 + f | g)", "(1 | g:f)"
    ours, theirs = (mm.lmm(f"y ~ x + {term}", d, reml=True) for term in terms)
    assert ours.is_singular() and ours.optsum.certificate > 0
    assert_allclose(ours.theta, [0.0], atol=1e-12)
    assert_allclose(ours.objective, theirs.objective, atol=1e-8)
    for ddf in ("satterthwaite", "kenward-roger"):
        frames = [m.anova(ddf=ddf).frame.select_dtypes(float) for m in (ours, theirs)]
        assert_allclose(*frames, rtol=1e-6)


@pytest.mark.parametrize("beside", ["alone", "beside its factor"])
def test_a_false_optimum_is_left(beside):
    """λ = 0 is stationary, whatever the data say."""
    ours, theirs = pair(beside)
    again = mm.LinearMixedModel(ours.formula, data(), reml=True)
    start = again.theta
    start[again.theta_names.index("g.f[a b]..f[ü]")] = 0.0
    again.optsum.initial = start
    again.fit(optimizer="newton")
    assert_allclose(again.objective, theirs.objective, atol=1e-6)


def test_certificate_of_a_false_optimum():
    m = mm.LinearMixedModel("y ~ x + f + homdiag(0 + f | g) + (1 | h)", data())
    space = m.space
    certificate = space.certify(np.array([0.0, 0.4]))
    assert certificate.value < -0.5
    beside = certificate.escape(0.3)
    assert beside[1] == 0.4 and space.objective(beside) < space.objective(np.array([0.0, 0.4]))
    other = space.certify(np.array([0.7, 0.0]))  # of the term that is not bound
    assert other.escape(0.3)[0] == 0.7 and abs(other.escape(0.3)[1]) > 0


def test_profile():
    ours, theirs = pair("alone", 0)
    assert_allclose(ours.profile().conf_int(), theirs.profile().conf_int(), atol=1e-4)


@pytest.mark.parametrize("fast", [False, True])
def test_generalized(fast):
    ours, theirs = poisson(fast)
    assert_allclose(ours.objective, theirs.objective, atol=1e-6)
    assert_allclose(ours.params, theirs.params, atol=1e-4)
    assert_allclose(ours.bse, theirs.bse, rtol=1e-3)
    assert_allclose(ours.theta, theirs.theta[[0, 1]], atol=1e-3)


def test_generalized_profile_and_start():
    ours, theirs = poisson(True)
    assert_allclose(ours.profile().conf_int(), theirs.profile().conf_int(), atol=1e-3)
    other = mm.glmm(ours.formula, data(), "poisson", init="lmm", fast=True)
    assert_allclose(other.objective, ours.objective, atol=1e-6)


def test_quadrature_by_brute_force():
    """Each level's integral on a fine grid, for two effects of one variance."""
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": np.repeat(np.arange(5), 6), "t": np.tile([0.0, 1.0], 15)})
    d["s"], d["y"] = 1 - d.t, rng.poisson(1.5 + d.g % 2)
    m = mm.glmm("y ~ 1 + homdiag(0 + s + t | g)", d, "poisson", nagq=9)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grid = np.array(np.meshgrid(nodes, nodes)).reshape(2, -1)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    total = 0.0
    for _, rows in d.groupby("g"):
        eta = m.params.iloc[0] + m.theta[0] * rows[["s", "t"]].to_numpy() @ grid
        factorials = np.log([float(np.prod(np.arange(1, y + 1))) for y in rows.y])
        logs = rows.y.to_numpy() @ eta - np.exp(eta).sum(axis=0) - factorials.sum()
        total -= 2 * np.log(mass @ np.exp(logs))
    assert_allclose(m.objective, total, atol=1e-4)


def test_comparisons():
    d = data()
    models = {
        name: mm.lmm(f"y2 ~ x + {term}", d)
        for name, term in {
            "homdiag": "homdiag(0 + x + z | g)",
            "diag": "diag(0 + x + z | g)",
            "us": "(0 + x + z | g)",
            "more": "homdiag(0 + x + z | g) + (1 | h)",
            "one": "(0 + x | g)",
        }.items()
    }
    for large, df in (("diag", 1), ("us", 2), ("more", 1)):
        table = mm.lrtest(models["homdiag"], models[large]).frame
        assert table["df"].iloc[-1] == df
        assert models[large].objective <= models["homdiag"].objective + 1e-6
    assert "½χ²" in str(mm.lrtest(models["homdiag"], models["more"]))
    assert "½χ²" not in str(mm.lrtest(models["homdiag"], models["diag"]))
    with pytest.raises(OptionError, match="not nested|same number"):
        mm.lrtest(models["one"], models["homdiag"])
    with pytest.raises(OptionError, match="not nested"):
        mm.lrtest(models["one"], models["more"])
    dropped = models["more"].ranova().frame
    assert list(dropped.index)[1:] == ["homdiag(x + z | g)", "(1 | h)"]


def test_simulation_and_bootstrap(tmp_path):
    ours, _ = pair("beside its factor")
    cov = {"g": np.diag([2.0, 0.5, 0.5, 0.5])}
    truth = dict(beta=ours.params.to_numpy(), sigma=0.5)
    theta = [np.sqrt(2) / 0.5, np.sqrt(0.5) / 0.5]
    drawn = [ours.simulate(1, **truth, **how) for how in ({"cov": cov}, {"theta": theta})]
    assert_allclose(*drawn)
    for other in (np.diag([2.0, 0.5, 0.6, 0.5]), np.diag([2.0, 0.5, 0.5, 0.5]) + 0.1):
        with pytest.raises(OptionError, match="not of the structure"):
            ours.simulate(1, cov={"g": other}, **truth)
    replicates = ours.bootstrap(6, seed=2)
    frame = replicates.frame
    assert {SD, "sd_Intercept|g", "theta_g.f[a b]..f[ü]"} < set(frame.columns)
    assert_allclose(frame[SD], frame["sigma"] * frame["theta_g.f[a b]..f[ü]"])
    replicates.save(tmp_path / "replicates")
    loaded = type(replicates).load(tmp_path / "replicates")
    assert loaded.frame.equals(frame)
    assert loaded.extend(1, model=ours).frame.iloc[:6].equals(frame)


def test_diagnostics():
    pairs = pair("crossed")
    assert_allclose(*(m.cooks_distance() for m in pairs), rtol=1e-2, atol=1e-5)
    for refit in (False, True):
        first, second = (m.delete_levels("h", refit=refit, progress=False) for m in pairs)
        assert_allclose(first.params, second.params, rtol=1e-2, atol=1e-2)
        assert_allclose(first.frame["objective"], second.frame["objective"], rtol=1e-6)
    assert_allclose(*(m.r2().frame for m in pairs), rtol=1e-3)
    ours, theirs = (m.shrinkage() for m in pairs)
    assert_allclose(ours["h"], theirs["h"], rtol=1e-2, atol=2e-2)
    ours, theirs = (m.condvar() for m in pairs)
    assert_allclose(ours["h"], theirs["h"], rtol=5e-3, atol=1e-4)


def test_saved_fits(tmp_path):
    ours, _ = pair("beside its factor")
    ours.save(tmp_path / "fit.json")
    other = mm.LinearMixedModel(ours.formula, data(), reml=True)
    other.restore(tmp_path / "fit.json")
    assert other.objective == ours.objective
    assert_allclose(other.varcorr["g"].sd, ours.varcorr["g"].sd)


def test_predictions_at_new_levels():
    new = data().head(20).assign(g=1000)
    with pytest.warns(NumbammWarning, match="not in the fit"):
        first, second = (
            m.predict(new, interval="prediction", new_levels="population") for m in pair("crossed")
        )
    assert_allclose(first, second, rtol=5e-3, atol=5e-3)


def test_one_column_is_no_constraint():
    formulas = "y ~ x + homdiag(0 + x | g)", "y ~ x + (0 + x | g)"
    ours, theirs = (mm.lmm(formula, data(), optimizer="newton") for formula in formulas)
    assert ours.theta_names == theirs.theta_names
    assert_allclose(ours.objective, theirs.objective, atol=1e-6)


def test_what_is_not_identified_is_refused():
    d = data().assign(row=np.arange(len(data())))
    with pytest.raises(DataError, match="residual"):
        mm.lmm("y ~ x + homdiag(0 + f | row)", d)


def test_errors():
    with pytest.raises(FormulaError, match="needs a bar|homdiag"):
        mm.lmm("y ~ homdiag() + (1 | g)", data())
    with pytest.raises(FormulaError, match="single bar"):
        mm.lmm("y ~ homdiag(x || g)", data())
