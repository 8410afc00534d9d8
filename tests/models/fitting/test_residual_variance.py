"""Residual variances far below those of the random effects, and likelihoods without a maximum."""

import warnings

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.fitting.residual_variance import fits_anything

OPTIMIZERS = ["auto", "newton", "nlopt:LN_BOBYQA"]


def groups(seed=15):
    """Levels of unequal sizes, rows out of order, a covariate of levels and one of rows."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(14), rng.integers(2, 9, 14)))
    z, effects = rng.normal(size=14), rng.normal(50, 6, 14)
    slopes, others = rng.normal(0, 2, 14), rng.normal(0, 3, 4)
    rows = {"g": [f"level {i}" for i in g], "z": z[g], "x": rng.normal(size=len(g))}
    rows["h"] = rng.integers(0, 4, len(g))
    return rows, effects[g], slopes[g] * rows["x"], others[rows["h"]], rng.normal(size=len(g))


def fit(term, response, reml=False, optimizer="auto", **options):
    data = groups()[0] | {"y": response}
    return mm.lmm(f"y ~ z + {term}", data, reml=reml, optimizer=optimizer, **options)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-7])
def test_a_response_constant_within_levels_is_refused(noise, optimizer, reml):
    _, effects, _, _, e = groups()
    said = (mm.FitError, mm.NumbammWarning)  # BOBYQA may stop where the warning is due
    expected = said if "BOBYQA" in optimizer else mm.FitError
    with pytest.raises(expected, match=r"levels of g explain all but exactly.*averages"):
        fit("(1 | g)", effects + noise * e, reml, optimizer)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    ("term", "parts"),
    [("(x | g)", (1, 2)), ("(1 | g) + (1 | h)", (1, 3)), ("(1 | g) + (0 + x | g)", (1, 2))],
)
def test_so_is_one_of_constant_slopes_or_crossed_effects(term, parts, reml):
    response = sum(groups()[part] for part in parts)
    with pytest.raises(mm.FitError, match="cannot be distinguished from zero"):
        fit(term, response, reml)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"sigma": 1e-5}])
def test_rounding_errors_that_can_be_seen_are_told(options):
    rows, effects, _, _, e = groups()
    data = rows | {"y": effects + 1e-5 * e, "w": 1 + rows["x"] ** 2}
    with pytest.warns(mm.NumbammWarning, match="rounding errors can be seen"):
        mm.lmm("y ~ z + (1 | g)", data, **options)


@pytest.mark.parametrize("scale", [1.0, 1e8, 1e-8])
@pytest.mark.parametrize("shift", [0.0, 1e5])
@pytest.mark.parametrize("reml", [False, True])
def test_three_digits_below_are_right(reml, scale, shift):
    """Balanced one-way: closed forms from the mean squares between and within levels."""
    rng = np.random.default_rng(4)
    g = rng.permutation(np.repeat(np.arange(12), 5))
    y = rng.normal(size=12)[g] + 1e-3 * rng.normal(size=60)
    means = np.bincount(g, y) / 5
    within = ((y - means[g]) ** 2).sum() / 48
    between = 5 * ((means - means.mean()) ** 2).sum() / (11 if reml else 12)
    model = mm.lmm("y ~ 1 + (1 | g)", {"y": scale * (y + shift), "g": g}, reml=reml)
    assert model.sigma**2 / scale**2 == pytest.approx(within, rel=1e-4)
    expected = (between - within) / 5
    assert model.varcorr.terms[0].cov[0, 0] / scale**2 == pytest.approx(expected, rel=1e-3)
    assert model.bse.iloc[0] ** 2 / scale**2 == pytest.approx(between / 60, rel=1e-3)


@pytest.mark.parametrize("noise", [1e-4, 2e-5])
@pytest.mark.parametrize("reml", [False, True])
def test_what_is_warned_of_is_still_right_to_two_digits(reml, noise):
    """Unbalanced: as σ vanishes, β and its errors are those of regressing the levels' means."""
    rows, effects, _, _, e = groups()
    with pytest.warns(mm.NumbammWarning, match="rounding errors can be seen"):
        model = fit("(1 | g)", effects + noise * e, reml)
    _, first = np.unique(rows["g"], return_index=True)
    X = np.column_stack([np.ones(len(first)), rows["z"][first]])
    _, rss = np.linalg.lstsq(X, effects[first])[:2]
    variance = rss[0] / (len(first) - (2 if reml else 0))
    errors = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    assert model.bse.to_numpy() == pytest.approx(errors, rel=0.02)
    assert model.varcorr.terms[0].cov[0, 0] == pytest.approx(variance, rel=0.02)


def test_a_refused_refit_leaves_the_model_as_it_was():
    _, effects, _, _, e = groups()
    model = fit("(1 | g)", effects + e)
    before = model.objective, model.theta.tolist(), model.sigma
    with pytest.raises(mm.FitError, match="cannot be distinguished from zero"):
        model.refit(effects)
    assert (model.objective, model.theta.tolist(), model.sigma) == before
    assert model.refit(effects + e).objective == pytest.approx(before[0], abs=1e-8)


def saturated():
    """Two rows in one cell, one in all others."""
    rng = np.random.default_rng(3)
    g, h = np.divmod(np.arange(12), 3)
    return {"y": rng.normal(size=12), "x": rng.normal(size=12), "g": g, "h": np.append(h[:-1], 1)}


def test_effects_that_fit_anything_have_no_maximum_likelihood():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            mm.lmm("y ~ x + (1 | g/h)", saturated())
        except mm.FitError as refusal:
            said = [refusal]
    assert "without limit" in str(said[0]) or "cannot be distinguished from zero" in str(said[0])


@pytest.mark.parametrize(
    ("random", "anything"),
    [
        ("(1 | g/h)", False),
        ("(1 | g) + (0 + x | g) + (1 | h)", True),  # without (1 | h)
        ("(x | g)", True),
        ("(1 | h)", False),
    ],
)
def test_some_of_the_effects_may_fit_anything_where_all_have_the_rank_of_the_rows(random, anything):
    """Weights tell an effect for each row from the residuals, so that it is no reason to refuse."""
    rng = np.random.default_rng(5)
    data = {"y": rng.normal(size=8), "x": rng.normal(size=8), "z": rng.normal(size=8)}
    data |= {"g": [0, 0, 0, 1, 1, 2, 2, 2], "h": [f"level {i}" for i in range(8)]}
    formula, weights = f"y ~ x * z + {random}", np.linspace(1, 3, 8)
    model = mm.LinearMixedModel(formula, data, weights=weights)
    assert fits_anything(model) == anything


def test_fits_without_a_level_are_not_asked_whether_they_fit_anything():
    """Their columns are still those of all rows."""
    rng = np.random.default_rng(7)
    g, k = np.arange(60) % 6, np.arange(60) // 6 % 5
    data = {"x": rng.normal(size=60), "g": g, "k": k, "y": rng.normal(size=60) + g}
    model = mm.lmm("y ~ x + (1 + x | g:k) + (1 | g)", {**data, "k": k % 4})
    assert len(mm.delete_levels(model, "g").to_frame()) == 6
