"""Conditional AIC of counts and events, by refits of ours in a loop over all rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import bernoulli, poisson

import numbamm as mm


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": rng.permutation(np.arange(28) % 6), "f": rng.choice(list("ab"), 28)})
    d["eta"] = 0.3 + rng.normal(size=6)[d["g"]] + (d["f"] == "b") * 0.4
    d["n"], d["e"] = rng.poisson(np.exp(d["eta"])), rng.random(28) < 1 / (1 + np.exp(-d["eta"]))
    return d.assign(e=d["e"] * 1.0)


@pytest.mark.parametrize(("response", "family"), [("n", "poisson"), ("e", "bernoulli")])
def test_every_row_by_itself(data, response, family):
    m = mm.glmm(f"{response} ~ f + (1 | g)", data, family)
    found = m.conditional_aic(workers=2).frame.iloc[0]
    y, mu, total = m.frame.y, m.estimates.fitted, 0.0
    twin = m.twin()
    for i in range(len(y)):
        other = y.copy()
        if family == "poisson":
            if y[i] == 0:
                continue
            other[i] -= 1
            at = twin.refit(other, progress=False).estimates.fitted[i]
            total += y[i] * (np.log(mu[i]) - np.log(at))
        else:
            other[i] = 1 - y[i]
            at = twin.refit(other, progress=False).estimates.fitted[i]
            change = np.log(at / (1 - at)) - np.log(mu[i] / (1 - mu[i]))
            total += mu[i] * (1 - mu[i]) * change * (1 - 2 * y[i])
    assert_allclose(found["df"], total, rtol=1e-4)
    assert 2 < found["df"] < 8  # fewer than a coefficient for each group
    llf = (poisson if family == "poisson" else bernoulli).logpmf(y, mu).sum()
    assert_allclose([found["llf"], found["caic"]], [llf, -2 * llf + 2 * found["df"]])
