"""Sizes of A and L are known before they are allocated."""

import numpy as np
import pytest

import numbamm as mm
from numbamm import memory


@pytest.fixture
def crossed():
    """Two crossed factors of 20,000 levels each, and as many rows."""
    rng, n = np.random.default_rng(3), 20_000
    g, h = np.arange(n), rng.permutation(n)
    return {"y": rng.normal(size=2 * n), "g": np.tile(g, 2), "h": np.concatenate([h, g])}


def test_fill_in_that_does_not_fit_is_refused(crossed, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 16e9)
    with pytest.raises(
        mm.DataError,
        match=r"crossing 'g' \(20000 random effects\) and 'h' .* dense matrix of order 20002: "
        r"9\.\d GB, more than half of the 16.0 GB of memory",
    ):
        mm.LinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", crossed, tail="dense")
    crossed["y"] = np.arange(len(crossed["y"])) % 3
    with pytest.raises(mm.DataError, match="order 20002"):
        mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", crossed, "poisson")


def test_slow_evaluations_are_announced(crossed):
    from numbamm.blocks.layout import build_layout
    from numbamm.blocks.size import check_size

    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", crossed)
    terms = [model.reterms[0], mm.LinearMixedModel("y ~ 1 + (1 | h)", crossed).reterms[0]]
    with pytest.warns(mm.NumbammWarning, match=r"order 20002: 9.6 GB, and about 133 seconds"):
        check_size(build_layout(terms, 1), terms)
