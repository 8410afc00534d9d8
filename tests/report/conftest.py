"""Models with odd names, and all results of them."""

import pytest
from report.every_result import ODD, RESULTS, data

import numbamm as mm


@pytest.fixture(scope="session")
def linear():
    frame = data().rename(columns=ODD)
    x, g, f, y = (f"`{ODD[name]}`" for name in "xgfy")
    return mm.lmm(f"{y} ~ {x} + {f} + (1 + {x} | {g})", frame)


@pytest.fixture(scope="session")
def smaller(linear):
    x, g, f, y = (f"`{ODD[name]}`" for name in "xgfy")
    return mm.lmm(f"{y} ~ {x} + {f} + (1 | {g})", data().rename(columns=ODD))


@pytest.fixture(scope="session")
def counts():
    x, g = (f"`{ODD[name]}`" for name in "xg")
    return mm.glmm(f"n ~ {x} + (1 | {g})", data().rename(columns=ODD), "poisson")


@pytest.fixture(scope="session")
def results(linear, smaller, counts):
    return {name: make(linear, smaller, counts) for name, make in RESULTS.items()}
