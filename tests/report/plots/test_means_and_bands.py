"""Means in panels and series."""

import numpy as np
from drawn import offsets

import numbamm as mm


def test_empty_cells_are_left_out():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=48), "a": ["p", "q"] * 24, "g": np.arange(48) % 8}
    data["b"] = ["u" if a == "q" else "uv"[k % 4 // 2] for k, a in enumerate(data["a"])]
    model = mm.lmm("y ~ a * b + (1 | g)", data, sigma=1.0)
    means = model.emmeans("a * b", ddf="wald")
    assert means.frame["mean"].isna().sum() == 1
    [ax] = means.plot()
    assert sum(len(offsets(ax, k)) for k in range(2)) == 3
