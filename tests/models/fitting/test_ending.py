"""Ends of generalized searches: at an edge, at no minimum, or where there may be another one."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.models.spaces.generalized_space import GeneralizedSpace

RNG = np.random.default_rng(17)
G = np.repeat(np.arange(12), 12)
X = RNG.normal(size=144)
B = RNG.normal(size=12)


def model(y, family, link, formula="y ~ x + (1 | g)", **options):
    data = {"y": np.asarray(y, dtype=float), "x": X, "g": G}
    return mm.GeneralizedLinearMixedModel(formula, data, family, link, **options)


@pytest.fixture(scope="module")
def at_the_edge():
    """Inverse Gaussian responses have a finite density at infinite means, where this fit ends."""
    rng = np.random.default_rng(8)
    g, x = np.repeat(np.arange(15), 20), rng.normal(size=300).round(3)
    eta = 0.2 + 0.5 * x + rng.normal(0, 0.6, 15)[g]
    data = {"y": rng.wald(np.exp(eta), 3).round(5) + 1e-5, "x": x, "g": g}
    with pytest.warns(mm.NumbammWarning, match=r"edge of what the link inverse.*such as log"):
        return mm.glmm("y ~ x + (1 | g)", data, "inversegaussian", "inverse")


def test_a_mode_at_the_edge_is_none():
    """Of counts that are all zero in a group the identity's mean falls to zero, not to a mode."""
    y = np.where(G < 3, 0, RNG.poisson(3.0, 144))
    built = model(y, "poisson", "identity", "y ~ 1 + (1 | g)")
    assert np.isnan(built.objective_at([2.5, 50.0]))
    assert np.isfinite(built.objective_at([2.5, 0.1]))


@pytest.mark.parametrize(
    ("family", "link", "y"),
    [
        ("bernoulli", "identity", RNG.random(144) < 0.06),
        ("bernoulli", "log", RNG.random(144) < 0.3),
        ("gamma", "inverse-squared", RNG.gamma(2, np.exp(B[G]))),
        ("poisson", "identity", RNG.poisson(np.exp(B[G]))),
    ],
)
def test_a_search_begins_where_there_is_a_mode(family, link, y):
    """With λ of one there is none: a smaller one does."""
    built = model(y, family, link, "y ~ 1 + (1 | g)")
    built.fit(optimizer="nlopt:LN_BOBYQA", progress=False)
    for theta in (0.3, 1.0):
        other = model(y, family, link, "y ~ 1 + (1 | g)")
        other.optsum.initial = [theta * built.theta[0] + 1e-3]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert built.objective < other.fit(progress=False).objective + 1e-6


def test_a_start_of_the_users_is_not_changed():
    y = RNG.random(144) < 0.06
    built = model(y, "bernoulli", "identity", "y ~ 1 + (1 | g)")
    built.optsum.initial = [30.0]
    with pytest.raises(mm.FitError, match=r"no mode at theta = \[30.*such as logit"):
        built.fit(progress=False)
    assert not built.is_fitted


def test_ends_at_the_edge_are_examined(at_the_edge):
    found = at_the_edge.check_convergence()
    assert not found.converged
    assert "The objective does not exist everywhere near" in repr(found)
    assert np.isfinite(at_the_edge.bse).all()


def test_convergence_where_no_derivative_is_known(at_the_edge, monkeypatch):
    n = len(at_the_edge.optsum.names)
    monkeypatch.setattr(
        GeneralizedSpace,
        "derivatives",
        lambda space, z: (np.full(n, np.nan), np.full((n, n), np.nan)),
    )
    found = at_the_edge.check_convergence()
    assert not found.converged and found.frame["largest_at"].isna().all()


@pytest.mark.parametrize(("family", "link"), [("gamma", "identity"), ("inversegaussian", "sqrt")])
def test_density_that_is_nearly_flat_is_no_optimum(family, link):
    """Towards where a mode ceases to be one, Laplace's determinant falls to zero."""
    rng = np.random.default_rng(200)
    g = rng.integers(0, 8, 44)
    y = np.exp(1.5 + rng.normal(size=8)[g]) * rng.gamma(2, 0.5, 44)
    data = {"y": y, "g": g}
    built = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", data, family, link)
    fit = mm.glmm("y ~ 1 + (1 | g)", data, family, link)
    best, at = fit.objective, fit.optsum.final
    for beta in at[0] * np.linspace(0.5, 2.0, 9):
        for log_phi in at[1] + np.linspace(-2, 2, 9):
            for theta in at[2] * np.geomspace(0.05, 20, 9) + 1e-3:
                value = built.objective_at([beta, log_phi, theta])
                assert not value < best - 1e-6, (beta, log_phi, theta)


def test_two_minima():
    """λ = 0 is one here; a search that begins at a fast fit's end would stay there."""
    rng = np.random.default_rng(202)
    from models.test_random_starts import draw

    formula, data, _ = draw(rng, "inversegaussian", "identity")
    fit = mm.glmm(formula, data, "inversegaussian", "identity")
    zero = fit.optsum.final.copy()
    built = mm.GeneralizedLinearMixedModel(formula, data, "inversegaussian", "identity")
    built.optsum.initial, built.optsum.lowerbd, built.optsum.upperbd = [0.0], [0.0], [0.0]
    assert fit.objective <= built.fit(progress=False).objective + 1e-9
    assert zero[-1] >= 0


# ---- responses far from their means -----------------------------------------------------------


@pytest.mark.parametrize("spread", [20.0, 60.0])
def test_units_that_differ_by_row(spread):
    """Gamma responses in other units, with the units' logarithms as offset, are the same."""
    offset = np.where(np.arange(144) % 2, spread, -spread)
    y = RNG.gamma(2, np.exp(0.3 * X + 0.5 * B[G]))
    here = mm.glmm("y ~ x + (1 | g)", {"y": y, "x": X, "g": G}, "gamma", "log")
    there = mm.glmm(
        "y ~ x + (1 | g) + offset(o)",
        {"y": y * np.exp(offset), "x": X, "g": G, "o": offset},
        "gamma",
        "log",
    )
    assert there.objective == pytest.approx(here.objective + 2 * offset.sum(), abs=1e-6)
    assert_allclose(there.params, here.params, atol=1e-6)
    assert_allclose(there.theta, here.theta, rtol=1e-4)
    for kind in ("deviance", "pearson"):
        assert_allclose(there.residuals(kind), here.residuals(kind), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["poisson", "negativebinomial"])
def test_exposures_of_next_to_nothing(family):
    """Rows whose means are as good as zero, and responses too, say nothing."""
    y, options = RNG.poisson(np.exp(0.5 + 0.5 * B[G])), {}
    if family == "negativebinomial":
        options = {"shape": 2.0}
    data = {"y": y * 1.0, "x": X, "g": G}
    tiny = {k: np.r_[v, v[:60]] for k, v in data.items()}
    tiny["y"][144:], tiny["o"] = 0.0, np.r_[np.zeros(144), np.full(60, -45.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        here = mm.glmm("y ~ x + (1 | g)", data, family, **options)
        there = mm.glmm("y ~ x + (1 | g) + offset(o)", tiny, family, **options)
    assert there.objective == pytest.approx(here.objective, abs=1e-7)
    assert_allclose(there.params, here.params, atol=1e-5)


@pytest.mark.parametrize("smallest", [1e-16, 1e-120, 1e-300])
def test_gamma_responses_next_to_zero(smallest):
    """-2 log-likelihood against the integral, level by level."""
    from scipy import stats

    rng = np.random.default_rng(2)
    y = rng.gamma(2, np.exp(1 + 0.5 * X + 0.4 * B[G]) / 2)
    y[::50] = smallest
    fit = mm.glmm("y ~ x + (1 | g)", {"y": y, "x": X, "g": G}, "gamma", "log", nagq=15)
    u, total = np.linspace(-9, 9, 4001), 0.0
    a, sd = 1 / fit.dispersion, fit.theta[0] * np.sqrt(fit.dispersion)
    for level in range(12):
        mine = level == G
        mu = np.exp((fit.params.iloc[0] + fit.params.iloc[1] * X[mine])[:, None] + sd * u)
        log_f = stats.gamma.logpdf(y[mine][:, None], a, scale=mu / a).sum(axis=0)
        log_f += stats.norm.logpdf(u)
        total += log_f.max() + np.log(np.trapezoid(np.exp(log_f - log_f.max()), u))
    assert fit.llf == pytest.approx(total, abs=1e-3)
