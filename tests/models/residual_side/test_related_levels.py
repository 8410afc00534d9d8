"""Known covariances between levels beside structures of residuals, against dense matrices."""

import numpy as np
import pandas as pd
import pytest
from dense_relations import data_of, marginal, relationship
from inference.fixed.dense_inference import DenseInference
from models.residual_side.dense_prediction import kriged
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.design import related_levels

RNG = np.random.default_rng(5)
LABELS = [f"é{k}" for k in range(12)]
K = pd.DataFrame(relationship(12, RNG), index=LABELS, columns=LABELS)
D = data_of(K.to_numpy(), LABELS, RNG, n=70).sample(frac=1, random_state=1)
D = D[D.g != LABELS[3]].reset_index(drop=True)  # a level without rows
D["t"], D["arm"] = D.groupby("g").cumcount(), np.where(D.x > 0, "a", "b")
D["east"], D["item"] = RNG.uniform(size=len(D)), D.h
#: A singular one: two levels are clones.
ORDER = [0, 0, *range(2, 12)]
CLONES = pd.DataFrame(K.to_numpy()[np.ix_(ORDER, ORDER)], index=LABELS, columns=LABELS)
CASES = {
    "ar1": ("y ~ x + (1 | g) + (1 | h)", {"residual": "ar1(t | g)", "cov": {"g": K}}),
    "slopes": ("y ~ x + (1 + x | g)", {"residual": "ou(t | g)", "cov": {"g": K}}),
    "crossed": ("y ~ x + (1 | g)", {"residual": "homcs(1 | h)", "cov": {"g": K}}),
    "strata": ("y ~ x + (1 | g) + (1 | h)", {"dispersion": "~ arm", "cov": {"g": CLONES}}),
    "precision": (
        "y ~ x + (1 | g)",
        {
            "residual": "mat(t, east | 1, nugget=True)",
            "precision": {"g": (np.linalg.inv(K), LABELS)},
        },
    ),
}


@pytest.fixture(scope="module", params=CASES)
def model(request):
    formula, options = CASES[request.param]
    return mm.lmm(formula, D, reml=True, weights="w", **options)


def covariance(m):
    """V of the rows."""
    side, n = m.residual_side, len(D)
    w = m.frame.weights
    R = side.at_rows(np.arange(n)) - np.diag(1 / w)
    return m.sigma**2 * R + marginal(m, m.theta, m.sigma**2)


def test_criterion_and_estimates(model):
    V, X, y = covariance(model), model.frame.X, model.frame.y
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    r = y - X @ beta
    expected = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + r @ inverse @ r
    expected += (len(y) - 2) * np.log(2 * np.pi)
    assert_allclose(model.objective, expected, atol=1e-8)
    assert_allclose(model.params, beta, atol=1e-8)
    assert_allclose(model.bse, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-8)
    for term, b, C in zip(model.reterms, model.b, _variances(model), strict=True):
        lam = term.structure.matrix(term.theta)
        levels = np.eye(term.nlevels) if term.relation is None else term.relation.covariance
        Z = np.zeros((len(y), term.nlevels, term.p))
        Z[np.arange(len(y)), term.refs] = term.z.T
        Z = Z.reshape(len(y), -1)
        G = model.sigma**2 * np.kron(levels, lam @ lam.T)
        assert_allclose(b.ravel(), G @ Z.T @ inverse @ r, atol=1e-8)
        rest = (G - G @ Z.T @ inverse @ Z @ G).reshape(2 * b.shape)
        for k in range(term.nlevels):
            assert_allclose(C[k], rest[k, :, k], atol=1e-8)


def _variances(m):
    found = m.condvar()
    return [found[t.group].to_numpy().reshape(t.nlevels, t.p, t.p) for t in m.reterms]


def test_gradient(model):
    x = model.x + 0.05
    value, gradient = model.objective_gradient(x)
    assert_allclose(model.objective_at(x), value, rtol=1e-12)
    steps = 1e-5 * np.eye(len(x))
    expected = [(model.objective_at(x + h) - model.objective_at(x - h)) / 2e-5 for h in steps]
    assert_allclose(gradient, expected, atol=1e-6 * max(1.0, np.abs(gradient).max()))


def test_predictions(model):
    new = D.sample(12, random_state=2).assign(x=0.3)
    new["t"] = np.arange(12) + 20
    found = model.predict(new, se=True, interval="prediction")
    mean, error, observation = kriged(model, D, new, weights="w")
    assert_allclose(found["prediction"], mean, atol=1e-8)
    assert_allclose(found["se"] ** 2, error, atol=1e-8)
    half = (found["upper"] - found["lower"]) / 2 / 1.959963984540054
    assert_allclose(half**2, observation, atol=1e-8)


def test_too_many_levels_are_refused(monkeypatch):
    monkeypatch.setattr(related_levels, "MOST_BESIDE", 11)
    monkeypatch.setattr(related_levels, "MOST_WHITENED_BESIDE", 20)
    for name, words in {"ar1": "at most 11 effects", "slopes": "20 .* with slopes.*are 24"}.items():
        formula, options = CASES[name]
        with pytest.raises(mm.errors.DataError, match=f"beside residual and dispersion.*{words}"):
            mm.lmm(formula, D, **options)


def test_degrees_of_freedom():
    formula, options = CASES["ar1"]
    m = mm.lmm(formula, D, reml=True, **options)
    same = {c: np.equal.outer(D[c].to_numpy(), D[c].to_numpy()) for c in "gh"}
    related = K.loc[D.g, D.g].to_numpy()
    lags = np.abs(np.subtract.outer(D.t.to_numpy(), D.t.to_numpy()))

    def V(t):
        return t[0] * same["g"] * t[1] ** lags + t[2] * related + t[3] * same["h"]

    rho = m.residual_side.parameters(m.residual_side.phi, 1)["rho"]
    t = [m.sigma**2, rho, m.varcorr["g"].sd[0] ** 2, m.varcorr["h"].sd[0] ** 2]
    for ddf, observed in (("kenward-roger", False), ("satterthwaite", True)):
        dense = DenseInference(V, t, m.frame.X, m.frame.y, observed=observed)
        found = m.contrast(np.eye(2), ddf=ddf).to_frame()["df"]
        lines = np.eye(2)
        by = dense.kenward_roger if ddf == "kenward-roger" else None
        wanted = [by(l)[1] if by else dense.satterthwaite(l) for l in lines]
        assert_allclose(found, wanted, rtol=2e-5)
