"""Models that several files of this folder look at; fits are shared by all of them."""

import pytest

import numbamm as mm

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
