"""What models with a residual side do not do, and what they do."""

import numpy as np
import pytest
from models.residual_side.test_side import D
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def correlated():
    return mm.lmm("y ~ x + (1 | item)", D, residual="ar1(t | g)")


@pytest.fixture(scope="module")
def strata():
    return mm.lmm("y ~ x + (1 | item)", D, weights="w", dispersion="~ x")


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.delete_levels("item"),
        lambda m: m.influence(),
        lambda m: m.cooks_distance(),
        lambda m: m.without_rows(np.arange(3)),
    ],
)
def test_refusals_name_the_structure(correlated, ask):
    with pytest.raises(OptionError, match=r"ar1\(t \| g\)"):
        ask(correlated)


def test_rows_with_deviations_of_their_own_have_influence(strata):
    """As after division by them."""
    d = np.exp(strata.residual_side.parameters(strata.residual_side.phi, 1.0)["dispersion.x"] * D.x)
    same = mm.LinearMixedModel("y ~ x + (1 | item)", D, weights=D.w / d**2)
    same.optsum.initial = strata.theta
    same.estimate_at(strata.theta)
    for name in ("leverage", "pearson", "cooks"):
        assert_allclose(strata.influence()[name], same.influence()[name], rtol=1e-6)


def test_residuals_that_are_uncorrelated(correlated):
    side = correlated.residual_side
    R, e = side.at_rows(np.arange(len(D))), correlated.resid.to_numpy()
    z = correlated.residuals("normalized").to_numpy()
    assert_allclose(z @ z, e @ np.linalg.solve(R, e) / correlated.sigma**2)
    assert_allclose(side.correlated(side.uncorrelated(e)), e, atol=1e-12)
    assert len(correlated.plot.qq().lines)


def test_plain_models_have_normalized_residuals():
    m = mm.lmm("y ~ x + (1 | item)", D, weights="w")
    expected = m.resid * np.sqrt(D.w) / m.sigma
    assert_allclose(m.residuals("normalized"), expected)


def test_responses_are_drawn_with_the_structure(correlated):
    """The mean of y y' over many draws, less what the random effects have."""
    y = correlated.simulate(3, n=4000, re_form="all").to_numpy()
    e = y - correlated.fittedvalues.to_numpy()[:, None]
    R = correlated.residual_side.at_rows(np.arange(len(D)))
    V = correlated.sigma**2 * R
    assert_allclose(e @ e.T / 4000, V, atol=0.12 * V.max())


def test_the_bootstrap_keeps_the_parameters_of_residuals(correlated):
    b = correlated.bootstrap(4, seed=1, progress=False)
    assert b.frame["rho|Residual"].nunique() == 4
    assert "rho|Residual" in b.conf_int().index


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.plot.ranef(),
        lambda m: m.plot.shrinkage(),
        lambda m: m.plot.fit(),
        lambda m: m.plot.varcorr(),
        lambda m: m.ranova(),
    ],
)
def test_models_without_random_effects(ask):
    m = mm.lmm("y ~ x", D, residual="hetar1(t | g)")
    assert dict(m.ranef()) == {} and "groups" not in str(m)
    assert m.ranef(condvar=True).shape == (0, 7) and len(m.plot.diagnostics()) == 3
    with pytest.raises(OptionError, match="is about random effects, and y ~ x has none"):
        ask(m)


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"residual": "ar1(t | g)"}, ["Std.Dev.", "rho (ar1)"]),
        ({"residual": "cs(t | g)"}, ["Std.Dev.", "Corr."]),
        ({"dispersion": "exp(x)"}, ["Std.Dev.", "rate"]),
    ],
)
def test_tables_without_random_effects_show_the_residuals(options, lines):
    m = mm.lmm("y ~ x", D, **options)
    for text in (str(m), str(m.summary()), m.summary().to_html()):
        assert all(line in text for line in lines)
    assert f"{m.varcorr.rows()[0][3]:.3f}"[:4] in str(m)
    assert "rows; ." not in str(m.power("x", n=2, seed=1, progress=False))
    with pytest.raises(OptionError, match="the model has no random effects"):
        m.heritability("g")


def test_random_effects_are_dropped_beside_the_residual_side(correlated):
    table = correlated.ranova().to_frame()
    none = mm.lmm("y ~ x", D, residual="ar1(t | g)")
    assert_allclose(table["llf"].iloc[1], none.llf, rtol=1e-8)


def test_power_draws_with_the_structure(correlated):
    assert correlated.power("x", n=3, seed=1, progress=False).to_frame()["fits"].iloc[0] == 3


def test_tables_of_models_have_the_parameters_of_residuals(correlated):
    visits = mm.lmm("y ~ x", D[D.t < 4], residual="us(t | g)")
    text = str(mm.modeltable(correlated, visits))
    assert "Residual: rho (ar1)" in text and "Residual: SD 3" in text
    assert "Residual: corr. 0, 1" in text
    table = visits.varcorr.to_frame().set_index(["name1", "name2"])
    V = visits.residual_covariance()
    assert_allclose(table.loc[("0", "3"), "variance"], V.loc["0", "3"])
