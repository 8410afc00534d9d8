"""`Design`: its columns are counted before they are made."""

import numpy as np
import pytest

import numbamm as mm
from numbamm import memory


def test_more_columns_than_fit_into_memory(monkeypatch):
    """They are counted before any is made, on both sides of a bar."""
    rng = np.random.default_rng(0)
    n = 30_000
    levels = [f"l{i}" for i in range(300)]
    data = {
        "y": rng.normal(size=n),
        "f": rng.choice(levels, n),
        "h": rng.choice(levels, n),
        "k": rng.integers(0, 300, n),
        "x": rng.normal(size=n),
        "g": np.arange(n) % 9,
    }
    monkeypatch.setattr(memory, "available", lambda: 1e9)
    for effects, name, count in (
        ("f * h + x", "f:h", "89,401 of 90,001"),
        ("x + C(k):f", "C(k):f", "89,401 of 89,403"),
        ("f:poly(x, 5)", "f:poly(x, 5)", "1,495 of 1,496"),
    ):
        for formula in (f"y ~ {effects} + (1 | g)", f"y ~ 1 + ({effects} | g)"):
            with pytest.raises(mm.DataError) as refusal:
                mm.LinearMixedModel(formula, data)
            assert f"'{name}' alone has {count} columns" in str(refusal.value)
    assert mm.LinearMixedModel("y ~ f + (1 | g)", data).feterm.rank == 300
