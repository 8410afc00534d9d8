"""Means over the distribution of the random effects, against quadrature and other programs."""

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.population import ResponseMeans

NAMES = ["mm_cbpp", "mm_cbpp_probit", "mm_salamanders_poisson", "mm_salamanders_nb2"]


def in_order(table, rows):
    """The rows of a table in the order of an entry."""
    keys = [tuple(map(str, line)) for line in table[list(rows)].to_numpy()]
    return table.iloc[[keys.index(tuple(line)) for line in rows.to_numpy()]]


@pytest.mark.filterwarnings("ignore::numbamm.errors.OverdispersionWarning")
@pytest.mark.parametrize("name", NAMES)
def test_means_and_comparisons(name, entry_model, rows_of):
    entry, m = postfit_oracles.entries()[name], entry_model(name)
    assert_allclose(m.objective, entry["model"]["criterion"], atol=1e-5)
    at, rows = rows_of(entry)
    means = m.emmeans(list(at), at=at, re="integrated")
    ours = in_order(means.frame, rows)
    assert_allclose(ours["estimate"], entry["marginal"]["estimate"], rtol=2e-6)
    assert_allclose(ours["se"], entry["marginal"]["se"], rtol=1e-4)
    for key, measure in (
        ("differences", "difference"),
        ("ratios", "ratio"),
        ("marginal_log_odds_ratios", "odds ratio"),
    ):
        if key not in entry or "cbpp" not in name:
            continue
        sign = " - " if measure == "difference" else " / "
        table = means.pairs("none", measure=measure).frame.set_index("contrast")
        for pair, wanted, se in zip(
            *(entry[key][part] for part in ("names", "estimate", "se")), strict=True
        ):
            line = table.loc[pair.replace("period ", "").replace(" - ", sign).replace(" / ", sign)]
            scale = 1.0
            if measure == "odds ratio":  # theirs are logarithms
                wanted, scale = np.exp(wanted), line["estimate"]
            assert_allclose(line["estimate"], wanted, rtol=2e-6)
            assert_allclose(line["se"], se * scale, rtol=1e-4)


@pytest.mark.parametrize("sd", [1e-9, 0.3, 2.0, 9.0])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
def test_brute_force(link, sd):
    g = mm.glmm("y ~ 1 + (1 | g)", SMALL, "bernoulli", link, fast=True)
    means = ResponseMeans(g, ReferenceGrid(g.frame), integrated=True)
    etas, mean = np.array([-6.0, 0.2, 3.0]), g.link_record.mean

    def derivatives(etas, v, count=3):
        return means._derivatives(means.back._inverse, etas, np.full(3, v), count)

    ours, by_eta, curve = derivatives(etas, sd**2)
    for k, eta in enumerate(etas):

        def f(z, eta=eta):
            return float(mean(np.array([eta + sd * z]))[0]) * norm.pdf(z)

        at = [x for x in (-eta / sd, 0.0) if abs(x) < 12]
        wanted = quad(f, -12, 12, points=at, limit=400, epsabs=1e-12)[0]
        assert_allclose(ours[k], wanted, atol=1e-9)
    h = 1e-4
    up, down = (derivatives(etas + s, sd**2)[0] for s in (h, -h))
    assert_allclose(by_eta, (up - down) / (2 * h), atol=1e-7)
    if sd > 0.1:
        up, down = (derivatives(etas, sd**2 + s)[0] for s in (h, -h))
        assert_allclose(curve / 2, (up - down) / (2 * h), atol=1e-7)
        by_slope = means._derivatives(means.back._slope, etas, np.full(3, sd**2), 3)
        assert_allclose(by_slope, derivatives(etas, sd**2, 4)[1:], atol=1e-8)


SMALL = pd.DataFrame({"y": [0, 1, 1, 0, 1, 0, 1, 1], "g": list("aabbccdd")})


def test_correlated_slopes_and_crossed_terms():
    """The variance along z, and sums over terms: against draws of the random effects."""
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"g": rng.integers(0, 30, 900), "h": rng.integers(0, 9, 900)})
    d["x"] = rng.normal(size=900)
    b, c = rng.normal(size=(30, 2)), rng.normal(size=9)
    eta = 0.4 + b[d.g, 0] + (0.7 * d.x * b[d.g, 1] + 0.3 * d.x) + 0.5 * c[d.h]
    d["y"] = (rng.random(900) < 1 / (1 + np.exp(-eta))).astype(int)
    g = mm.glmm("y ~ x + (1 + x | g) + (1 | h)", d, "bernoulli")
    means = g.emmeans("x", at={"x": [-2.0, 0.0, 2.0]}, re="integrated").frame
    draws = rng.multivariate_normal([0, 0], g.varcorr["g"].cov, 200_000)
    crossed = rng.normal(size=200_000) * g.varcorr["h"].sd[0]
    for x, ours in zip([-2.0, 0.0, 2.0], means["estimate"], strict=True):
        eta = g.params["Intercept"] + x * g.params["x"] + draws @ [1, x] + crossed
        wanted = 1 / (1 + np.exp(-eta))
        assert abs(ours - wanted.mean()) < 5 * wanted.std() / np.sqrt(len(wanted))
    turned = mm.glmm(g.formula, d.sample(frac=1, random_state=3).assign(g=-d.g), "bernoulli")
    other = turned.emmeans("x", at={"x": [-2.0, 0.0, 2.0]}, re="integrated").frame
    assert_allclose(other[["estimate", "se"]], means[["estimate", "se"]], rtol=1e-3)


def test_small_variances_leave_the_mean_at_zero():
    alike = pd.DataFrame({"y": [0, 1, 1] * 8, "g": np.repeat(list("abcd"), 6)})
    g = mm.glmm("y ~ 1 + (1 | g)", alike, "bernoulli")
    assert g.is_singular()
    assert_allclose(g.predict(re="integrated"), 1 / (1 + np.exp(-g.params["Intercept"])), rtol=1e-6)


def test_transformed_responses_count_the_residual():
    m = mm.lmm("log(Reaction) ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    ours = m.emmeans("Days", at={"Days": [0, 8]}, re="integrated").frame
    wanted = m.emmeans("Days", at={"Days": [0, 8]}, type="response", bias_adjust=True).frame
    assert_allclose(ours[["estimate", "se"]], wanted[["mean", "se"]], rtol=1e-6)


def test_what_is_refused(entry_model):
    g = entry_model("mm_cbpp")
    with pytest.raises(OptionError, match="leave sigma out"):
        g.emmeans("period", re="integrated", type="response", bias_adjust=True)
    with pytest.raises(OptionError, match="re must be one of zero, integrated"):
        g.emmeans("period", re="all")


@pytest.mark.parametrize(("family", "link"), [("gamma", "inverse"), ("gamma", "inverse-squared")])
def test_means_that_may_be_infinite_have_no_average(family, link):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(25), 12), "x": rng.normal(size=300)})
    data["y"] = rng.gamma(5, np.exp(0.1 * data["x"] + 0.4 * rng.normal(size=25)[data["g"]]) / 5)
    g = mm.glmm("y ~ x + (1 | g)", data, family, link)
    for call in (lambda: g.emmeans("x", re="integrated"), lambda: g.predict(re="integrated")):
        with pytest.raises(OptionError, match=r"no average over the random effects"):
            call()
    assert np.isfinite(g.slopes("x").frame["se"]).all()


@pytest.mark.parametrize("response", ["I(1 / y)", "1 / y"])
def test_a_transformed_response_without_a_mean_is_refused(response):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 8), "x": rng.normal(size=160)})
    data["y"] = np.exp(0.2 * rng.normal(size=160) + 0.3 * rng.normal(size=20)[data["g"]])
    m = mm.lmm(f"{response} ~ x + (1 | g)", data)
    with pytest.raises(OptionError, match=r"y has no mean over the random effects and residuals"):
        m.emmeans("x", re="integrated")


def test_the_table_says_how_cells_are_weighted():
    cake = mm.datasets.load("cake")
    m = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
    for weights, words in (("cells", "in each cell."), ("proportional", "numbers of rows.")):
        notes = m.emmeans("recipe", weights=weights, re="integrated").notes
        assert any(note.startswith("Averaged over") and note.endswith(words) for note in notes)


def test_errors_do_not_depend_on_where_a_covariate_has_its_zero():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 10), "year": rng.normal(size=200)})
    eta = 0.3 * data["year"] + 0.4 * rng.normal(size=20)[data["g"]]
    data["y"] = rng.poisson(np.exp(eta)).astype(float)
    near = mm.glmm("y ~ year + (1 | g)", data, "poisson")
    far = mm.glmm("y ~ year + (1 | g)", data.assign(year=data["year"] + 2020), "poisson")
    for robust in (None, "CR0"):
        one, other = (
            m.emmeans("year", at={"year": [at]}, re="integrated", robust=robust).frame
            for m, at in ((near, 0.0), (far, 2020.0))
        )
        assert_allclose(other[["estimate", "se"]], one[["estimate", "se"]], rtol=1e-5)
