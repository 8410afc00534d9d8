"""Models and replicates that the tests of resampling share."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="session")
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy")


@pytest.fixture(scope="session")
def replicates(sleep):
    return sleep.bootstrap(1000, seed=1, workers=2)


@pytest.fixture(scope="session")
def counts():
    """A Poisson model of counts in groups."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 8)
    y = rng.poisson(np.exp(0.5 + 0.6 * rng.normal(size=12)[g])).astype(float)
    return mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson")


@pytest.fixture(scope="session")
def design():
    """Every subject sees every item, in one of two conditions."""
    subject, item = (a.ravel() for a in np.meshgrid(np.arange(20), np.arange(12), indexing="ij"))
    condition = np.where((subject + item) % 2, "b", "a")
    return pd.DataFrame({"subject": subject, "item": item, "condition": condition})
