"""Small-sample tests with residual parameters, against other programs and dense formulas."""

import numpy as np
import pandas as pd
import pytest
from inference.fixed.dense_inference import DenseInference
from models.residual_side.residual_oracles import ENTRIES, MODELS, fitted
from numpy.testing import assert_allclose

import numbamm as mm

WITH_DF = [name for name in MODELS if "satterthwaite_df" in ENTRIES[name]]
#: The reference's methods, and numbamm's names of them.
METHODS = {
    "kenward_roger_expected_dense": "kenward-roger",
    "kenward_roger_observed_dense": "kenward-roger-observed",
    "kenward_roger_observed_no_second_derivatives_dense": "kenward-roger-observed",
    "mmrm_kenward_roger_linear": "kenward-roger-observed",
    "satterthwaite_df_dense": "satterthwaite",
}


@pytest.mark.parametrize("name", WITH_DF)
def test_satterthwaite(name):
    found = fitted(name).coef_table(ddf="satterthwaite").frame["df"]
    assert_allclose(found, ENTRIES[name]["satterthwaite_df"], rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS if "inference" in ENTRIES[name]])
def test_repeated_measures_as_in_mmrm(name):
    expected, m = ENTRIES[name]["inference"], fitted(name)
    L = np.vstack([np.eye(len(m.params)), expected["L_last"]])
    for key, ddf in METHODS.items():
        if key in expected:
            found = m.contrast(L, ddf=ddf).to_frame()
            wanted = expected[key] if isinstance(expected[key], dict) else {"df": expected[key]}
            assert_allclose(found["df"], wanted["df"], rtol=1e-5)
            assert_allclose(found["se"], wanted.get("se", expected["se"]), rtol=1e-5)


# ---- dense formulas ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    """Patients with missing visits, in no order, two clinics that cross, weights."""
    rng = np.random.default_rng(4)
    d = pd.DataFrame([(i, v) for i in range(16) for v in range(4)], columns=["id", "v"])
    d["clinic"], d["arm"] = rng.integers(0, 5, len(d)), np.where(d.id % 2, "b", "ä")
    d["y"] = rng.normal(size=16)[d.id] + 0.5 * d.v + rng.normal(size=len(d))
    d["y"] += 0.8 * rng.normal(size=5)[d.clinic]
    d["w"], d["visit"] = rng.uniform(0.5, 2, len(d)), d.v.map("v{}".format)
    return d.sample(frac=0.85, random_state=3)


def unstructured(t, v):
    S = np.zeros((4, 4), dtype=t.dtype)
    S[np.tril_indices(4)] = t[:10]
    return (S + S.T - np.diag(np.diag(S)))[np.ix_(v, v)]


def compound(t, v):
    return t[0] * (t[1] + (1 - t[1]) * np.eye(len(v)))


def autoregressive(t, v):
    return t[0] * t[1] ** np.abs(np.subtract.outer(v, v))


#: Residuals, number of their parameters, the covariance of a patient's rows, further terms.
RESIDUALS = {
    "us": ("us(visit | id)", 10, unstructured, ""),
    "cs": ("homcs(1 | id)", 2, compound, ""),
    "ar1": ("ar1(v | id)", 2, autoregressive, ""),
    "ar1 and a clinic": ("ar1(v | id)", 2, autoregressive, " + (1 | clinic)"),
    "us and a clinic": ("us(visit | id)", 10, unstructured, " + (1 | clinic)"),
}


@pytest.fixture(scope="module", params=RESIDUALS)
def both(request, visits):
    """A fit, and dense inference, by expected and by observed information, at its estimates."""
    text, size, of_patient, terms = RESIDUALS[request.param]
    weights = "w" if request.param == "ar1" else None
    m = mm.lmm(f"y ~ arm * visit{terms}", visits, residual=text, reml=True, weights=weights)
    same = np.equal.outer(visits.id.to_numpy(), visits.id.to_numpy())
    together = np.equal.outer(visits.clinic.to_numpy(), visits.clinic.to_numpy())
    root = 1 / np.sqrt(visits.w.to_numpy()) if weights else np.ones(len(visits))

    def covariance(t):
        V = same * of_patient(t, visits.v.to_numpy()) * np.outer(root, root)
        return V + t[size] * together if terms else V

    S = m.sigma**2 * m.residual_side.at_rows(range(len(visits)))
    rows = [visits.v.to_numpy().tolist().index(k) for k in range(4)]
    if text.startswith("us"):
        whole = next(g for _, g in visits.reset_index().groupby("id") if len(g) == 4)
        rows = whole.sort_values("v").index.to_numpy()
        t = S[np.ix_(rows, rows)][np.tril_indices(4)]
    else:
        t = np.array([m.sigma**2, m.residual_side.parameters(m.residual_side.phi, 1)["rho"]])
    if terms:
        t = np.append(t, m.varcorr["clinic"].sd[0] ** 2)
    arguments = covariance, t, m.frame.X, visits.y.to_numpy()
    return m, {
        ddf: DenseInference(*arguments, observed=ddf != "kenward-roger") for ddf in TOLERANCES
    }


#: The observed information depends on the parameters that V has, but where the gradient vanishes,
#: which it does to what is left by a search.
TOLERANCES = {"kenward-roger": 1e-6, "kenward-roger-observed": 2e-5}
JOINT = np.eye(8)[[5, 6, 7]]  # arm:visit


def test_kenward_roger_against_the_paper(both):
    m, dense = both
    for ddf in TOLERANCES:
        rtol = TOLERANCES[ddf]
        found = m.contrast(np.eye(8), ddf=ddf).to_frame()
        assert_allclose(found["se"] ** 2, np.diag(dense[ddf].adjusted), rtol=rtol)
        assert_allclose(found["df"], [dense[ddf].kenward_roger(l)[1] for l in np.eye(8)], rtol=rtol)
        F, df = dense[ddf].f_test(JOINT)
        line = m.anova(ddf=ddf).to_frame().loc["arm:visit"]
        assert_allclose([line["F"], line["dendf"]], [F, df], rtol=rtol)


def test_satterthwaite_against_dense_formulas(both):
    m, dense = both
    found = m.contrast(np.eye(8), ddf="satterthwaite").to_frame()
    wanted = dense["kenward-roger-observed"]
    assert_allclose(found["se"] ** 2, np.diag(wanted.phi), rtol=1e-6)
    assert_allclose(found["df"], [wanted.satterthwaite(l) for l in np.eye(8)], rtol=2e-5)


def test_known_sigma_and_maximum_likelihood(visits):
    m = mm.lmm("y ~ arm * visit", visits, residual="ar1(v | id)", sigma=1.2)
    same = np.equal.outer(visits.id.to_numpy(), visits.id.to_numpy())
    rho = m.residual_side.parameters(m.residual_side.phi, 1)["rho"]

    def covariance(t):
        return 1.44 * same * t[0] ** np.abs(np.subtract.outer(*2 * [visits.v.to_numpy()]))

    X, y = m.frame.X, visits.y.to_numpy()
    dense = DenseInference(covariance, [rho], X, y, observed=True, reml=False)
    found = m.coef_table(ddf="satterthwaite").frame["df"]
    wanted = np.array([dense.satterthwaite(l) for l in np.eye(8)])
    assert_allclose(found, np.where(wanted > 1e10, np.inf, wanted), rtol=2e-5)


@pytest.mark.filterwarnings("ignore:the likelihood does not determine")
def test_redundant_terms_change_nothing(visits):
    """What a random intercept takes, the patients' matrix gives up: tests are the same."""
    alone = mm.lmm("y ~ arm * visit", visits, residual="us(visit | id)", reml=True)
    beside = mm.lmm("y ~ arm * visit + (1 | id)", visits, residual="us(visit | id)", reml=True)
    assert_allclose(beside.objective, alone.objective, atol=1e-6)
    for ddf in ("satterthwaite", "kenward-roger"):
        tables = [m.contrast(np.eye(8), ddf=ddf) for m in (alone, beside)]
        for column in ("se", "df"):
            one, other = (t.to_frame()[column] for t in tables)
            assert_allclose(other, one, rtol=2e-3)
        assert "Redundant terms: 1 of the covariance parameters has no effect" in str(tables[1])


def test_a_nugget_at_its_bound_is_known():
    """None is left: the tests are those of the model without it."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame(rng.uniform(0, 10, (60, 2)), columns=["e", "n"])
    d["a"] = rng.integers(0, 3, 60).astype(str)
    apart = np.hypot(*(np.subtract.outer(d[c].to_numpy(), d[c].to_numpy()) for c in "en"))
    d["y"] = np.linalg.cholesky(np.exp(-apart / 2)) @ rng.normal(size=60)
    alone = mm.lmm("y ~ a", d, residual="exp(e, n | 1)", reml=True)
    beside = mm.lmm("y ~ a", d, residual="exp(e, n | 1, nugget=True)", reml=True)
    assert_allclose(beside.objective, alone.objective, atol=1e-5)
    for ddf in ("satterthwaite", "kenward-roger", "kenward-roger-observed"):
        table, expected = beside.coef_table(ddf=ddf), alone.coef_table(ddf=ddf)
        assert_allclose(table.frame[["se", "df"]], expected.frame[["se", "df"]], rtol=1e-3)
        assert "At its bound, and taken as known: nugget." in str(table)
    shown = beside.residual_parameters()
    assert shown.frame.loc["nugget", ["se", "lower", "upper"]].isna().all()
    assert "At its bound: nugget." in str(shown)
    limits = beside.conf_int(which="random", method="wald")
    assert limits.loc["nugget|Residual"].isna().all() and limits.iloc[:2].notna().all(axis=None)
