"""Families of the users' own with several parameters and second predictors."""

import math
import pickle

import numpy as np
import pytest

import numbamm as mm


def poisson(y, mu):
    return y * math.log(mu) - mu - math.lgamma(y + 1)


def test_zeros_beside_a_density_of_counts():
    rng = np.random.default_rng(3)
    g = rng.integers(0, 12, 200)
    y = rng.poisson(np.exp(0.8 + 0.3 * rng.normal(size=12)[g])) * (rng.uniform(size=200) > 0.3)
    data = {"y": y.astype(float), "g": g.astype(str)}
    family = mm.Family("own_p", logpdf=poisson, link="log", counts=True, discrete=True)
    own = mm.glmm("y ~ 1 + (1 | g)", data, family, zi="~ 1")
    ours = mm.glmm("y ~ 1 + (1 | g)", data, "poisson", zi="~ 1")
    assert own.objective == pytest.approx(ours.objective, abs=1e-7)
    assert pickle.loads(pickle.dumps(ours)).predict(type="zprob").iloc[0] == pytest.approx(
        ours.parts["value"].iloc[0]
    )
