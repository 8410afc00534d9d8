"""The parametric bootstrap: its distribution, its seeds, and what is kept of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import numbamm as mm
from numbamm.errors import DataError, NotFittedError, OptionError
from numbamm.inference.resampling.bootstrap import shortest

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
DYE = "Yield ~ 1 + (1 | Batch)"


def test_distribution_is_that_of_row_wise_simulation(sleep, replicates):
    """Kolmogorov and Smirnov's test of six parameters; errs once in 10,000 seeds, which is fixed.

    `simulate` draws for the rows from its own random numbers, and `refit` fits with the default
    optimiser.
    """
    twin, rng = mm.lmm(SLEEP, mm.datasets.load("sleepstudy")), np.random.default_rng(8)
    lines = np.array(
        [
            replicates.names.row_of(twin.refit(sleep.simulate(rng), progress=False))
            for _ in range(300)
        ]
    )
    p = [ks_2samp(a, b).pvalue for a, b in zip(lines.T[1:], replicates.values.T[1:], strict=True)]
    assert len(p) == 6
    assert min(p) > 1e-4 / 6


def test_a_balanced_design_follows_its_mean_squares(fitted):
    """REML of six batches of five is a function of two χ²; β* is normal with the Wald variance.

    Three tests of Kolmogorov and Smirnov, which err once in 10,000 seeds; both seeds are fixed.
    """
    model, rng = fitted(DYE, "Dyestuff", reml=True), np.random.default_rng(1)
    sigma2, tau2 = model.sigma**2, model.varcorr["Batch"].variances[0]
    within = sigma2 * rng.chisquare(24, 4000) / 24
    between = (sigma2 + 5 * tau2) * rng.chisquare(5, 4000) / 5
    singular = between < within
    residual = np.where(singular, (24 * within + 5 * between) / 29, within)
    sd = np.sqrt(np.maximum(0, (between - within) / 5))
    beta = rng.normal(model.params.iloc[0], model.bse.iloc[0], 4000)
    frame = model.bootstrap(4000, seed=2).frame
    for column, exact in (
        ("sigma", np.sqrt(residual)),
        ("sd_Intercept|Batch", sd),
        ("beta_Intercept", beta),
    ):
        assert ks_2samp(frame[column].round(3), exact.round(3)).pvalue > 1e-4 / 3
    error = np.sqrt(2 * singular.mean() / 4000)
    assert abs(frame["singular"].mean() - singular.mean()) < 5 * error


def test_the_frame_depends_on_the_seed_alone(sleep, replicates):
    one = sleep.bootstrap(150, seed=1, workers=1)
    assert one.frame.equals(replicates.frame.iloc[:150])
    few = sleep.bootstrap(80, seed=1)
    for _ in range(15):  # in batches of one
        few = few.extend(4)
    assert few.frame.equals(replicates.frame.iloc[: few.n])
    assert not np.allclose(sleep.bootstrap(5, seed=2).values, one.values[:5])
    assert sleep.bootstrap(2).key != sleep.bootstrap(2).key


def test_extend_goes_on_with_the_streams(sleep, replicates):
    more = sleep.bootstrap(70, seed=1).extend(80, workers=2)
    assert more.n == 150
    assert more.frame.equals(replicates.frame.iloc[:150])
    with pytest.raises(OptionError, match="not the one of these replicates"):
        replicates.extend(5, model=mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), reml=True))


def test_the_frame(sleep, replicates):
    frame = replicates.frame
    assert list(frame.columns) == [
        "objective",
        "sigma",
        "beta_Intercept",
        "beta_Days",
        "theta_Subject.Intercept",
        "theta_Subject.Days.Intercept",
        "theta_Subject.Days",
        "sd_Intercept|Subject",
        "sd_Days|Subject",
        "cor_Days.Intercept|Subject",
        "singular",
    ]
    assert frame.index.tolist() == list(range(1000))
    assert_allclose(
        replicates.estimates["sd_Intercept|Subject":],
        [*sleep.varcorr["Subject"].sd, sleep.varcorr["Subject"].corr[1, 0]],
    )
    twin = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))
    for i in np.flatnonzero(frame["singular"])[:3]:
        twin._set_theta(replicates.values[i, 4:])
        assert twin.is_singular()
    assert 0 < replicates.n_singular < 200
    assert replicates.n_failed == 0


def test_intervals(replicates):
    values = replicates.frame["beta_Days"].to_numpy()
    tails = replicates.conf_int(0.1, method="equal-tailed").loc["beta_Days"]
    assert_allclose(tails, np.quantile(values, [0.05, 0.95]))
    short = replicates.conf_int(0.1).loc["beta_Days"]
    assert short[1] - short[0] <= tails[1] - tails[0]
    assert ((values >= short[0]) & (values <= short[1])).sum() == 900
    some = replicates.conf_int(singular=False)
    assert some.loc["sd_Days|Subject", 0] >= 0
    assert shortest(np.array([0.0, 5.0, 6.0, 7.0, 30.0]), 0.4) == (5.0, 7.0)
    with pytest.raises(OptionError, match="shortest, equal-tailed, bca"):
        replicates.conf_int(method="normal")
    with pytest.raises(OptionError, match="alpha"):
        replicates.conf_int(95)


def test_pvalues():
    """Least where no replicate crosses zero; uniform where β is zero."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(10), 6)
    x = rng.normal(size=60)
    y = 5 + 1e-9 * x + rng.normal(size=10)[g] + rng.normal(size=60)
    b = mm.lmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}).bootstrap(199, seed=1)
    p = b.pvalues()
    assert p["Intercept"] == 2 / 200
    beta = b.frame["beta_x"]
    assert_allclose(p["x"], min(1, 2 * (1 + min((beta <= 0).sum(), (beta >= 0).sum())) / 200))


def test_tables(replicates):
    text = str(replicates)
    assert "Parametric bootstrap: Reaction" in text
    assert f"1000 replicates; {replicates.n_singular} singular, 0 failed." in text
    assert "<table" in replicates._repr_html_()


def test_errors_in_words(sleep):
    unfitted = mm.LinearMixedModel(DYE, mm.datasets.load("Dyestuff"))
    with pytest.raises(NotFittedError, match="call fit"):
        mm.bootstrap(unfitted, 10)
    for n in (0, -3, 2.5):
        with pytest.raises(OptionError, match="n must be"):
            mm.bootstrap(sleep, n)
    for workers in (0, -2, 1.5, "two"):
        with pytest.raises(OptionError, match="workers must be"):
            sleep.bootstrap(10, workers=workers)
    with pytest.raises(OptionError, match="seed"):
        sleep.bootstrap(10, seed="one")
    empty = mm.Bootstrap._of(sleep, 1)
    with pytest.raises(DataError, match="no replicate"):
        empty.conf_int()
