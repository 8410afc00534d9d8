"""The optimiser that numbamm chooses, and the reason that it gives."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.optimize.auto import LIGHT, choose, is_bounded


@pytest.mark.parametrize(
    ("n", "gradient", "bounded", "work", "name", "reason"),
    [
        (1, True, False, 10.0, "newton", "may stop short"),
        (3, True, False, LIGHT, "newton", "may stop short"),
        (3, True, False, 2 * LIGHT, "newton", "each evaluation is heavy"),
        (3, True, False, None, "newton", "each evaluation is heavy"),
        (4, True, False, 10.0, "newton", "4 parameters are many"),
        (4, True, True, 10.0, "nlopt:LN_BOBYQA", "bounds"),
        (40, False, False, 1e9, "nlopt:LN_BOBYQA", "no gradient"),
    ],
)
def test_choice(n, gradient, bounded, work, name, reason):
    choice = choose(n, gradient=gradient, bounded=bounded, work=work)
    assert choice.name == name and reason in choice.reason


def test_an_edge_is_searched_along_without_gradient():
    y, g = np.tile([1.0, 0.0, 1.0, 1.0], 8), np.repeat(np.arange(8), 4)
    y[[1, 6, 12]] = 1 - y[[1, 6, 12]]
    for link, name in (("log", "nlopt:LN_BOBYQA"), ("cloglog", "newton")):
        fit = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "bernoulli", link)
        assert fit.optsum.used == name


def test_bounds_that_signs_cannot_keep():
    free, zero, inf = np.array([-np.inf, 0.0]), np.zeros(2), np.full(2, np.inf)
    assert not is_bounded(free, inf)
    assert not is_bounded(np.ones(2), np.ones(2))  # held fixed
    assert is_bounded(zero, np.ones(2))
    assert is_bounded(np.array([0.5, 0.0]), inf)


def test_summary_shows_choice_and_reason(fitted):
    light = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    assert light.optsum.optimizer == "auto" and light.optsum.used == "newton"
    text = str(light.optsum)
    assert "Optimizer:                auto: newton (numbamm" in text
    assert "Chosen because:           3 parameters and a light objective need no gradient" in text


def test_bounds_are_kept():
    model = mm.LinearMixedModel(
        "Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy")
    )
    model.optsum.lowerbd = [0.95, -np.inf, 0.0]
    assert model.fit().theta[0] == pytest.approx(0.95)
    assert "bounds" in model.optsum.reason


def test_quadrature_needs_a_search_without_gradient():
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    assert mm.glmm(formula, data, "binomial").optsum.used == "newton"
    model = mm.glmm(formula, data, "binomial", nagq=5)
    assert model.optsum.used == "nlopt:LN_BOBYQA"
    assert model.optsum.reason == "the objective has no gradient"
