"""The fits of the bootstrap: those of `refit`, whatever fits them, and fits that fail."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.resampling.replicates import stream


def weighted(reml=False, sigma=None):
    """Weights, an offset, unbalanced crossed factors and a column far from zero."""
    rng = np.random.default_rng(5)
    n = 240
    g, h, x = rng.integers(0, 20, n), rng.integers(0, 5, n), rng.normal(2000, 10, n)
    w, o = rng.uniform(0.5, 3, n), rng.normal(size=n)
    u, v = rng.normal(size=(20, 2)), rng.normal(size=5)
    y = 3 + 0.02 * x + u[g, 0] + 0.1 * u[g, 1] * (x - 2000) + v[h] + o + rng.normal(size=n) / w**0.5
    data = {"y": y, "x": x, "g": g, "h": h, "w": w, "o": o}
    formula = "y ~ 1 + x + (1 + x | g) + (1 | h)"
    return mm.lmm(formula, data, weights="w", offset="o", reml=reml, sigma=sigma)


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"sigma": 1.1}])
def test_compiled_fits_are_those_of_refit(options):
    """To the response of the same random numbers, which `refit` is given."""
    model = weighted(**options)
    b = model.bootstrap(4, seed=3)
    terms, order = model.reterms, model.blocks.layout.order
    for i in range(4):
        noise = stream(b.key, i).standard_normal(sum(t.nranef for t in terms) + model.nobs)
        eta, at = model.predict(random=False).to_numpy(), 0
        inside = b.names.components.joint.matrices(model.scaled.to_scaled(model.theta))
        for k in order:
            term, p = model.scaled.terms[k], terms[k].p
            u = noise[at : at + term.nlevels * p].reshape(term.nlevels, p)
            at += u.size
            eta = eta + model.sigma * np.einsum("pn,np->n", term.z, (u @ inside[k].T)[term.refs])
        y = eta + model.sigma * noise[at:] / np.sqrt(model.frame.weights)
        twin = weighted(**options).refit(y, optimizer="newton")
        assert_allclose(b.values[i, 0], twin.objective, atol=1e-6)
        line = b.names.row_of(twin)
        scale = np.abs(line) + 1e-3
        assert (np.abs(b.values[i] - line) < 1e-3 * scale).all()
        sd = b.frame.filter(regex="^sd_").loc[i]
        own = np.concatenate([t.sd for t in twin.varcorr.terms])
        assert_allclose(sd, own, rtol=2e-3, atol=1e-3)


def test_a_generalized_model_and_its_workers(counts):
    one, two = counts.bootstrap(6, seed=1), counts.bootstrap(6, seed=1, workers=2)
    assert one.frame.equals(two.frame)
    assert "sigma" not in one.frame and "shape" not in one.frame
    y = counts.frame.y.copy()
    twin = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": counts.reterms[0].refs}, "poisson")
    twin.refit(counts.simulate(stream(one.key, 5)))
    assert_allclose(one.frame.loc[5, "objective"], twin.objective)
    assert_allclose(counts.frame.y, y)


def test_the_shape_of_a_negative_binomial():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 8)
    mu = np.exp(1 + 0.6 * rng.normal(size=12)[g])
    data = {"y": rng.negative_binomial(2.0, 2.0 / (2.0 + mu)).astype(float), "g": g}
    model, twin = (mm.glmm("y ~ 1 + (1 | g)", data, "negativebinomial") for _ in range(2))
    b = model.bootstrap(12, seed=1)
    assert list(b.frame.columns[:2]) == ["objective", "shape"]
    assert b.estimates["shape"] == model.shape
    twin.refit(model.simulate(stream(b.key, 11)))
    assert_allclose(b.frame.loc[11, "shape"], twin.shape, rtol=1e-5)
    low, high = b.conf_int().loc["shape"]
    assert 0 < low < model.shape < high


def test_failed_replicates_are_kept_apart(monkeypatch):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(6), 5)
    y = rng.poisson(2.0, 30).astype(float)
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson", fast=True)
    refit = type(model).refit
    calls = iter(range(10))

    def failing(self, *args, **options):
        if next(calls) == 2:
            raise mm.FitError("no way down")
        return refit(self, *args, **options)

    monkeypatch.setattr(type(model), "refit", failing)
    b = model.bootstrap(5, seed=1)
    assert b.failed == {2: "no way down"}
    assert (b.n, b.n_failed) == (5, 1)
    assert b.frame.index.tolist() == [0, 1, 3, 4]
    assert "1 failed" in str(b)


def test_a_given_sigma_is_no_estimate():
    b = weighted(sigma=1.1).bootstrap(10, seed=1)
    assert (b.frame["sigma"] == 1.1).all()
    assert "sigma" not in b.conf_int().index
