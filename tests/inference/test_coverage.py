"""How often 95 % intervals hold the truth: studies of minutes, run by ``pytest -m slow``.

Profile and percentile intervals are exact only in large samples, so that a study asks whether the
coverage lies in a range that is stated. Each parameter is tested by binomial tails: if its coverage
is in the range, the test errs with a probability of at most 1e-4 over seeds, of which one is fixed.
"""

import numpy as np
import pytest
from scipy.stats import binom

import numbamm as mm

pytestmark = pytest.mark.slow

ERROR = 1e-4

GROUPS, ROWS = 20, 5


@pytest.fixture
def rows():
    """Groups of rows, with a column that varies within them."""
    rng = np.random.default_rng(7)
    return {"g": np.repeat(np.arange(GROUPS), ROWS), "x": rng.normal(size=GROUPS * ROWS)}


def gaussian(rng, rows):
    """β = (1, ½), τ = 1, σ = 1."""
    b = rng.normal(size=GROUPS)[rows["g"]]
    return 1 + 0.5 * rows["x"] + b + rng.normal(size=GROUPS * ROWS)


def poisson(rng, rows):
    """β = (1, ½), τ = ½."""
    eta = 1 + 0.5 * rows["x"] + 0.5 * rng.normal(size=GROUPS)[rows["g"]]
    return rng.poisson(np.exp(eta)).astype(float)


def study(truth, intervals, n, lower, upper, capsys):
    """Check the coverage of intervals, a frame for each of n responses, and print it."""
    hits = np.zeros(len(truth))
    for i in range(n):
        limits = intervals(np.random.default_rng(i)).loc[list(truth)]
        hits += (limits[0] <= list(truth.values())) & (list(truth.values()) <= limits[1])
    coverage = dict(zip(truth, (hits / n).round(4).tolist(), strict=True))
    with capsys.disabled():
        print(f"\n{n} responses, coverage of 95 % intervals: {coverage}")
    assert (binom.sf(hits - 1, n, upper) > ERROR / 2).all(), f"above {upper}: {coverage}"
    assert (binom.cdf(hits, n, lower) > ERROR / 2).all(), f"below {lower}: {coverage}"


def test_profile_intervals(rows, capsys):
    """Between 92 and 96 %: maximum likelihood takes β for known."""
    model = mm.lmm("y ~ x + (1 | g)", {**rows, "y": gaussian(np.random.default_rng(1), rows)})

    def intervals(rng):
        return model.refit(gaussian(rng, rows)).profile(alpha=0.05).conf_int()

    truth = {"sigma": 1.0, "sd_Intercept|g": 1.0, "Intercept": 1.0, "x": 0.5}
    study(truth, intervals, 2000, 0.92, 0.96, capsys)


def test_profile_intervals_of_counts(rows, capsys):
    """Between 91 and 96 %."""
    model = mm.glmm(
        "y ~ x + (1 | g)", {**rows, "y": poisson(np.random.default_rng(1), rows)}, "poisson"
    )

    def intervals(rng):
        return model.refit(poisson(rng, rows)).profile(alpha=0.05).conf_int()

    truth = {"sd_Intercept|g": 0.5, "Intercept": 1.0, "x": 0.5}
    study(truth, intervals, 1000, 0.91, 0.96, capsys)


@pytest.mark.parametrize("method", ["shortest", "equal-tailed"])
def test_bootstrap_intervals(rows, method, capsys):
    """Between 89 and 96 %, by REML: percentiles repeat the estimate's bias."""
    model = mm.lmm(
        "y ~ x + (1 | g)", {**rows, "y": gaussian(np.random.default_rng(1), rows)}, reml=True
    )

    def intervals(rng):
        replicates = model.refit(gaussian(rng, rows)).bootstrap(500, seed=1)
        return replicates.conf_int(method=method)

    truth = {"sigma": 1.0, "sd_Intercept|g": 1.0, "beta_Intercept": 1.0, "beta_x": 0.5}
    study(truth, intervals, 1000, 0.89, 0.96, capsys)


def test_studentised_intervals(rows, capsys):
    """Between 92 and 97 %, by REML: estimates of variances near zero have wide errors."""
    model = mm.lmm(
        "y ~ x + (1 | g)", {**rows, "y": gaussian(np.random.default_rng(1), rows)}, reml=True
    )

    def intervals(rng):
        replicates = model.refit(gaussian(rng, rows)).bootstrap(150, seed=1, errors=True)
        return replicates.conf_int(method="studentised")

    truth = {"sigma": 1.0, "sd_Intercept|g": 1.0, "beta_Intercept": 1.0, "beta_x": 0.5}
    study(truth, intervals, 250, 0.92, 0.97, capsys)


def clustered(rng, count):
    """Few clusters of unequal sizes, with a covariate of clusters and unequal variances.

    The model does not know that slopes differ, nor that the variance increases with the covariate.
    """
    sizes = rng.integers(3, 15, count)
    g = np.repeat(np.arange(count), sizes)
    d = {"g": g, "x": rng.normal(size=len(g)), "z": (rng.permutation(count) % 2)[g] * 1.0}
    b = rng.normal(size=(2, count))[:, g]
    noise = rng.normal(size=len(g)) * (0.5 + np.abs(d["x"]))
    return d | {"y": 1 + 0.5 * d["x"] + b[0] + 0.5 * b[1] * d["x"] + noise}


CLUSTERED = {"Intercept": 1.0, "x": 0.5, "z": 0.0}


@pytest.mark.parametrize("count", [12, 20])
@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_robust_intervals_of_few_clusters(count, capsys):
    """CR2 with Satterthwaite's degrees of freedom: between 93 and 97.5 %."""

    def intervals(rng):
        m = mm.lmm("y ~ x + z + (1 | g)", clustered(rng, count), reml=True)
        return m.coef_table(robust="CR2").frame[["lower", "upper"]].set_axis([0, 1], axis=1)

    study(CLUSTERED, intervals, 1000, 0.93, 0.975, capsys)


@pytest.mark.parametrize(
    ("method", "lower", "upper"), [("studentised", 0.9, 0.98), ("equal-tailed", 0.87, 0.95)]
)
@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_bootstraps_of_fifteen_clusters(method, lower, upper, capsys):
    """Percentiles of whole clusters are too close, as few clusters vary too little."""

    def intervals(rng):
        m = mm.lmm("y ~ x + z + (1 | g)", clustered(rng, 15), reml=True)
        replicates = m.bootstrap(150, seed=1, kind="cases", errors=method == "studentised")
        found = replicates.conf_int(method=method)
        return found.rename(lambda name: name.removeprefix("beta_"))

    study(CLUSTERED, intervals, 300, lower, upper, capsys)
