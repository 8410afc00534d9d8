"""The default search on 8 to 80 rows of every kind: weights, near-collinear slopes, saturation."""

import numpy as np
import pytest
from optimize.designs import Design, best_known, excess, too_high

import numbamm as mm

FIXED = ["1", "x", "x + z", "0 + x", "f", "x * z"]
TERMS = [
    *("(1 | g)", "(x | g)", "(x || g)", "(0 + x | g)", "(0 + f | g)", "(1 + f | g)"),
    *("(1 + x + z | g)", "(0 + x | g) + (0 + z | g)", "(1 | g) + (1 | h)", "(1 | g/h)"),
    *("(x | g) + (1 | h)", "(x | g) + (0 + z | h)", "(1 | g) + (0 + x | h)", "(x | g) + (x | h)"),
    *("(1 | g) + (1 | h) + (0 + x | g)", "(1 | g:h) + (1 | h)", "(x | g/h)", "(x || g) + (x || h)"),
    *("(1 | g) + (1 | h) + (1 | k)", "(1 | g/h/k)", "(1 | g) + (1 | h) + (1 | k) + (1 | g:h)"),
]


def wide(seed):
    rng = np.random.default_rng([77, seed])
    n = int(rng.choice([8, 10, 14, 18, 24, 36, 50, 80]))
    levels = [int(rng.choice(sizes)) for sizes in ([2, 3, 4, 5, 8, 12], [2, 3, 4, 6], [2, 3, 5])]
    g, h, k = (rng.integers(0, size, n) for size in levels)
    if rng.random() < 0.3:  # balanced
        g = np.arange(n) % levels[0]
    if rng.random() < 0.2:
        h = (np.arange(n) // levels[0]) % levels[1]
    if rng.random() < 0.2:  # levels of very different sizes
        g = np.minimum(rng.geometric(0.5, n) - 1, levels[0] - 1)
    x = rng.normal(size=n) if rng.random() < 0.5 else np.arange(n) % 4 * 1.0
    standard = (x - x.mean()) / x.std()
    x = (standard + rng.choice([0, 0, 1, 3, 15, 100])) * rng.choice([0.01, 1, 1, 30])
    z = rng.normal(size=n)
    if rng.random() < 0.3:  # nearly collinear
        z = x / np.abs(x).max() + 10 ** -rng.uniform(0, 3) * z
    sd, b = rng.choice([0, 0, 0.1, 0.3, 1, 3, 10], size=6), rng.normal(size=(5, 16))
    y = 0.5 * standard + sd[0] * b[0][g] + sd[1] * b[1][g] * standard + sd[2] * b[2][h]
    y += sd[3] * b[3][h] * z + sd[4] * b[4][k] + sd[5] * rng.normal(size=(16, 16))[g, h]
    y += rng.normal(size=n) if rng.random() < 0.8 else rng.standard_t(2, n)
    y = np.round(y) if rng.random() < 0.15 else y
    data = {"y": y * rng.choice([1, 1, 1e-3, 1e4]), "x": x, "z": z, "g": g, "h": h, "k": k}
    data["f"] = np.array(["u", "v"])[rng.integers(0, 2, n)]
    weights = {0: np.exp(rng.normal(size=n)), 1: rng.integers(1, 5, n).astype(float)}
    formula, reml = f"y ~ {rng.choice(FIXED)} + {rng.choice(TERMS)}", bool(rng.random() < 0.5)
    return Design(formula, data, reml, weights.get(int(rng.integers(0, 8))))


def test_default_ends_at_the_best_known_optimum():
    assert too_high(wide, range(60), 0.7) == {}


@pytest.mark.parametrize("seed", [263, 471, 498])
@pytest.mark.filterwarnings("ignore:the fixed and random effects together fit")
def test_newton_corrects_a_curvature_that_few_rows_make_wrong(seed):
    """By average information alone it would creep through hundreds of steps, or stop short."""
    design = wide(seed)
    model = mm.lmm(*design[:2], reml=design.reml, weights=design.weights, optimizer="newton")
    assert model.optsum.feval < 50
    assert model.objective < best_known(model, design, seed) + 1e-7


@pytest.mark.parametrize("seed", [33632, 36104])
def test_one_scale_in_a_narrow_valley(seed):
    """Between zero and the next scales of a coarse lattice, where the objective is higher."""
    design = wide(seed)
    fit = mm.lmm(*design[:2], reml=design.reml, weights=design.weights)
    assert fit.theta[0] > 0 and fit.objective < best_known(fit, design, seed) + 1e-7
    assert fit.objective < fit.objective_at([0.0]) - 1e-3


@pytest.mark.parametrize("seed", [7655, 12665, 34493, 39442, 108455, 118864, 119296])
def test_several_scales(seed):
    """Terms of which one vanishes, correlated slopes of eighty rows, or scales of hundreds."""
    assert excess(wide(seed), seed) < 1e-7


@pytest.mark.parametrize("seed", [33912, 110795])
def test_a_residual_variance_that_vanishes_is_no_estimate(seed):
    """Some covariance of the effects fits the response exactly, forty units lower than others."""
    design = wide(seed)
    with pytest.raises(mm.FitError, match="cannot be distinguished from zero"):
        mm.lmm(*design[:2], reml=design.reml, weights=design.weights)


@pytest.mark.parametrize("seed", [32013, 37826])
def test_effects_that_fit_any_response_are_told(seed):
    design = wide(seed)
    with pytest.warns(mm.NumbammWarning, match="fit any response exactly.*several maxima"):
        mm.lmm(*design[:2], reml=design.reml, weights=design.weights)


@pytest.mark.slow
def test_default_ends_at_the_best_known_optimum_of_2000_designs():
    """But for one in two thousand: other minima, and nearly as many random effects as rows."""
    assert len(too_high(wide, range(1000, 3000), 0.7)) <= 1
