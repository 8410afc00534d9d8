"""What is told of a generalized model once it has been fitted."""

import numpy as np
import pytest
from models.test_random_starts import draw

import numbamm as mm


def test_overdispersion_is_told_once_and_can_be_silenced():
    data = mm.datasets.load("grouseticks")
    formula = "TICKS ~ YEAR + cHEIGHT + (1 | LOCATION)"
    built = mm.GeneralizedLinearMixedModel(formula, data, "poisson")
    with pytest.warns(mm.OverdispersionWarning, match="times its degrees of freedom"):
        built.fit(fast=True)
    assert built.pearson_ratio > 1.5
    built.refit(fast=True)  # a second warning would be an error here
    nested = mm.glmm(f"{formula[:-1]}) + (1 | INDEX)", data, "poisson", fast=True)
    assert nested.pearson_ratio < 1


def test_fractional_counts_are_told():
    y = np.random.default_rng(11).poisson(3.0, 200) * 1.0
    y[5] = 2.5
    with pytest.warns(
        mm.NumbammWarning,
        match="the response 'y' gives counts that are not whole numbers in rows 5",
    ):
        mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": np.tile(np.arange(10), 20)}, "poisson")


def counts_by_cloglog(levels, size, seed=4):
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(levels), size), rng.normal(size=levels * size)
    eta = 0.3 * rng.normal(size=levels)[g] + 0.2 * rng.normal(size=levels)[g] * x - 0.5
    return {"y": 1.0 * rng.poisson(1 - np.exp(-np.exp(eta))), "x": x, "g": g}


def test_few_rows_of_a_density_that_is_not_concave_are_told():
    """Of slopes by few levels; neither of intercepts alone, nor of a density that is concave."""
    data = counts_by_cloglog(6, 8)
    with pytest.warns(mm.NumbammWarning, match="48 rows for 12 random effects: .*several minima"):
        mm.glmm("y ~ x + (1 + x | g)", data, "poisson", "cloglog")
    mm.glmm("y ~ x + (1 | g)", data, "poisson", "cloglog")
    mm.glmm("y ~ x + (1 + x | g)", data, "poisson", "log")
    mm.glmm("y ~ x + (1 + x | g)", counts_by_cloglog(6, 20), "poisson", "cloglog")


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_a_link_that_hardly_suits_the_response_is_told(link):
    """Counts well above 1, whose means the link holds below 1."""
    formula, data, _ = draw(np.random.default_rng(9304), "negativebinomial", link)
    with pytest.warns(mm.NumbammWarning, match="% of the rows .* hardly suits the response"):
        mm.glmm(formula, data, "negativebinomial", link)
