"""Models that the tests of diagnostics share."""

import warnings
from functools import cache

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm


@pytest.fixture(scope="session")
def generalized():
    """``generalized(family, without)``: a generalized model, fitted once a session."""
    return cache(generalized_model)


def generalized_model(family, without=None):
    """A model of each kind, maybe without a herd or subject; the Bernoulli one is a fast fit."""
    rows = oracles.dataset("sleepstudy" if family == "gamma" else "cbpp")
    rows = rows.assign(w=np.linspace(0.5, 2, len(rows)))
    if without is not None:
        rows = rows[rows["Subject" if family == "gamma" else "herd"] != without]
    if family == "gamma":
        return mm.glmm(SLEEP, rows, family, "log", weights="w")
    if family == "bernoulli":
        return mm.glmm("I(incidence > 0) ~ size + (1 | herd)", rows, family, fast=True)
    if family == "negativebinomial":
        return mm.glmm("incidence ~ period + offset(log(size)) + (1 | herd)", rows, family)
    return mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", rows, family)


SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="session")
def binomial():
    return mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial")


@pytest.fixture(scope="session")
def inflated(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        return mm.glmm("y ~ 1 + (1 | g)", counts(0.4), "poisson")


@pytest.fixture(scope="session")
def counts():
    """``counts(inflated)``: counts in groups, with a share of them replaced by zeros."""
    return zero_inflated


def zero_inflated(inflated, n=400):
    """Counts of 20 groups about exp(0.7), some of them replaced by zeros."""
    rng = np.random.default_rng(5)
    g = np.arange(n) % 20
    y = rng.poisson(np.exp(0.7 + 0.4 * rng.standard_normal(20)[g]))
    return pd.DataFrame({"y": np.where(rng.random(n) < inflated, 0, y), "g": g})


CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
