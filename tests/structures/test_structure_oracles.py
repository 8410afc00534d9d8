"""Every structure against dense minimisation in R, lme4, glmmTMB and nlme."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from structures.structure_oracles import (
    ENTRIES,
    fitted,
    marginal_covariance,
)

import numbamm as mm
from numbamm.structures.registry import by_name

LINEAR = [name for name, e in ENTRIES.items() if "family" not in e]
GENERALIZED = [name for name, e in ENTRIES.items() if "family" in e]
#: Its likelihood is highest without residuals: another test looks at it.
NO_RESIDUALS = "bodyweight_cs_reml"
USUAL = [name for name in LINEAR if name != NO_RESIDUALS]
INTERIOR = [name for name in USUAL if not ENTRIES[name].get("boundary")]
#: Parameters as the reference names them.
NAMES = {"phi": "rho"}


@pytest.mark.parametrize("name", USUAL)
def test_linear_models(name):
    entry, m = ENTRIES[name], fitted(name)
    assert m.objective < entry["criterion"] + 1e-6
    assert m.objective > entry["criterion"] - 1e-6  # nor is there a lower one
    V = np.array(entry["V6"])
    assert_allclose(marginal_covariance(m, len(V)), V, atol=1e-4 * np.abs(V).max())
    if name not in ("items_rr2_ml", "items_rr1_reml"):  # their items are in another order
        assert np.abs((m.beta - entry["beta"]) / entry["se"]).max() < 1e-4
        assert_allclose(m.bse, entry["se"], rtol=1e-4)


@pytest.mark.parametrize("name", USUAL)
def test_few_evaluations(name):
    m = fitted(name)
    assert m.optsum.feval <= 20 or m.scaled.structure.is_free
    assert m.converged


@pytest.mark.parametrize("name", INTERIOR)
def test_parameters_as_users_see_them(name):
    entry, m = ENTRIES[name], fitted(name)
    for expected in entry["terms"]:
        params = dict(expected["params"])
        if set(params) & {"loadings", "rank"} or not params:
            continue
        term = m.varcorr.terms[0] if len(entry["terms"]) == 1 else m.varcorr[expected["group"]]
        if len(m.varcorr.terms) != len(entry["terms"]):
            continue  # terms of one factor are joined
        sd = np.broadcast_to(params.pop("sd"), term.sd.shape)
        assert_allclose(term.sd, sd, rtol=1e-3)
        found = [value for key, value in term.parameters.items()]
        wanted = np.concatenate([np.atleast_1d(v) for v in params.values()]) if params else []
        assert_allclose(found, wanted, rtol=1e-3)


@pytest.mark.parametrize("name", [n for n in USUAL if "satterthwaite_df" in ENTRIES[n]])
def test_satterthwaite(name):
    found = fitted(name).coef_table(ddf="satterthwaite").frame["df"]
    assert_allclose(found, ENTRIES[name]["satterthwaite_df"], rtol=1e-4)


def test_where_the_likelihood_is_highest_without_residuals():
    """A search from the usual start ends at ρ = 1, 0.9 higher; the second start finds the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = fitted(NO_RESIDUALS, "auto")
    assert m.objective < ENTRIES[NO_RESIDUALS]["criterion"] + 1e-5
    V = np.array(ENTRIES[NO_RESIDUALS]["V6"])
    assert_allclose(marginal_covariance(m, len(V)), V, atol=1e-4 * np.abs(V).max())


def test_a_correlation_at_its_bound():
    m = fitted("cake_ar1_reml")
    assert m.is_singular() and m.optsum.certificate > 0
    assert "At its bound: rho of ar1 is 1 (recipe:replicate)." in str(m)
    intercept = mm.lmm(
        "angle ~ recipe + temp + (1 | recipe:replicate)", mm.datasets.load("cake"), reml=True
    )
    assert_allclose(m.objective, intercept.objective, atol=1e-6)


@pytest.mark.parametrize("name", GENERALIZED)
def test_generalized_models(name):
    entry = ENTRIES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = fitted(name, "auto")
    assert_allclose(m.objective, entry["criterion"], atol=1e-5)
    tolerance = 1e-3 if name != "spider_rr2" else 2e-3  # a flat optimum
    assert np.abs((m.beta - entry["beta"]) / entry["se"]).max() < tolerance
    assert_allclose(m.bse, entry["se"], rtol=tolerance)


def test_every_structure_has_an_oracle():
    seen = {term["structure"] for entry in ENTRIES.values() for term in entry["terms"]}
    missing = set(by_name()) - seen
    of_residuals = {"adh", "ar2", "arma", "homus"}  # which `residuals.json` has
    assert missing == {"zerocorr"} | of_residuals, missing


def test_gradients_of_every_structure_with_crossed_factors():
    rng = np.random.default_rng(3)
    n = 150
    d = pd.DataFrame({"g": rng.integers(0, 12, n), "h": rng.integers(0, 7, n)})
    d["f"] = rng.choice(["a", "b", "c", "ü"], n)
    d["x"], d["t"], d["u"] = rng.normal(size=n), rng.integers(0, 5, n) / 3, rng.integers(0, 4, n)
    d["y"] = rng.normal(size=n) + rng.normal(size=12)[d.g] + rng.normal(size=7)[d.h]
    for name, kind in by_name().items():
        columns = "t, u" if kind.over_positions else "0 + f"
        for reml in (False, True):
            m = mm.LinearMixedModel(f"y ~ x + {name}({columns} | g) + (1 | h)", d, reml=reml)
            theta = m.theta + rng.uniform(-0.2, 0.2, len(m.theta))
            h = 1e-5 * np.eye(len(theta))
            expected = [(m.objective_at(theta + e) - m.objective_at(theta - e)) / 2e-5 for e in h]
            found = m.objective_gradient(theta)[1]
            assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(found).max())


def test_gradients_of_generalized_models():
    rng = np.random.default_rng(3)
    n = 110
    d = pd.DataFrame({"g": rng.integers(0, 11, n), "h": rng.integers(0, 6, n)})
    d["f"] = rng.choice(["a", "b", "ü"], n)
    d["x"], d["t"] = rng.normal(size=n), rng.integers(0, 5, n) / 3
    d["y"] = rng.poisson(np.exp(0.5 * rng.normal(size=11)[d.g] + 0.3 * rng.normal(size=6)[d.h]))
    for name, kind in by_name().items():
        columns = "t" if kind.over_positions else "0 + f"
        formula = f"y ~ x + {name}({columns} | g) + (1 | h)"
        m = mm.GeneralizedLinearMixedModel(formula, d, "poisson").fit(fast=True)
        space = m.space_of(m.parameters(fast=False))
        start = np.concatenate([m.beta, m.theta])
        x = space.to_scaled(start) + rng.uniform(-0.1, 0.1, len(start))
        steps = 1e-5 * np.eye(len(x))
        expected = [(space.laplace(x + h) - space.laplace(x - h)) / 2e-5 for h in steps]
        assert_allclose(space.laplace.gradient(x)[1], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("structure", ["ou", "gau"])
def test_a_range_without_end(structure):
    """Effects that are the same at all times: a random intercept."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame([(g, t) for g in range(30) for t in (0, 1, 2.5, 4)], columns=["g", "t"])
    d["y"] = 2 * rng.normal(size=30)[d.g] + rng.normal(size=120)
    m = mm.lmm(f"y ~ t + {structure}(t | g)", d)
    assert_allclose(m.objective, mm.lmm("y ~ t + (1 | g)", d).objective, atol=1e-6)
    assert m.is_singular() and "At its bound: " in str(m)
    limits = m.conf_int(which="random", method="wald")
    assert np.isfinite(limits.iloc[:2].to_numpy()).all() and limits.iloc[2].isna().all()
