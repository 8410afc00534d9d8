"""Formulas with less random effects."""

import pytest

import numbamm as mm
from numbamm.inference.comparison.lighter import lighter

CASES = {
    "y ~ x + (1 + x | g)": ["y ~ x + (1 | g)"],
    "y ~ x + (x | g)": ["y ~ x + (1 | g)"],
    "y ~ x + (0 + x | g) + (1 | h)": ["y ~ x + (1 | h)", "y ~ x + (0 + x | g)"],
    "y ~ a * b + (a * b | g)": ["y ~ a * b + (1 + a + b | g)"],
    "y ~ 1 + (1 + a + b || `g h`)": ["y ~ 1 + (1 + b || `g h`)", "y ~ 1 + (1 + a || `g h`)"],
    "y ~ 1 + (1 | a / b)": ["y ~ 1 + (1 | a:b)", "y ~ 1 + (1 | a)"],
    "y ~ 1 + zerocorr(1 + x | g)": ["y ~ 1 + zerocorr(1 | g)"],
    "y ~ x + (1 | g)": [],
    "y ~ x + cs(0 + f | g) + (1 | h)": ["y ~ x + (1 | h)", "y ~ x + cs(0 + f | g)"],
    "log(y + 1) ~ x + offset(log(n)) + (1 + x | g)": ["log(y + 1) ~ x + offset(log(n)) + (1 | g)"],
}


@pytest.mark.parametrize("formula", CASES)
def test_one_effect_less(formula):
    assert [found.formula for found in lighter(formula)] == CASES[formula]


def test_correlations_come_first():
    found = list(lighter("y ~ x + (1 + x | g)", correlations=True))
    assert found[0].formula == "y ~ x + zerocorr(1 + x | g)" and found[0].effect is None
    assert found[0].name == "correlations in (1 + x | g)"


def test_they_can_be_fitted():
    d = mm.datasets.load("cake")
    whole = "angle ~ recipe + (1 + recipe + temp | replicate)"
    for found in lighter(whole, correlations=True):
        m = mm.LinearMixedModel(found.formula, d)
        assert len(m.theta) < 15
