"""The products along directions of V, against dense matrices of order n."""

import numpy as np
import oracles
import pytest
from scipy.linalg import block_diag

import numbamm as mm
from numbamm import memory
from numbamm.errors import DataError
from numbamm.inference.fixed import response_covariance
from numbamm.inference.fixed.kenward_roger import KenwardRoger
from numbamm.inference.fixed.response_covariance import directions_of

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def crossed_and_weighted():
    """Crossed factors, weights, and columns far from 0."""
    rng = np.random.default_rng(1)
    rows = oracles.dataset("sleepstudy")
    rows = rows.assign(
        w=rng.uniform(0.5, 2, len(rows)),
        g=rng.integers(0, 7, len(rows)).astype(str),
        year=rows["Days"] + 2000,
    )
    rows["Reaction"] += 30 * rng.normal(size=7)[rows["g"].astype(int)]
    formula = "Reaction ~ 1 + year + (1 + year | Subject) + (1 | g)"
    return mm.lmm(formula, rows, weights="w", reml=True)


@pytest.fixture(
    params=[
        (SLEEP, "sleepstudy", {"reml": True}),
        (SLEEP, "sleepstudy", {"reml": False}),
        (SLEEP, "sleepstudy", {"reml": True, "sigma": 25.0}),
        ("Reaction ~ 1 + Days + zerocorr(1 + Days | Subject)", "sleepstudy", {"reml": True}),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", {"reml": True}),
        ("strength ~ 1 + (1 | batch/cask)", "Pastes", {"reml": True}),
        ("score ~ 1 + Machine + (0 + Machine | Worker)", "Machines", {"reml": True}),
        crossed_and_weighted,
    ],
    ids=lambda p: getattr(p, "__name__", None) or f"{p[0]} {p[2]}",
)
def model(request, fitted):
    if callable(request.param):
        return request.param()
    formula, dataset, options = request.param
    return fitted(formula, dataset, **options)


def dense(model):
    """V, P, V⁻¹, X in the model's basis, and V's derivative along each direction."""
    n, sigma2 = model.nobs, model.sigma**2
    w = np.ones(n) if model.frame.weights is None else model.frame.weights
    terms = model.scaled.terms
    theta, at = model.scaled.to_scaled(model.theta), 0
    for term in terms:
        term.theta = theta[at : at + term.structure.size]
        at += term.structure.size
    Z = np.hstack([t.toarray() for t in terms])
    lam = block_diag(*(np.kron(np.eye(t.nlevels), t.lambda_) for t in terms))
    V = sigma2 * (np.diag(1 / w) + Z @ lam @ lam.T @ Z.T)
    slopes = [] if model.estimates.sigma_given else [V]
    for term in terms:
        for row, column in zip(*np.divmod(term.structure.entries, term.p), strict=True):
            E = np.zeros((term.p, term.p))
            E[row, column] = E[column, row] = 1.0
            D = block_diag(
                *(np.kron(np.eye(t.nlevels), E if t is term else 0 * t.lambda_) for t in terms)
            )
            slopes.append(sigma2 * Z @ D @ Z.T)
    Vi = np.linalg.inv(V)
    X = model.feterm.basis / np.sqrt(w)[:, None]
    P = Vi - Vi @ X @ np.linalg.solve(X.T @ Vi @ X, X.T @ Vi)
    return Vi, P, X, slopes


def test_products(model):
    found = directions_of(model)
    Vi, P, X, slopes = dense(model)
    slopes = np.tensordot(found.combinations.T, np.array(slopes), 1)
    y = model.frame.y

    def each(product):
        return np.array([[product(a, b) for b in slopes] for a in slopes])

    expected = {
        "phi": np.linalg.inv(X.T @ Vi @ X),
        "P": np.array([X.T @ Vi @ a @ Vi @ X for a in slopes]),
        "Q": each(lambda a, b: X.T @ Vi @ a @ Vi @ b @ Vi @ X),
        "traces": each(lambda a, b: np.trace(Vi @ a @ Vi @ b)),
        "reml_traces": each(lambda a, b: np.trace(P @ a @ P @ b)),
        "squares": each(lambda a, b: y @ P @ a @ P @ b @ P @ y),
    }
    for name, value in expected.items():
        size = np.abs(value).max()
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-8 * size, rtol=0)
    assert found.redundant == 0
    np.testing.assert_allclose(
        found.coordinates @ found.combinations, np.eye(len(slopes)), atol=1e-8
    )


@pytest.mark.parametrize("reml", [True, False])
def test_hessian_is_that_of_the_objective(fitted, reml):
    """In θ, with σ profiled out of it, against differences of the objective itself."""
    model = fitted(SLEEP, "sleepstudy", reml=reml)
    found = directions_of(model)
    a, b, c = model.theta
    moves = np.array([[2 * a, 0, 0], [b, a, 0], [0, 2 * b, 2 * c]])  # of Γ's entries, with θ
    turn = found.coordinates @ block_diag(1.0, moves)
    H = turn.T @ found.observed @ turn  # in log σ² and θ
    profiled = H[1:, 1:] - np.outer(H[1:, 0], H[0, 1:]) / H[0, 0]
    step, theta = 2e-4, model.theta
    f = model.objective_at
    for i, up in enumerate(step * np.eye(3)):
        for j, by in enumerate(step * np.eye(3)):
            corners = f(theta + up + by) - f(theta + up - by) - f(theta - up + by)
            second = (corners + f(theta - up - by)) / (4 * step**2)
            assert profiled[i, j] == pytest.approx(second, rel=2e-3, abs=0.1)


def test_components_batch_by_batch(fitted, monkeypatch):
    model = fitted("strength ~ 1 + (1 | batch/cask)", "Pastes", reml=True)
    whole = KenwardRoger(model)
    monkeypatch.setattr(response_covariance, "BATCH", 1)
    single = KenwardRoger(model)
    np.testing.assert_allclose(single.df(np.eye(1)), whole.df(np.eye(1)), rtol=1e-10)
    np.testing.assert_allclose(single.vcov, whole.vcov, rtol=1e-10)


def test_unequal_components():
    """Groups with different numbers of levels come in batches of their own."""
    rows = oracles.dataset("Pastes").query("cask != 'b' or batch in ['A', 'C']")
    model = mm.lmm("strength ~ 1 + (1 | batch/cask)", rows, reml=True)
    _, P, _, slopes = dense(model)
    found = directions_of(model)
    slopes = np.tensordot(found.combinations.T, np.array(slopes), 1)
    expected = [[np.trace(P @ a @ P @ b) for b in slopes] for a in slopes]
    np.testing.assert_allclose(found.reml_traces, expected, atol=1e-8)


def test_redundant_random_effects():
    """A variance by machine and worker is part of any covariance of the machines' effects."""
    formula = "score ~ Machine + (0 + Machine | Worker)"
    rows = oracles.dataset("Machines")
    plain = mm.lmm(formula, rows, reml=True)
    redundant = mm.LinearMixedModel(formula + " + (1 | Worker:Machine)", rows, reml=True)
    # the same V: of each machine's variance some is told by the other term
    scale = plain.varcorr["Worker"].cov / plain.sigma**2 - 0.5 * np.eye(3)
    theta = np.linalg.cholesky(scale).T[np.triu_indices(3)]
    assert [t.group for t in redundant.reterms] == ["Worker", "Worker:Machine"]
    theta = np.append(theta, np.sqrt(0.5))
    redundant._estimates = redundant._estimate(theta, redundant.objective_at(theta))
    assert redundant.objective == pytest.approx(plain.objective, abs=1e-6)
    assert directions_of(redundant).redundant == 1
    for ddf in ("satterthwaite", "kenward-roger", "kenward-roger-observed"):
        one, other = (m.coef_table(ddf=ddf) for m in (plain, redundant))
        np.testing.assert_allclose(other.frame["se"], one.frame["se"], rtol=1e-4)
        np.testing.assert_allclose(other.frame["df"], one.frame["df"], rtol=1e-3)
        assert "Redundant random effects: 1 of" in repr(other)


def test_too_large(monkeypatch):
    rng = np.random.default_rng(4)
    crossed = {
        "y": rng.normal(size=9000),
        "g": np.arange(9000) % 4500,
        "h": rng.permutation(9000) // 2,
    }
    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", {**crossed, "h": crossed["g"]})
    terms = [model.reterms[0], mm.LinearMixedModel("y ~ 1 + (1 | h)", crossed).reterms[0]]
    monkeypatch.setattr(memory, "available", lambda: 1e9)
    with pytest.raises(DataError, match='rows connect [0-9]{4} random .* ddf="wald"'):
        next(response_covariance._components(terms, None))
