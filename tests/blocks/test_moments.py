"""Starts by moments, against the equations in plain matrices."""

import numpy as np
import pandas as pd
import pytest
from blocks.dense import rows, structures

import numbamm as mm
from numbamm.blocks.moments import covariances, moment_theta
from numbamm.blocks.tail.dense_tail import DenseTail


def design(term):
    Z = np.zeros((len(term.refs), term.nlevels * term.p))
    for c in range(term.p):
        Z[np.arange(len(Z)), term.refs * term.p + c] = term.z[c]
    return Z


@pytest.mark.parametrize("name", structures())
def test_moments_are_met(name):
    """Expectations equal what was seen."""
    terms = structures()[name]
    rng = np.random.default_rng(3)
    X = rows()[:, :-1]
    y = X.sum(axis=1) + rng.normal(size=len(X))
    for term in terms:
        effects = rng.normal(size=(term.nlevels, term.p))
        y = y + np.einsum("pn,np->n", term.z, effects[term.refs])
    blocks = DenseTail(terms, np.column_stack([X, y]))
    variance, covs, sizes = covariances(terms, blocks.layout, blocks.A)
    r = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    Z = [design(term) for term in terms]
    V = variance * np.eye(len(y))
    for term, z, cov in zip(terms, Z, covs, strict=True):
        V += z @ np.kron(np.eye(term.nlevels), cov) @ z.T
    assert np.trace(V) == pytest.approx(r @ r)
    for term, z, size in zip(terms, Z, sizes, strict=True):
        seen = (z.T @ r).reshape(-1, term.p)
        every = (z.T @ V @ z).reshape(term.nlevels, term.p, term.nlevels, term.p)
        free = np.divmod(term.structure.entries, term.p)
        expected = np.einsum("jajb->ab", every)[free]
        np.testing.assert_allclose((seen.T @ seen)[free], expected, rtol=1e-7)
        np.testing.assert_allclose(size, np.sqrt((term.z**2).mean(axis=1)))
    definite = all(np.linalg.eigvalsh(cov)[0] > 0 for cov in covs)
    theta = moment_theta(terms, blocks.layout, blocks.A, 0.0)
    assert np.isfinite(theta).all() if definite else theta is None or np.isfinite(theta).all()


def test_a_balanced_design_begins_at_its_optimum():
    for formula, data in (
        ("Yield ~ 1 + (1 | Batch)", "Dyestuff"),
        ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    ):
        model = mm.lmm(formula, mm.datasets.load(data), optimizer="newton")
        assert model.optsum.finitial == pytest.approx(model.objective, abs=1e-6)
        assert model.optsum.feval <= 2


def test_users_choose_where_it_begins():
    data = mm.datasets.load("sleepstudy")
    model = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", data, optimizer="newton")
    model.optsum.initial = [0.5, 0.1, 0.5]
    assert list(model.fit().optsum.initial) == [0.5, 0.1, 0.5]
    model = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", data, optimizer="newton")
    model.optsum.initial[0] = 0.5
    assert list(model.fit().optsum.initial) == [0.5, 0.0, 1.0]
    usual = mm.lmm("Reaction ~ Days + (Days | Subject)", data, optimizer="newton")
    again = usual.refit(optimizer="nlopt:LN_BOBYQA")
    assert list(again.optsum.initial) == [1.0, 0.0, 1.0] and again.optsum.feval == 57


def test_no_spread_is_no_trouble():
    data = mm.datasets.load("Dyestuff2")
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", data, optimizer="newton")
    assert model.theta[0] == 0.0 and model.optsum.initial[0] > 0


def confounded(seed):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=120), "g": np.arange(120) % 10})
    rng.normal(size=120)
    data["h"] = np.where(np.arange(120) < 2, 999, data["g"])
    data["y"] = rng.normal(size=10)[data["g"]] + rng.normal(size=120) + data["x"]
    return data


@pytest.mark.parametrize("seed", [1, 4])
def test_moments_do_not_choose_between_confounded_terms(seed):
    """The likelihood has two optima, and the moments would begin beside the worse one."""
    data, formula = confounded(seed), "y ~ x + (1 | g) + (1 | h)"
    model = mm.lmm(formula, data, optimizer="newton")
    assert model.objective < mm.lmm(formula, data, optimizer="nlopt:LN_BOBYQA").objective + 1e-6
    blocks = model.blocks
    assert moment_theta(model.reterms, blocks.layout, blocks.A, 0.0) is None


def test_moments_do_not_tell_collinear_columns_apart():
    data = confounded(1)
    data["x2"] = data["x"] * (1 + 1e-9 * np.cos(np.arange(120.0)))
    model = mm.lmm("y ~ x + (1 + x + x2 | g)", data, optimizer="newton")
    blocks = model.blocks
    assert moment_theta(model.reterms, blocks.layout, blocks.A, 0.0) is None
