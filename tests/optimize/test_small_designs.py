"""The default search on small designs of every kind: it ends at the best optimum that is known."""

import numpy as np
import pytest
from optimize.designs import Design, excess, too_high

TERMS = [
    "(1 | g)",
    "(x | g)",
    "(x || g)",
    "(0 + x | g)",
    "(1 | g) + (1 | h)",
    "(1 | g/h)",
    "(x | g) + (1 | h)",
    "(x | g) + (0 + z | h)",
    "(1 | g) + (1 | h) + (0 + x | g)",
    "(1 | g:h) + (1 | h)",
    "(1 + x + z | g)",
    "(x | g/h)",
]


def design(seed):
    """Few rows, covariates far from 0, absent variances."""
    rng = np.random.default_rng(seed)
    n, levels = int(rng.choice([12, 20, 30, 45, 60, 100])), int(rng.choice([2, 3, 4, 6, 10, 15]))
    others = int(rng.choice([2, 3, 5]))
    g, h = rng.integers(0, levels, n), rng.integers(0, others, n)
    x = rng.normal(size=n) if rng.random() < 0.5 else np.linspace(0, 4, n)[rng.permutation(n)]
    x, size, origin = (x - x.mean()) / x.std(), rng.choice([0.1, 1, 10]), rng.choice([0, 3, 15])
    sd, rho = rng.choice([0, 0, 0.3, 1, 5], size=4), rng.choice([0, 0.9, -1, 1])
    b0, b1 = rng.normal(size=(2, levels))
    b1 = rho * b0 + np.sqrt(1 - rho**2) * b1
    y = 0.5 * x + sd[0] * b0[g] + sd[1] * b1[g] * x + sd[2] * rng.normal(size=others)[h]
    y += sd[3] * rng.normal(size=(levels, others))[g, h] + rng.normal(size=n)
    data = {"y": y, "x": size * (x + origin), "z": rng.normal(size=n), "g": g, "h": h}
    return Design(f"y ~ x + {rng.choice(TERMS)}", data, bool(rng.random() < 0.5))


def test_default_ends_at_the_best_known_optimum():
    assert too_high(design, range(40), 0.75) == {}


@pytest.mark.parametrize("seed", [20338, 21365])
def test_a_small_scale_that_lowers_the_objective_is_no_zero(seed):
    assert excess(design(seed), seed) < 1e-7


@pytest.mark.slow
def test_default_ends_at_the_best_known_optimum_of_750_designs():
    assert too_high(design, range(1000, 1750), 0.75) == {}
