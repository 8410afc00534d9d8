"""Profiles of models whose rows are not in memory are those of models that have them."""

import numpy as np
import pytest
from sources.streams import cut, irregular

import numbamm as mm


@pytest.mark.parametrize(
    "formula, options",
    [
        ("y ~ x + f + (1 + x | g)", {}),
        ("y ~ year + (1 + year | g)", {}),
        ("y ~ 0 + f + (1 | g) + (1 | h)", {"weights": "w", "sigma": 1.2}),
    ],
)
def test_profiles(formula, options):
    data = irregular()
    memory, streamed = (mm.lmm(formula, d, **options) for d in (data, cut(data, 9, 300)))
    a, b = (m.conf_int(method="profile", which="all") for m in (memory, streamed))
    np.testing.assert_allclose(b.to_numpy(), a.to_numpy(), rtol=1e-5, atol=1e-6)
    assert list(a.index) == list(b.index)
