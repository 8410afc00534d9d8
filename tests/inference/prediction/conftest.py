"""Models that the tests of predictions share."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="session")
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy", reml=True)


@pytest.fixture(scope="session")
def crossed():
    """Terms that cross and nest, weights, and a column that is scaled inside."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"a": rng.integers(0, 12, 300), "b": rng.integers(0, 7, 300)})
    data["c"] = data["a"] // 3
    data["x"] = 60 + 30 * rng.normal(size=300)
    data["w"] = rng.uniform(0.5, 2, 300)
    slopes = rng.normal(size=12)[data["a"]] * (data["x"] / 30 - 2)
    data["y"] = rng.normal(size=4)[data["c"]] + rng.normal(size=7)[data["b"]] + slopes
    data["y"] += rng.normal(size=300) / np.sqrt(data["w"])
    return mm.lmm("y ~ x + (1 + x | a) + (1 | c) + (1 | b)", data, weights="w"), data
