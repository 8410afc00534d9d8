"""Newton's method by differences: it ends where exact derivatives do, within its limits."""

import numpy as np
import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def uncentred(seed, origin):
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(9), rng.integers(3, 8, 9)))
    x = rng.normal(size=len(g))
    y = x + rng.normal(0, 0.7, 9)[g] + rng.normal(0, 0.2, 9)[g] * x + rng.normal(size=len(g))
    return {"y": y, "x": x + origin, "g": g}


@pytest.mark.parametrize("origin", [4.0, -17.0, 12.0, 2000.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_does_not_depend_on_the_origin_of_a_slope(seed, origin):
    """By BOBYQA these ended up to 1e-4 apart."""
    for reml in (False, True):
        near = mm.lmm("y ~ x + (x | g)", uncentred(seed, 0.0), reml=reml)
        far = mm.lmm("y ~ x + (x | g)", uncentred(seed, origin), reml=reml)
        shift = 2 * np.log(1.0)  # the determinant of the change of X's columns is one
        assert far.objective == pytest.approx(near.objective + shift, abs=1e-7)
        assert far.sigma == pytest.approx(near.sigma, rel=1e-5)


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        (SLEEP, "sleepstudy"),
        ("Yield ~ 1 + (1 | Batch)", "Dyestuff"),
        ("Yield ~ 1 + (1 | Batch)", "Dyestuff2"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
        ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    ],
)
def test_it_ends_where_exact_derivatives_do(formula, name):
    data = mm.datasets.load(name)
    exact = mm.lmm(formula, data, optimizer="newton")
    model = mm.lmm(formula, data)
    assert model.objective == pytest.approx(exact.objective, abs=1e-9)
    assert model.theta == pytest.approx(exact.theta, abs=2e-5)
    assert model.optsum.returnvalue == "CONVERGED" and model.optsum.gradient_norm is None
    assert len(model.optsum.fitlog) == model.optsum.feval < 100
