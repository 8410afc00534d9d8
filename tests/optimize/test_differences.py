"""Newton's method by differences, its coordinates, and the valleys in which it begins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.optimize.valleys import SCALES, valleys

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


@pytest.mark.parametrize("most", [1, 7, 40])
def test_limits_hold_while_valleys_are_looked_for_and_after(most):
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    model.optsum.maxfeval = most
    with pytest.warns(mm.NumbammWarning, match=f"MAXEVAL_REACHED after {most} "):
        model.fit()
    assert model.objective == model.optsum.fitlog["objective"].min()


def test_a_start_that_was_set_is_where_it_begins():
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    model.optsum.initial = [0.9, 0.05, 0.3]
    model.fit()
    assert model.optsum.log[0][0] == pytest.approx([0.9, 0.05, 0.3], abs=1e-12)
    assert model.objective == pytest.approx(1751.9393444632, abs=1e-8)


numbers = st.floats(-3, 3, allow_nan=False)


@given(st.tuples(numbers, numbers, numbers))
def test_coordinates_give_back_what_they_stand_for(theta):
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    c, theta = model._search_coordinates, np.array(theta)

    def square(theta):
        lam = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
        return lam @ lam.T

    np.testing.assert_allclose(square(c.theta(c.of(theta))), square(theta), atol=1e-8)


def test_coordinates_of_several_terms():
    formula = "y ~ 1 + (1 + x | g) + (0 + x | h) + (1 + x || k)"
    rng = np.random.default_rng(2)
    data = {"y": rng.normal(size=90), "x": rng.normal(7, 1, 90)}
    data |= {name: rng.integers(0, 6, 90) for name in "ghk"}
    model = mm.LinearMixedModel(formula, data)
    c, theta = model._search_coordinates, rng.normal(size=len(model.theta))
    again = c.theta(c.of(theta))
    assert model.objective_at(again) == pytest.approx(model.objective_at(theta), abs=1e-9)


def test_valleys_of_two_wells():
    wells = [(0.5, 8.0), (8.0, 0.0)]

    def f(scales):
        at = np.log1p(np.array(scales))
        return min(((at - np.log1p(np.array(well))) ** 2).sum() + k for k, well in enumerate(wells))

    found = valleys(f, 2)
    assert len(found) == 2 and f(found[0]) <= f(found[1])
    for scales, well in zip(found, wells, strict=True):
        assert scales == pytest.approx(well, rel=0.5, abs=0.1)


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_valleys_are_lower_than_their_neighbours(n, seed):
    known = {}

    def f(scales):
        key = tuple(scales)
        return known.setdefault(key, float(np.random.default_rng([seed, len(known)]).normal()))

    for scales in valleys(f, n):
        if not set(scales) <= set(SCALES):
            continue  # moved off the lattice
        for d in range(n):
            i = SCALES.index(scales[d])
            for j in {max(i - 1, 0), min(i + 1, len(SCALES) - 1)}:
                beside = [*scales[:d], SCALES[j], *scales[d + 1 :]]
                assert known[tuple(scales)] <= known[tuple(beside)]


def test_where_nothing_can_be_evaluated_there_is_no_valley():
    assert valleys(lambda scales: np.nan, 2) == []
