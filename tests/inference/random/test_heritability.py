"""Heritability: the share, its standard error and intervals by other ways."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from oracles import HERE
from scipy.optimize import minimize
from scipy.special import chdtri

import numbamm as mm
from numbamm.optimize.differences import hessian

FOLDER = HERE / "reference" / "structures"


@cache
def animals():
    d = pd.read_csv(FOLDER / "sim_animal.csv")
    A = pd.read_csv(FOLDER / "sim_animal_A.csv", index_col=0)
    d = d.assign(animal2=d.animal, late=(d.y > d.y.median()).astype(int))
    formula = "y ~ sex + age + (1 | animal) + (1 | animal2)"
    return d, A, mm.lmm(formula, d, cov={"animal": A}, reml=True)


def share_at(theta):
    return theta[0] ** 2 / (theta @ theta + 1)


def test_the_share_and_its_error():
    _, _, m = animals()
    sds = m.varcorr["animal"].sd[0], m.varcorr["animal2"].sd[0], m.sigma
    found = m.heritability("animal").frame.loc["animal"]
    assert found["estimate"] == pytest.approx(sds[0] ** 2 / np.sum(np.square(sds)))
    H = hessian(m.objective_at, m.theta, np.full(2, 1e-3))
    h = 1e-6 * np.eye(2)
    slopes = [(share_at(m.theta + e) - share_at(m.theta - e)) / 2e-6 for e in h]
    error = np.sqrt(np.array(slopes) @ np.linalg.inv(H / 2) @ slopes)
    assert found["se"] == pytest.approx(error, rel=1e-4)
    x, half = np.log(found["estimate"] / (1 - found["estimate"])), 1.959964 * error
    half /= found["estimate"] * (1 - found["estimate"])
    limits = 1 / (1 + np.exp(-np.array([x - half, x + half])))
    np.testing.assert_allclose(found[["lower", "upper"]], limits, rtol=1e-4)


def test_profile_limits_are_where_the_deviance_has_risen():
    _, _, m = animals()
    for limit in m.heritability("animal", interval="profile").frame.loc["animal"].iloc[2:]:

        def deviance(other, limit=limit):
            own = np.sqrt(limit / (1 - limit) * (1 + other[0] ** 2))
            return m.objective_at([own, other[0]])

        least = minimize(deviance, [0.5], method="Nelder-Mead", tol=1e-10).fun
        assert least - m.objective == pytest.approx(chdtri(1, 0.05), abs=1e-3)


def test_what_is_in_the_denominator():
    _, _, m = animals()
    all_of_them = m.heritability("animal").frame["estimate"].item()
    without = m.heritability("animal", among=["Residual"]).frame["estimate"].item()
    assert without == pytest.approx(m.theta[0] ** 2 / (m.theta[0] ** 2 + 1)) and without > (
        all_of_them
    )
    assert "Share of animal + Residual" in str(m.heritability("animal", among="Residual"))


def test_generalized_models_are_on_the_latent_scale():
    d, A, _ = animals()
    g = mm.glmm("late ~ sex + (1 | animal)", d, "bernoulli", cov={"animal": A})
    v = g.varcorr["animal"].sd[0] ** 2
    found = g.heritability("animal").frame.loc["animal"]
    assert found["estimate"] == pytest.approx(v / (v + np.pi**2 / 3))
    assert found["lower"] < found["estimate"] < found["upper"]
    with pytest.raises(mm.OptionError, match="for linear models"):
        g.heritability("animal", interval="profile")


def test_at_the_boundary():
    m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"), reml=True)
    delta = m.heritability("Batch").frame.loc["Batch"]
    assert delta["estimate"] == 0 and np.isnan(delta["lower"])
    lower, upper = m.heritability("Batch", interval="profile").frame.loc["Batch"].iloc[2:]
    assert lower == 0 and 0.2 < upper < 0.5


def test_refusals():
    _, _, m = animals()
    for options, message in (
        ({"group": "anmal"}, "did you mean 'animal'"),
        ({"group": "animal", "among": ["x"]}, "among: 'x' is no variance component"),
        ({"group": "animal", "interval": "wald"}, "interval must be one of"),
    ):
        with pytest.raises(mm.OptionError, match=message):
            m.heritability(**options)
    slopes = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    assert 0 < slopes.heritability("Subject").frame["estimate"].item() < 1
    with pytest.raises(mm.OptionError, match="one effect a level"):
        slopes.heritability("Subject", interval="profile")
