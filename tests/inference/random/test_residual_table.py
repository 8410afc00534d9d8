"""Estimates of residual parameters with standard errors, against dense curvature."""

import numpy as np
import pandas as pd
import pytest
from models.residual_side.residual_oracles import fitted
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


def test_standard_errors_by_the_curvature_of_a_dense_criterion():
    """REML, compound symmetry: σ² and σ²ρ determine V."""
    m = mm.lmm("distance ~ age", _ortho(), residual="homcs(1 | Subject)", reml=True)
    d = _ortho()
    same = np.equal.outer(d.Subject.astype(str).to_numpy(), d.Subject.astype(str).to_numpy())
    X, y = m.frame.X, m.frame.y

    def criterion(sigma, rho):
        V = sigma**2 * np.where(same, rho + (1 - rho) * np.eye(len(d)), 0.0)
        inverse = np.linalg.inv(V)
        information = X.T @ inverse @ X
        r = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
        return np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + r @ inverse @ r

    table = m.residual_parameters().frame
    at = table["estimate"].to_numpy()
    assert_allclose(table["se"], _by_curvature(criterion, at, [1e-3, 1e-4]), rtol=1e-3)
    assert (table["lower"] < table["estimate"]).all() and (table["upper"] < [np.inf, 1]).all()


def _by_curvature(criterion, at, steps) -> np.ndarray:
    """Standard errors by differences of -2 log-likelihood."""
    h = np.diag(steps)
    H = np.empty(h.shape)
    for i, a in enumerate(h):
        for j, b in enumerate(h):
            cross = criterion(*(at + a + b)) - criterion(*(at + a - b))
            cross -= criterion(*(at - a + b)) - criterion(*(at - a - b))
            H[i, j] = cross / (4 * steps[i] * steps[j])
    return np.sqrt(np.diag(2 * np.linalg.inv(H)))


def _series(seed: int) -> pd.DataFrame:
    """Few rows, which hardly tell a rate from an effect of the group."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(9), [1, 2, 3, 3, 4, 4, 5, 5, 6]))
    d = pd.DataFrame({"id": ids, "t": rng.uniform(0, 9, len(ids))})
    d["y"] = rng.normal(size=9)[d.id] + rng.normal(size=len(d))
    return d


@pytest.mark.parametrize("seed", [9, 15])
def test_standard_errors_where_the_likelihood_is_flat(seed):
    d = _series(seed)
    m = mm.lmm("y ~ 1 + (1 | id)", d, residual="ou(t | id)", reml=False)
    same = np.equal.outer(d.id.to_numpy(), d.id.to_numpy())
    distance = np.abs(np.subtract.outer(d.t.to_numpy(), d.t.to_numpy()))

    def criterion(log_sigma, log_rate, log_sd):
        C = np.exp(2 * log_sigma - np.exp(log_rate) * distance) + np.exp(2 * log_sd)
        inverse = np.linalg.inv(np.where(same, C, 0.0))
        r = d.y - inverse.sum(axis=0) @ d.y / inverse.sum()
        return r @ inverse @ r - np.linalg.slogdet(inverse)[1]

    table = m.residual_parameters().frame
    at = np.log([*table["estimate"], m.varcorr["id"].sd[0]])
    found = _by_curvature(criterion, at, [1e-3] * 3)[:2]
    assert found[1] > 1.5
    assert_allclose(table["se"] / table["estimate"], found, rtol=1e-3)


@pytest.mark.parametrize("seed", [14, 22])
def test_rates_without_end_have_no_standard_error(seed):
    m = mm.lmm("y ~ 1 + (1 | id)", _series(seed), residual="ou(t | id)", reml=False)
    table = m.residual_parameters()
    assert table.frame["se"].isna().tolist() == [False, True]
    assert "The data hardly determine rate" in str(table)
    assert m.conf_int(which="random").loc["rate|Residual"].isna().all()
    lower, upper = m.conf_int(which="random", method="profile").loc["rate|Residual"]
    assert 0 < lower < table.frame.loc["rate", "estimate"] and np.isnan(upper)


@pytest.mark.parametrize(("origin", "unit"), [(12.0, 1.0), (-700.0, 1.0), (2020.0, 0.3)])
def test_interactions_of_dispersions_do_not_depend_on_the_origin(origin, unit):
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": rng.integers(0, 9, 70), "x": rng.uniform(0, 3, 70)})
    d["arm"] = np.where(rng.random(70) < 0.3, "à b", "c")
    d["y"] = rng.normal(size=9)[d.g] + np.exp(0.2 * d.x) * rng.normal(size=70)
    tables = [
        mm.lmm("y ~ arm + (1 | g)", data, dispersion="~ x * arm").residual_parameters().frame
        for data in (d, d.assign(x=origin + unit * d.x))
    ]
    slopes = ["dispersion.x", "dispersion.x:arm[T.à b]"]
    here, there = (table.loc[slopes, ["estimate", "se"]] for table in tables)
    assert_allclose(there * unit, here, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("origin", [-35.0, 40.0])
def test_effects_are_no_less_where_no_row_has_the_standard_deviation_sigma(origin):
    d = _series(9).assign(f=lambda d: np.where(d.id % 2, "p", "q"))
    for dispersion in ("~ t * f", "exp(t)"):
        here, there = (
            mm.lmm("y ~ 1 + (1 | id)", data, dispersion=dispersion)
            for data in (d, d.assign(t=d.t + origin))
        )
        assert not here.is_singular() and not there.is_singular()
        assert_allclose(there.varcorr["id"].sd, here.varcorr["id"].sd, rtol=1e-3)
        assert not there.bootstrap(3, seed=2).singular.all()
        printed = [float(str(m.varcorr).split()[9]) for m in (here, there)]
        assert_allclose(*printed, rtol=1e-3)


def _ortho():
    rng = np.random.default_rng(5)
    import pandas as pd

    d = pd.DataFrame([(f"s{i}", a) for i in range(14) for a in (8, 10, 12)])
    d.columns = ["Subject", "age"]
    return d.assign(distance=np.repeat(rng.normal(size=14), 3) + 0.3 * d.age + rng.normal(size=42))


def test_visits_and_what_has_no_structure():
    table = fitted("trial_ar1h_reml").residual_parameters()
    assert [*table.frame.index] == [*(f"sd_V{k}" for k in range(1, 6)), "rho"]
    assert "Residuals: hetar1(visit | id)" in str(table)
    sleep = mm.datasets.load("sleepstudy")
    with pytest.raises(OptionError, match='write residual="ar1'):
        mm.lmm("Reaction ~ Days + (1 | Subject)", sleep).residual_parameters()
