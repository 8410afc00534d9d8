"""Scores of rows of correlated residuals, against predictions of models without them."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import numbamm as mm


@cache
def visits() -> pd.DataFrame:
    """Unsorted rows of groups of one to six, with odd names and weights."""
    rng = np.random.default_rng(8)
    ids = np.repeat(np.arange(12), [1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6])
    t = np.concatenate([np.sort(rng.choice(8, n, replace=False)) for n in np.bincount(ids)])
    d = pd.DataFrame({"id": [f"à {i}" for i in ids], "t": t, "x": rng.normal(size=len(ids))})
    d["arm"] = np.where(ids % 3, "new", "old")
    d["w"], d["item"] = rng.uniform(0.5, 2, len(d)), rng.choice(list("pqr"), len(d))
    d["y"] = rng.normal(size=12)[ids] + d.x + np.exp(0.3 * d.x) * rng.normal(size=len(d))
    return d.sample(frac=1, random_state=2)


@pytest.mark.filterwarnings("ignore:levels of", "ignore:residual=.*levels of")
@pytest.mark.parametrize(
    ("formula", "options", "by_group"),
    [
        ("y ~ x + (1 | item)", {"residual": "ar1(t | id)", "weights": "w", "reml": True}, False),
        ("y ~ x + (1 | item)", {"residual": "ar1(t | id)", "dispersion": "exp(x)"}, True),
        ("y ~ x", {"residual": "exp(t | id, nugget=True)", "dispersion": "~ x"}, False),
        ("y ~ x + (1 | id)", {"dispersion": "power(w, by=arm)"}, False),
    ],
)
def test_residuals_with_a_structure(formula, options, by_group):
    data = visits()
    cv = mm.lmm(formula, data, **options).cross_validate(data.id if by_group else None, k=4, seed=1)
    table = cv.predictions
    rows = table["fold"] == 1
    p = mm.lmm(formula, data[~rows], **options).predict(data[rows], interval="prediction")
    sd = (p["upper"] - p["lower"]) / (2 * norm.ppf(0.975))
    assert_allclose(table.loc[rows, "predicted"], p["prediction"], rtol=1e-7)
    expected = norm.logpdf(data["y"][rows], p["prediction"], sd)
    assert_allclose(table.loc[rows, "log_score"], expected, rtol=1e-7)


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_a_visit_of_a_single_row_is_not_predicted():
    data = visits()
    data = data[(data.t != 7) | (data.id == data.id[data.t == 7].iloc[0])]
    cv = mm.lmm("y ~ x", data, residual="hetar1(t | id)").cross_validate(k=4, seed=1)
    (failed,) = [note for note in cv.notes if "failed" in note]
    assert "no row of the fit has t = 7" in failed
    assert cv.predictions["predicted"].isna().any()
