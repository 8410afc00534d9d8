"""`check_zeroinflation`: expected zeros by scipy's distributions and by simulation."""

import numpy as np
import oracles
import pandas as pd
import pytest
from scipy import stats

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def test_zeros_expected(binomial, counts, inflated):
    """By scipy's distributions, at the conditional means."""
    mu, trials = binomial.estimates.fitted, binomial.frame.weights
    expected = stats.binom.pmf(0, trials, mu).sum()
    assert binomial.check_zeroinflation().frame["expected"].item() == pytest.approx(expected)
    found = inflated.check_zeroinflation().frame.loc["conditional"]
    P = stats.poisson.pmf(0, inflated.estimates.fitted)
    assert found["observed"] == (inflated.frame.y == 0).sum()
    assert found["expected"] == pytest.approx(P.sum())
    assert found["ratio"] == found["observed"] / found["expected"]
    z = (found["observed"] - 0.5 - P.sum()) / np.sqrt(np.sum(P * (1 - P)))
    assert found["pvalue"] == pytest.approx(stats.norm.sf(z), rel=1e-6)
    model = mm.glmm("y ~ 1 + (1 | g)", counts(0.4), "negativebinomial")
    k, mu = model.shape, model.estimates.fitted
    expected = stats.nbinom.pmf(0, k, k / (k + mu)).sum()
    assert model.check_zeroinflation().frame["expected"].item() == pytest.approx(expected)


def test_zero_inflation_is_found_where_it_is(counts, inflated):
    found = inflated.check_zeroinflation(100, seed=1)
    assert (found.frame["pvalue"] < 0.01).all()
    assert "More zeros than the model expects. A negative binomial" in repr(found)
    pd.testing.assert_frame_equal(found.frame, inflated.check_zeroinflation(100, seed=1).frame)
    plain = mm.glmm("y ~ 1 + (1 | g)", counts(0.0), "poisson").check_zeroinflation(100, seed=1)
    assert (plain.frame["pvalue"] > 0.05).all() and "No sign" in repr(plain)
    conditional, simulated = plain.frame["expected"]
    assert simulated == pytest.approx(conditional, rel=0.2)


def test_weights_of_counts_are_rows(counts):
    rows = counts(0.2).groupby(["y", "g"], as_index=False).size()
    joined = mm.glmm("y ~ 1 + (1 | g)", rows, "poisson", weights="size")
    plain = mm.glmm("y ~ 1 + (1 | g)", counts(0.2), "poisson")
    for check in (mm.check_zeroinflation, mm.check_overdispersion):
        np.testing.assert_allclose(check(joined).frame, check(plain).frame, rtol=1e-4)


def test_what_has_no_counts(fitted):
    linear = fitted(SLEEP, "sleepstudy")
    rows = oracles.dataset("cbpp").assign(any=lambda d: (d["incidence"] > 0).astype(int))
    single = mm.glmm("any ~ size + (1 | herd)", rows, "bernoulli", fast=True)
    for model, overdispersion, zeros in (
        (linear, "estimates its dispersion", "Gaussian family are not counts"),
        (single, "single trials cannot be overdispersed", "zeros of single trials"),
    ):
        with pytest.raises(mm.OptionError, match=overdispersion):
            model.check_overdispersion()
        with pytest.raises(mm.OptionError, match=zeros):
            model.check_zeroinflation()
    with pytest.raises(
        mm.OptionError, match="n must be a number of responses to simulate, at least 0, not -1"
    ):
        single.check_zeroinflation(-1)
