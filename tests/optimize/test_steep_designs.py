"""The default search where residuals vary far less than random effects: 1e-1 to 1e-5 times."""

import numpy as np
import pytest
from optimize.designs import Design, excess, too_high

import numbamm as mm

TERMS = [
    "(1 | g)",
    "(x | g)",
    "(x || g)",
    "(0 + x | g)",
    "(1 | g) + (1 | h)",
    "(1 | g/h)",
    "(x | g) + (1 | h)",
    "(1 | g) + (0 + x | h)",
]
#: Optimisers whose ends count, too.
OTHERS = "newton", "nlopt:LN_BOBYQA"


def steep(seed):
    """Every variance may be as small as the residual one."""
    rng = np.random.default_rng([13, seed])
    levels, per = int(rng.choice([4, 6, 10, 15])), int(rng.choice([3, 6, 9]))
    g = rng.permutation(np.repeat(np.arange(levels), per))
    g = g[rng.random(len(g)) > rng.choice([0, 0.2])]
    n, ratio = len(g), 10 ** -rng.uniform(1, 5)
    h = rng.integers(0, int(rng.choice([3, 5])), n)
    x = rng.normal(size=n) + rng.choice([0, 0, 3.0])
    sd = np.where(rng.random(4) < 0.5, 1.0, ratio * 10 ** rng.uniform(0, 2, 4))
    sd *= rng.random(4) < 0.8
    sd[0], rho = 1.0, rng.choice([0, 0.9, -1])
    b0, b1 = rng.normal(size=(2, levels))
    b1 = rho * b0 + np.sqrt(1 - rho**2) * b1
    y = 0.5 * x + b0[g] + sd[1] * b1[g] * x + sd[2] * rng.normal(size=5)[h]
    y += sd[3] * rng.normal(size=(levels, 5))[g, h] + ratio * rng.normal(size=n)
    data = {"y": y, "x": x, "g": g, "h": h}
    formula, reml = f"y ~ x + {rng.choice(TERMS)}", bool(rng.random() < 0.5)
    return Design(formula, data, reml, size=ratio**-0.5, spread=2.5)


def test_default_ends_at_the_best_known_optimum():
    assert too_high(steep, range(25), 0.9, OTHERS) == {}


@pytest.mark.slow
def test_default_ends_at_the_best_known_optimum_of_1000_designs():
    """But for one in a thousand, with about as many random effects as rows."""
    assert len(too_high(steep, range(3000, 4000), 0.9, OTHERS)) <= 1


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e4])
@pytest.mark.parametrize("small", [0.0, 1e-3, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_slopes_that_hardly_vary_beside_intercepts_that_do(seed, small, scale):
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(9), rng.integers(3, 9, 9)))
    x = scale * rng.normal(1, 1, len(g))
    y = rng.normal(size=9)[g] + small * rng.normal(size=9)[g] * x / scale
    data = {"y": y + 1e-3 * rng.normal(size=len(g)), "x": x, "g": [f"level {i}" for i in g]}
    for reml in (False, True):
        model, exact = (
            mm.lmm("y ~ x + (x | g)", data, reml=reml, optimizer=optimizer)
            for optimizer in ("auto", "newton")
        )
        assert model.objective < exact.objective + 1e-6
        assert (
            model.is_singular() == exact.is_singular() or model.objective < exact.objective - 1e-6
        )


@pytest.mark.parametrize("seed", [214, 251, 1209])
def test_a_residual_variance_of_zero_is_told(seed):
    """Nearly as many effects as rows: as σ vanishes the likelihood rises to its limit.

    How far a search goes along the flat way there depends on the last bits.
    """
    formula, data, reml = steep(seed)[:3]
    with pytest.warns(mm.NumbammWarning, match="no estimate but zero|rounding errors can be seen"):
        model = mm.lmm(formula, data, reml=reml)
    # farther off rounding errors show
    assert model.objective_at(0.3 * model.theta) == pytest.approx(model.objective, abs=1e-3)


@pytest.mark.parametrize("seed, left", [(61748, "any"), (23235, "1 degree "), (21028, "3 degrees")])
def test_effects_that_fit_nearly_all_of_the_response_are_told(seed, left):
    formula, data, reml = steep(seed)[:3]
    with pytest.warns(mm.NumbammWarning, match=f"{left}.*several maxima"):
        mm.lmm(formula, data, reml=reml)


@pytest.mark.parametrize(
    "seed", [3454, 3579, 3746, 3805, 5435, 7109, 7139, 7986, 21210, 24725, 27944]
)
def test_where_a_lattice_of_scales_passes_over_the_best_optimum(seed):
    """It lies inside, beside one at the boundary or another inside, as the designs are tiny."""
    assert excess(steep(seed), seed, OTHERS) < 1e-7
