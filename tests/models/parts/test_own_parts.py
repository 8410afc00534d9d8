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


def student(y, mu, scale, df):
    z = (y - mu) / scale
    size = math.lgamma(0.5 * (df + 1)) - math.lgamma(0.5 * df) - 0.5 * math.log(math.pi * df)
    return size - math.log(scale) - 0.5 * (df + 1) * math.log1p(z * z / df)


def test_a_heavy_tail_of_ones_own_is_found_though_none_is_seen_without_random_effects():
    """Searches without random effects end at the normal limit, where nothing moves any more."""
    sleep = mm.datasets.load("sleepstudy")
    family = mm.Family("own_t", logpdf=student, link="identity")
    model = mm.glmm("Reaction ~ Days + (1 | Subject)", sleep, family)
    assert model.objective == pytest.approx(1782.58137, abs=1e-5)
    assert model.parts["value"].iloc[1] == pytest.approx(4.539, abs=1e-3)
