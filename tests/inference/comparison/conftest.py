"""Models that the tests of comparisons share."""

import warnings
from types import SimpleNamespace

import numpy as np
import oracles
import pytest

import numbamm as mm


@pytest.fixture(scope="session")
def counts():
    """Poisson and negative binomial models of salamanders, and a larger one of these."""
    rows, (small, large) = oracles.dataset("Salamanders"), ("mined", "mined + spp")
    told = {"data": rows, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        poisson = mm.glmm(f"count ~ {small} + (1 | site)", family="poisson", **told)
        lognormal = mm.glmm(
            f"count ~ {small} + (1 | site) + (1 | row)",
            family="poisson",
            **(told | {"data": rows.assign(row=np.arange(len(rows)).astype(str))}),
        )
    nb, more, held = (
        mm.glmm(f"count ~ {x} + (1 | site)", family="negativebinomial", shape=shape, **told)
        for x, shape in ((small, None), (large, None), (small, 2.0))
    )
    return SimpleNamespace(poisson=poisson, nb=nb, more=more, held=held, lognormal=lognormal)
