"""What is told of a generalized model once it has been fitted."""

import numpy as np
import pytest

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
