"""Shares of variance, checks, influence and probabilities of the oracles after the fit.

Other entries are tested in the rooms of what they are about; the last test counts them all.
"""

from functools import cache
from pathlib import Path

import numpy as np
import oracles
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, logit
from scipy.stats import norm, shapiro

import numbamm as mm
from numbamm.inference.fixed import ddf
from numbamm.inference.marginal.all_parameters import ParameterCovariance
from numbamm.optimize.differences import slopes

ENTRIES = postfit_oracles.entries()
FAMILIES = {"nbinom2": "negativebinomial", "Gamma": "gamma"}

pytestmark = pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")


def names(start: str) -> list[str]:
    return [name for name in ENTRIES if name.startswith(start)]


@cache
def fit(name: str):
    """The model of an entry: Laplace's approximation with observed information, as theirs."""
    at = ENTRIES[name]["model"]
    data, formula = postfit_oracles.frame(at["dataset"]), at["formula"].replace("^", "**")
    family = at.get("family", "gaussian")
    if family == "gaussian":
        return mm.lmm(formula, data, reml=at.get("REML", True))
    if family == "binomial" and "cbind" not in formula:
        family = "bernoulli"
    information = "observed" if family == "nbinom2" else None
    family = FAMILIES.get(family, family)
    return mm.glmm(formula, data, family, at.get("link"), information=information)


@pytest.mark.parametrize("name", names("r2_"))
def test_shares_of_variance(name):
    """But where another definition is on purpose, which the reference itself marks as doubtful."""
    entry, m = ENTRIES[name], fit(name)
    assert_allclose(m.objective, entry["model"]["criterion"], atol=1e-5)
    marginal, conditional = m.r2().frame["R2"]
    fixed, random = entry["variances"]["var.fixed"], entry["variances"]["var.random"]
    by_hand = entry.get("distribution_variance_by_hand", {})
    residual = entry["variances"]["var.residual"]
    if name == "r2_salamanders_nb1":  # theirs is the variance function of nbinom2
        residual = by_hand["by_variance_function"]
    elif name == "r2_cbpp":  # of one event, not of the mean number
        residual = by_hand["pi2_3"]
    elif name == "r2_grouse_olre":  # the effects of rows are random effects as others are
        residual = by_hand["lognormal_with_INDEX"]
        random = sum(entry["variances"]["var.intercept"].values())
    whole = fixed + random + residual
    assert_allclose([marginal, conditional], [fixed / whole, (fixed + random) / whole], rtol=2e-5)
    icc = m.icc().frame
    assert_allclose(icc.loc["all", "adjusted"], random / (random + residual), rtol=2e-5)
    if name not in ("r2_salamanders_nb1", "r2_cbpp", "r2_grouse_olre"):
        for ours, theirs in (
            (marginal, "r2_marginal"),
            (conditional, "r2_conditional"),
            (icc.loc["all", "adjusted"], "icc_adjusted"),
            (icc.loc["all", "unadjusted"], "icc_unadjusted"),
        ):
            assert_allclose(ours, entry[theirs], rtol=2e-5, err_msg=theirs)


@pytest.mark.parametrize("name", names("check_"))
def test_checks(name):
    entry, m = ENTRIES[name], fit(name)
    if "singular" in entry:
        assert m.is_singular() == entry["singular"]["default"]
    if "overdispersion" in entry:
        line, wanted = m.check_overdispersion().frame.iloc[0], entry["overdispersion"]
        numbers = [wanted[k] for k in ("pearson_chisq", "residual_df", "ratio")]
        assert_allclose(line[["chisq", "df", "ratio"]].astype(float), numbers, rtol=1e-6)
        assert_allclose(line["pvalue"], wanted["p"], rtol=1e-4)
    if "zeros" in entry:
        line, wanted = m.check_zeroinflation().frame.iloc[0], entry["zeros"]
        assert line["observed"] == wanted["observed"]
        assert_allclose(line["expected"], wanted["expected"], rtol=1e-6)
    if "vif" in entry:  # theirs by the covariance of β and θ together
        assert_allclose(m.vif().frame["gvif"], entry["vif"]["vif"], rtol=3e-4)
    if "convergence" in entry:
        assert entry["convergence"]["converged"] and m.check_convergence()
    if "normality" in entry:
        table, wanted = m.influence(), entry["normality"]
        over_root = table["resid"] / np.sqrt(1 - table["leverage"])
        assert_allclose(shapiro(table["resid"]), wanted["shapiro_of_raw_residuals"], rtol=1e-4)
        assert_allclose(shapiro(over_root), wanted["shapiro_of_r_over_sqrt_1_minus_h"], rtol=1e-4)
    if "heteroscedasticity" in entry:  # of squared residuals over σ² on the fitted values
        wanted, n = entry["heteroscedasticity"], m.nobs
        square = (m.resid**2).to_numpy()
        r2 = np.corrcoef(m.fittedvalues, square)[0, 1] ** 2
        assert_allclose(n * r2, wanted["koenker"]["chisq"], rtol=1e-5)


@pytest.mark.parametrize("name", names("influence_"))
def test_influence_of_levels(name):
    entry, m = ENTRIES[name], fit(name)
    table = m.delete_levels(entry["group"])
    ours = table.frame.loc[entry["levels"]]
    assert_allclose(ours["cooks"], entry["cooks"], rtol=2e-4, atol=1e-7)
    assert_allclose(ours["covratio"], entry["covratio"], rtol=2e-4)
    dfbetas = np.reshape(entry["dfbetas"], table.dfbetas.shape)
    assert_allclose(table.dfbetas.loc[entry["levels"]], dfbetas, rtol=2e-3, atol=2e-5)
    changes = np.reshape(entry["beta"], -1) - table.params.loc[entry["levels"]]
    assert_allclose(changes, entry["dfbeta"], rtol=2e-3, atol=2e-5)
    if "sigma" in entry:
        assert_allclose(ours["sigma"], entry["sigma"], rtol=1e-5)


def test_influence_of_rows():
    entry, table = ENTRIES["cases_penicillin"], fit("cases_penicillin").influence()
    assert_allclose(table["leverage"].sum(), entry["hat_sum"], rtol=1e-6)
    first = table.iloc[np.array(entry["rows"]) - 1]
    for ours, theirs in (("leverage", "hat"), ("cooks", "cooks"), ("studentized", "rstudent")):
        assert_allclose(first[ours], entry[theirs], rtol=1e-5)
    largest = table["cooks"].sort_values(ascending=False).head(5)
    assert_allclose(largest, entry["largest"]["cooks"], rtol=1e-5)
    assert sorted(largest.index + 1) == sorted(entry["largest"]["rows"])


def test_probabilities_of_zero():
    """By the trapezoidal rule over the random effects; errors from those of all parameters."""
    entry = ENTRIES["p0_salamanders_nb2"]
    m, rows = fit("p0_salamanders_nb2"), pd.DataFrame(entry["rows"])
    X = m.frame.new_rows(rows, random=False).X
    z = np.linspace(-9, 9, 301)

    def probabilities(x):
        rank = X.shape[1]
        mu = np.exp((X @ x[:rank])[:, None] + x[-1] * z)
        size = np.exp(x[rank])
        return ((size / (size + mu)) ** size) @ (norm.pdf(z) * (z[1] - z[0]))

    parameters = ParameterCovariance.of(m, ddf.method(m, "wald"))
    assert_allclose(probabilities(parameters.x), entry["marginal"]["estimate"], atol=1e-6)
    step = np.full(len(parameters.x), 1e-5)
    J = np.array([slopes(lambda x, k=k: probabilities(x)[k], parameters.x, step) for k in range(4)])
    se = np.sqrt(np.einsum("ax,xy,ay->a", J, parameters.covariance, J))
    assert_allclose(se, entry["marginal"]["se"], rtol=1e-4)


def test_probabilities_of_categories():
    """Cumulative ones on the link, averaged over the random effects."""
    entry = ENTRIES["mm_wine_ordinal"]
    m = mm.clmm("rating ~ temp + contact + (1 | judge)", oracles.dataset("wine"))
    rows = pd.DataFrame(entry["rows"])
    at_zero = m.predict(rows, type="prob", random=False).to_numpy()
    assert_allclose(at_zero, entry["at_zero"], atol=2e-6)
    z = np.linspace(-9, 9, 301)
    below = logit(np.cumsum(at_zero, axis=1)[:, :-1])[..., None] + m.theta[0] * z
    cumulative = expit(below) @ (norm.pdf(z) * (z[1] - z[0]))
    ends = np.zeros((4, 1)), np.ones((4, 1))
    found = np.diff(np.hstack([ends[0], cumulative, ends[1]]), axis=1)
    assert_allclose(found, entry["marginal"], atol=2e-6)


def test_no_entry_is_forgotten():
    """Each is named in a test, or has the beginning of a name that a test goes over."""
    here = Path(__file__)
    files = [path for path in here.parent.rglob("*.py") if path != here]
    text = "\n".join(path.read_text(encoding="utf8") for path in files) + here.read_text("utf8")
    beginnings = ("r2_", "check_", "influence_", "emtrends_cake_")
    missing = [n for n in ENTRIES if not n.startswith(beginnings) and f'"{n}"' not in text]
    assert not missing
    assert len(ENTRIES) == 38
