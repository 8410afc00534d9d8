"""Levels whose responses are all alike: standard deviations without a finite estimate are told."""

import warnings

import numpy as np
import pytest

import numbamm as mm

RNG = np.random.default_rng(3)
LEVELS = np.repeat(np.arange(30), 5)
PURE = np.arange(30) % 3 == 0
X = RNG.normal(size=150)
TOLD = r"standard deviation of \(1 \| g\) grows without limit.* in 30 of 30 levels of g all"


def frame(y, **columns):
    return {"y": np.asarray(y, dtype=float), "x": X, "g": LEVELS, **columns}


@pytest.mark.parametrize("nagq", [1, 9, 25])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_groups_that_are_all_alike(link, nagq):
    with pytest.warns(mm.NumbammWarning, match=TOLD):
        fit = mm.glmm("y ~ x + (1 | g)", frame(PURE[LEVELS]), "bernoulli", link, nagq=nagq)
    assert np.isnan([fit.llf, fit.aic, fit.bic]).all() and not fit.likelihood_holds
    assert np.isfinite(fit.objective)  # of the approximation
    assert "the approximation of the likelihood does not hold" in str(fit)


def test_counts_of_trials():
    with pytest.warns(mm.NumbammWarning, match=TOLD):
        mm.glmm(
            "cbind(s, f) ~ 1 + (1 | g)",
            frame(X, s=4.0 * PURE[LEVELS], f=4.0 * ~PURE[LEVELS]),
            "binomial",
            nagq=5,
        )


def test_one_group_with_counts():
    y = np.where(LEVELS == 4, RNG.poisson(1e9, 150), 0)
    with pytest.warns(mm.NumbammWarning, match=r"is as large as .* in 29 of 30 levels of g"):
        mm.glmm("y ~ 1 + (1 | g)", frame(y), "poisson")


def test_the_term_is_named_among_others():
    h = np.tile(np.arange(5), 30)
    with pytest.warns(mm.NumbammWarning, match=TOLD) as said:
        mm.glmm("y ~ x + (1 | g) + (1 | h)", frame(PURE[LEVELS], h=h), "bernoulli")
    assert not any("| h)" in str(w.message) for w in said)


def test_no_alarm():
    """Groups that are alike in part, or for a reason; a large variance that the data bound."""
    y = RNG.random(150) < 0.2  # by chance a third of the groups
    some = mm.glmm("y ~ x + (1 | g)", frame(y), "bernoulli")
    counts = np.where(PURE[LEVELS], RNG.poisson(5, 150), 0)
    zeros = mm.glmm("y ~ 1 + (1 | g)", frame(counts), "poisson")
    assert some.likelihood_holds and zeros.likelihood_holds
    assert zeros.theta[0] > 2 and np.isfinite(zeros.llf)


def test_a_row_a_level():
    """Single trials say nothing of a variance: none is kept, though one is lower by Laplace."""
    data = {"y": (RNG.random(150) < 0.2) * 1.0, "x": X, "g": np.arange(150)}
    with pytest.warns(mm.NumbammWarning, match="two minima: at 0 .* lower"):
        fit = mm.glmm("y ~ x + (1 | g)", data, "bernoulli")
    assert fit.likelihood_holds and fit.theta[0] < 1


def test_few_nodes_are_told():
    """Where more of them change the likelihood, and not where they do not."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(60), 8)
    y = rng.random(480) < 1 / (1 + np.exp(-5 * rng.normal(size=60)[g]))
    data = {"y": y * 1.0, "g": g}
    with pytest.warns(mm.NumbammWarning, match=r"nagq=3 nodes are too few.* with 7 nodes"):
        mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", nagq=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", nagq=25).llf)
