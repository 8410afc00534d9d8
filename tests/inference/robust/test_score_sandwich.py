"""Robust covariances of generalized models, against scores by quadrature."""

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite_e import hermegauss
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def model():
    return mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
        nagq=25,
    )


def arrays_of_herds():
    """Columns, incidence and size of the rows of each herd."""
    for _, part in mm.datasets.load("cbpp").groupby("herd", observed=True):
        X = np.column_stack([np.ones(len(part)), *(part["period"].astype(str) == k for k in "234")])
        yield X, part["incidence"].to_numpy()[:, None], part["size"].to_numpy()[:, None]


def loglik(x, X, k, n):
    """The log-likelihood of one herd, but for constants, by many nodes of N(0, 1)."""
    nodes, weights = hermegauss(80)
    eta = (X @ x[:-1])[:, None] + x[-1] * nodes
    rows = k * eta - n * np.logaddexp(0, eta)
    return np.log(np.exp(rows.sum(axis=0)) @ weights)


def test_scores_by_quadrature(model):
    herds, x = list(arrays_of_herds()), model.optsum.final
    h = 1e-4
    steps = h * np.eye(len(x))
    scores = np.array(
        [[(loglik(x + s, *j) - loglik(x - s, *j)) / (2 * h) for s in steps] for j in herds]
    )
    total = lambda at: sum(loglik(at, *j) for j in herds)  # noqa: E731
    H = np.array(
        [
            [
                total(x + a + b) - total(x + a - b) - total(x - a + b) + total(x - a - b)
                for a in steps
            ]
            for b in steps
        ]
    ) / (4 * h**2)
    bread = np.linalg.inv(H)
    wanted = bread @ scores.T @ scores @ bread
    assert_allclose(model.cov_params(robust="CR0"), wanted[:-1, :-1], rtol=2e-4, atol=2e-5)


def test_tables(model):
    table = model.coef_table(robust="CR0")
    assert "CR0, 15 clusters of herd" in table.title and np.isinf(table.frame["df"]).all()
    se = np.sqrt(np.diag(model.cov_params(robust="CR0")))
    assert_allclose(table.frame["se"], se)
    assert model.anova(robust="CR0").frame.loc["period", "df"] == 3


def test_other_order_of_rows_and_labels_by_row(model):
    d = mm.datasets.load("cbpp").sample(frac=1, random_state=1)
    other = mm.glmm(model.formula, d, "binomial", nagq=25)
    ours = other.cov_params(robust="CR0", cluster=d["herd"].astype(str) + "'")
    assert_allclose(ours, model.cov_params(robust="CR0"), rtol=1e-4, atol=1e-6)


def test_singular_fits_are_named():
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    d["y"] = np.tile([0, 1], 60)
    m = mm.glmm("y ~ x + (1 | g)", d, "bernoulli")
    assert m.is_singular()
    table = m.coef_table(robust="CR0")
    assert "variances of zero count as known" in str(table)
    assert (table.frame["se"] > 0).all()


def test_what_is_refused(model):
    with pytest.raises(OptionError, match="generalized ones have"):
        model.coef_table(robust="CR2")
    fast = mm.glmm(model.formula, mm.datasets.load("cbpp"), "binomial", fast=True)
    with pytest.raises(OptionError, match="full fit"):
        fast.coef_table(robust="CR0")
