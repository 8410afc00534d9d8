"""`check_overdispersion`: Pearson's statistic of counts and proportions."""

import numpy as np
import pytest
from scipy import stats

import numbamm as mm


def test_overdispersion(binomial, inflated):
    found = binomial.check_overdispersion()
    line = found.frame.loc["Pearson"]
    mu, w = binomial.estimates.fitted, binomial.frame.weights
    chisq = np.sum(w * (binomial.frame.y - mu) ** 2 / (mu * (1 - mu)))
    assert line["chisq"] == pytest.approx(chisq) and line["df"] == 51
    assert line["pvalue"] == pytest.approx(stats.chi2.sf(chisq, 51))
    assert "No sign of overdispersion" in repr(found)
    found = mm.check_overdispersion(inflated)
    assert found.frame["ratio"].item() == pytest.approx(inflated.pearson_ratio) and (
        inflated.pearson_ratio > 1.2
    )
    assert "A negative binomial family or a random effect" in repr(found)
