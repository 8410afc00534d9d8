"""Randomised residuals of generalized models, standard normal if the model is right."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.diagnostics.quantile_residuals import quantile_residuals


@pytest.mark.parametrize("family", ["poisson", "bernoulli", "negativebinomial", "gamma"])
def test_residuals_of_a_right_model_are_standard_normal(family):
    """Of responses drawn at known means, whatever the family."""
    rng = np.random.default_rng(11)
    x, g = rng.normal(size=1500), np.arange(1500) % 30
    mu = np.exp(0.3 * x + 0.4 * rng.normal(size=30)[g])
    y = {
        "poisson": lambda: rng.poisson(mu),
        "bernoulli": lambda: rng.uniform(size=1500) < mu / (1 + mu),
        "negativebinomial": lambda: rng.negative_binomial(3, 3 / (3 + mu)),
        "gamma": lambda: rng.gamma(4, mu / 4),
    }[family]()
    link = "logit" if family == "bernoulli" else "log"
    model = mm.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family, link)
    residuals = quantile_residuals(model, seed=2)
    assert kstest(residuals, "norm").pvalue > 0.01
    assert_allclose(residuals, quantile_residuals(model, seed=2))


def test_residuals_of_a_linear_model_are_studentized(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    assert_allclose(quantile_residuals(model), model.influence()["studentized"])


def test_a_family_that_cannot_be_drawn_from_says_so():
    def logpdf(y, mu, scale):
        z = math.fabs(y - mu) / scale
        return -z - 2 * math.log1p(math.exp(-z)) - math.log(scale)

    data = mm.datasets.load("sleepstudy")
    model = mm.glmm("Reaction ~ Days + (1 | Subject)", data, mm.Family("undrawn", logpdf=logpdf))
    with pytest.raises(OptionError, match=r"draw=\) a function"):
        quantile_residuals(model)
