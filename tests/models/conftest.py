"""Models that several files of this folder look at; fits are shared by all of them."""

import warnings

import pytest
from models.generalized_oracles import ORACLES, family_of

import numbamm as mm


@pytest.fixture(scope="session")
def fitted_glmm():
    models = {}

    def fit(name):
        if name not in models:
            oracle = ORACLES[name]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mm.OverdispersionWarning)
                models[name] = mm.glmm(
                    oracle.formula,
                    oracle.frame,
                    family_of(oracle),
                    oracle.entry["link"],
                    fast=oracle.entry["nAGQ"] == 0,
                    nagq=max(oracle.entry["nAGQ"], 1),
                    weights=oracle.weights,
                )
        return models[name]

    return fit


SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="session")
def sleep():
    return mm.datasets.load("sleepstudy")


@pytest.fixture
def unfitted(sleep):
    return mm.LinearMixedModel(SLEEP, sleep)


@pytest.fixture
def model(fitted):
    return fitted(SLEEP, "sleepstudy")


@pytest.fixture
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.GeneralizedLinearMixedModel(formula, mm.datasets.load("cbpp"), "binomial")
