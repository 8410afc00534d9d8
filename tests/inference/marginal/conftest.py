"""Models of the oracles after the fit, fitted once."""

from functools import cache

import pandas as pd
import postfit_oracles
import pytest

import numbamm as mm

FAMILIES = {"binomial": "binomial", "poisson": "poisson", "nbinom2": "negativebinomial"}


@cache
def fit_entry(name):
    """The model of an entry of the oracles."""
    entry = postfit_oracles.entries()[name]["model"]
    formula = entry["formula"].replace("^", "**")
    data = postfit_oracles.frame(entry["dataset"])
    family = FAMILIES[entry["family"]]
    if family == "binomial" and "cbind" not in formula:
        family = "bernoulli"
    information = "observed" if family != "poisson" else None
    return mm.glmm(formula, data, family, entry["link"], information=information)


@pytest.fixture
def entry_model():
    return fit_entry


@pytest.fixture
def rows_of():
    """The rows of an entry, as values of variables and as a frame."""

    def rows(entry):
        table = pd.DataFrame(entry["rows"])
        return {name: list(dict.fromkeys(table[name])) for name in table}, table

    return rows
