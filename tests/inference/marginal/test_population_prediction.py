"""Predictions over the distribution of the random effects."""

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, OptionError


def test_they_need_no_groups(entry_model):
    entry = postfit_oracles.entries()["avg_contraception_urban"]
    g, data = entry_model("avg_contraception_urban"), postfit_oracles.frame("Contraception")
    for level, wanted in zip("NY", entry["marginal"]["estimate"][:2], strict=True):
        rows = data.drop(columns="district").assign(urban=level)
        assert_allclose(g.predict(rows, re="integrated").mean(), wanted, rtol=2e-6)


def test_standard_errors_intervals_and_missing_values(entry_model):
    entry, g = postfit_oracles.entries()["mm_cbpp"], entry_model("mm_cbpp")
    rows = pd.DataFrame({"period": ["4", None, "1"]}, index=[9, 7, 5])
    table = g.predict(rows, re="integrated", se=True, interval="confidence")
    assert table.index.to_list() == [9, 7, 5] and table.loc[7].isna().all()
    wanted = entry["marginal"]
    assert_allclose(table["prediction"].dropna(), np.array(wanted["estimate"])[[3, 0]], rtol=2e-6)
    assert_allclose(table["se"].dropna(), np.array(wanted["se"])[[3, 0]], rtol=1e-4)
    logit = np.log(table / (1 - table)).dropna()
    assert_allclose(logit["upper"] - logit["prediction"], logit["prediction"] - logit["lower"])
    of_fit = g.predict(re="integrated")
    assert_allclose(of_fit.iloc[0], wanted["estimate"][0], rtol=2e-6)


def test_random_effects_of_zero(entry_model):
    g = entry_model("mm_cbpp")
    assert_allclose(g.predict(re="zero"), g.predict(random=False))


def test_linear_models_have_the_same_means():
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    table = m.predict({"Days": [0, 20]}, re="integrated", se=True)
    assert_allclose(table, m.predict({"Days": [0, 20]}, random=False, se=True))


def test_what_is_refused(entry_model):
    g = entry_model("avg_contraception_urban")
    with pytest.raises(OptionError, match="takes the place of random"):
        g.predict(random=False, re="integrated")
    with pytest.raises(OptionError, match="no prediction interval"):
        g.predict(re="integrated", interval="prediction")
    with pytest.raises(OptionError, match="re must be one of conditional, zero, integrated"):
        g.predict(re="none")
    with pytest.raises(DataError, match="urban"):
        g.predict({"age": [1.0], "livch": ["0"]}, re="integrated")


def test_known_variances_of_levels_count():
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 8), "x": rng.normal(size=160)})
    variances = np.linspace(0.5, 4, 20)
    effects = np.sqrt(variances) * rng.normal(size=20)
    data["count"] = rng.poisson(np.exp(0.3 * data["x"] + 0.6 * effects[data["g"]]))
    labels = np.random.default_rng(1).permutation(20)  # in another order than that of the data
    K = pd.DataFrame(np.diag(variances[labels]), index=labels, columns=labels)
    g = mm.glmm("count ~ x + (1 | g)", data, "poisson", cov={"g": K})
    v = g.varcorr.terms[0].cov[0, 0]
    eta = g.predict(data, random=False, type="link")
    wanted = np.exp(eta + v * variances[data["g"]] / 2)
    np.testing.assert_allclose(g.predict(re="integrated"), wanted, rtol=1e-9)
    wanted = np.exp(eta + v * variances.mean() / 2)
    np.testing.assert_allclose(g.predict(data, re="integrated"), wanted, rtol=1e-9)
