"""Rows that are equal but for their responses: fitted in cells, with the results of rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.models import cells

FORMULA = "y ~ x + (1 + x | g) + (1 | h)"


def survey(family, n=12_000, seed=5):
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(0, 20, n), rng.integers(0, 6, n), rng.integers(0, 3, n) - 1.0
    effects = 0.6 * rng.normal(size=(2, 20)), 0.4 * rng.normal(size=6)
    eta = -0.4 + 0.5 * x + effects[0][0][g] + 0.5 * effects[0][1][g] * x + effects[1][h]
    offset = np.where(g % 2, 0.3, 0.0)
    w = np.ones(n)
    match family:
        case "bernoulli":
            y = rng.random(n) < 1 / (1 + np.exp(-eta - offset))
        case "poisson":
            y = rng.poisson(np.exp(eta + offset))
        case "binomial":
            w = rng.integers(1, 4, n).astype(float)
            y = rng.binomial(w.astype(int), 1 / (1 + np.exp(-eta - offset))) / w
        case "negativebinomial":
            y = rng.negative_binomial(2, 2 / (2 + np.exp(eta + offset)))
    return pd.DataFrame({"y": y.astype(float), "x": x, "g": g, "h": h, "o": offset, "w": w})


def build(family, frame, **options):
    weights = "w" if family == "binomial" else None
    return mm.GeneralizedLinearMixedModel(
        FORMULA, frame, family, weights=weights, offset="o", **options
    )


@pytest.fixture(params=["bernoulli", "binomial", "poisson"], scope="module")
def pair(request):
    """The model in cells, and in rows."""
    frame = survey(request.param)
    merged = build(request.param, frame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MANY_ROWS", np.inf)
        rows = build(request.param, frame)
        rows.fit()
    return merged.fit(), rows


def test_there_are_cells(pair):
    merged, rows = pair
    assert rows._cells is None
    assert len(merged._cells.first) <= 20 * 6 * 3
    assert len(merged._modes.offset) == len(merged._cells.first)


def test_estimates_are_the_same(pair):
    merged, rows = pair
    assert_allclose(merged._start.gamma, rows._start.gamma, rtol=1e-8)
    assert merged.objective == pytest.approx(rows.objective, rel=1e-11)
    for what in ("beta", "theta", "bse", "fittedvalues", "resid"):
        assert_allclose(getattr(merged, what), getattr(rows, what), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(merged.b, rows.b, strict=True):
        assert_allclose(ours, theirs, atol=1e-5)
    assert (merged.nobs, merged.aic) == (rows.nobs, pytest.approx(rows.aic, rel=1e-11))


def test_objective_and_gradient_are_the_same(pair):
    merged, rows = pair
    x = np.concatenate([[0.1, 0.2], [0.7, 0.1, 0.3, 0.5]])
    ours, theirs = merged.objective_gradient(x), rows.objective_gradient(x)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    assert_allclose(ours[1], theirs[1], rtol=1e-8)


def test_what_rows_and_levels_tell_is_the_same(pair):
    merged, rows = pair
    assert_allclose(merged.leverage(), rows.leverage(), rtol=1e-4, atol=1e-9)
    for name in ("g", "h"):
        assert_allclose(merged.condvar()[name], rows.condvar()[name], rtol=1e-4, atol=1e-7)
    ours = mm.delete_levels(merged, "h").to_frame()
    assert_allclose(ours, mm.delete_levels(rows, "h").to_frame(), rtol=1e-3, atol=1e-4)


def test_a_new_response_is_merged_anew(pair):
    merged, rows = pair
    y = merged.frame.y[::-1].copy()
    if merged.family == "binomial":
        y = (y > 0.5).astype(float)
    assert merged.refit(y).objective == pytest.approx(rows.refit(y).objective, rel=1e-10)


def test_quadrature_is_the_same():
    frame, formula = survey("bernoulli"), "y ~ x + (1 | g)"
    merged = mm.GeneralizedLinearMixedModel(formula, frame, "bernoulli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MANY_ROWS", np.inf)
        rows = mm.GeneralizedLinearMixedModel(formula, frame, "bernoulli").fit(nagq=5)
    assert merged._cells
    assert merged.fit(nagq=5).objective == pytest.approx(rows.objective, rel=1e-11)


def test_rows_that_differ_are_left_alone():
    frame = survey("bernoulli")
    frame["x"] = np.random.default_rng(1).normal(size=len(frame))
    assert build("bernoulli", frame)._cells is None
    assert build("bernoulli", survey("bernoulli", n=9_000))._cells is None


def test_a_family_that_is_not_linear_in_its_response_is_left_alone():
    assert build("negativebinomial", survey("negativebinomial"))._cells is None
