"""Models whose plots are compared with their numbers, fitted once a session, for all rooms."""

import sys

import numpy as np
import pytest
from drawn import odd_rows

import numbamm as mm


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def sleep(fitted):
    return fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")


@pytest.fixture(scope="session")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmm(formula, mm.datasets.load("cbpp"), "binomial")


@pytest.fixture(scope="session")
def verbagg():
    data = mm.datasets.load("VerbAgg")[::3]
    return mm.glmm(
        "r2 ~ Anger * Gender + btype + (1 | id) + (1 + Gender | item)", data, "bernoulli"
    )


@pytest.fixture(scope="session")
def odd():
    formula = "`$y$ (µV)` ~ `x y %` * `$f_1$` + (1 + `x y %` | `_g$`)"
    return mm.lmm(formula, odd_rows(), weights="w", offset="o")


@pytest.fixture(scope="session")
def odd_log():
    """A transformed response, columns that depend on others, and no variance between groups."""
    data = odd_rows()
    rng = np.random.default_rng(1)
    data["size"] = np.exp(1 + 0.3 * data["x y %"].fillna(0) + 0.2 * rng.normal(size=len(data)))
    data["twice"] = 2 * data["x y %"]
    return mm.lmm("log(size) ~ `x y %` + twice + `$f_1$` + (1 | `_g$`)", data)


@pytest.fixture(scope="session")
def bare():
    """Two groups of unequal size, and no covariate."""
    y = np.random.default_rng(3).normal(size=9)
    return mm.lmm("y ~ 1 + (1 | g)", {"y": y + 4, "g": ["b"] * 7 + ["a"] * 2})
