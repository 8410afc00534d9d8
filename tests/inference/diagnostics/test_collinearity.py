"""`check_collinearity`: Belsley, Kuh and Welsch's indices and shares."""

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm


def test_condition_indices_are_belsleys():
    """With hardly any random effects: by the singular values of X with columns of length one."""
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"a": rng.standard_normal(200), "g": np.arange(200) % 10})
    rows["b"] = rows["a"] + 0.05 * rng.standard_normal(200)
    rows["c"] = rng.standard_normal(200) + 3
    rows["y"] = rows["a"] + rng.standard_normal(200)
    model = mm.LinearMixedModel("y ~ a + b + c + (1 | g)", rows)
    model._estimates = model._estimate(np.zeros(1), model.objective_at(np.zeros(1)))
    found = model.check_collinearity()
    X = model.frame.X / np.linalg.norm(model.frame.X, axis=0)
    _, s, V = np.linalg.svd(X)
    np.testing.assert_allclose(found.frame["index"], s[0] / s)
    shares = (V / s[:, None]) ** 2
    np.testing.assert_allclose(found.proportions, shares / shares.sum(axis=0))
    said = found.frame["coefficients"].iloc[-1]
    assert "a (1.00)" in said and "b (1.00)" in said and "c (" not in said
    assert "A severe dependency" in repr(found)


def test_collinearity_of_generalized_and_deficient_models(binomial):
    assert "No sign of collinearity" in repr(binomial.check_collinearity())
    rows = oracles.dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", rows)
    assert "which have no coefficient: twice." in repr(model.check_collinearity())


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1e-2), (1e9, 1.0)])
def test_collinearity_beside_covariates_far_from_zero(shift, scale):
    """The condition index is about twice the distance from zero over the spread."""
    rows = oracles.dataset("sleepstudy").assign(x=lambda d: shift + scale * d["Days"])
    found = mm.lmm("Reaction ~ x + (1 | Subject)", rows).check_collinearity()
    x = np.column_stack([np.ones(len(rows)), rows["x"]])
    x -= np.array([0, shift])
    cosine = (shift + x[:, 1].mean()) / np.sqrt(np.mean((shift + x[:, 1]) ** 2))
    sine2 = x[:, 1].var() / np.mean((shift + x[:, 1]) ** 2)
    expected = (1 + cosine) / np.sqrt(sine2)  # √((1 + c)/(1 - c)), 1 - c² = s²
    assert found.to_frame()["index"].iloc[-1] == pytest.approx(expected, rel=1e-4)
    assert "A severe dependency" in repr(found) and "those of X alone" in repr(found)
