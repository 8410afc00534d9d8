"""Probabilities of categories and how they vary."""

import numpy as np
import pytest
from ordinal_models import simulated

import numbamm as mm


@pytest.fixture(scope="module")
def model():
    return mm.clmm("y ~ x + (1 + `odd name` | g) + (1 | h)", simulated(), scale="~ `odd name`")


def test_draws_follow_the_probabilities(model):
    drawn = model.simulate(seed=3, n=400, re_form="all")
    assert list(drawn.dtypes.unique()[0].categories) == model.categories
    share = np.array([(drawn == c).mean(axis=1) for c in model.categories]).T
    np.testing.assert_allclose(share, model.predict(), atol=0.15)
    np.testing.assert_allclose(share.mean(axis=0), model.predict().mean(), atol=0.01)


def test_draws_with_other_random_effects_and_parameters(model):
    again = model.simulate(seed=1)
    assert (model.simulate(seed=1) == again).all()
    psi = model.params.copy()
    psi[:3] += 50  # all below the lowest threshold
    assert (model.simulate(1, beta=dict(psi)) == "low").all()
    data = simulated().head(4).assign(x=[1e3, np.nan, 1e3, 1e3])
    assert model.simulate(1, newdata=data).isna().tolist() == [False, True, False, False]


def test_errors_count_how_modes_move_with_the_coefficients(model):
    """By refinding the modes at other coefficients."""
    root = np.linalg.cholesky(model.coefficient_covariance)
    [moved] = model.effects_along(root[:, :1])
    twin = model.twin()
    _, at = twin.values_at_estimates()
    change = np.linalg.solve(model.columns.to_user, 1e-2 * root[:, 0])
    twin._modes(at.theta, at.beta + change)
    from numbamm.models.generalized_estimates import effects_at_mode

    ahead = effects_at_mode(twin)[1]
    for b, ahead_b, slope in zip(model.b, ahead, moved, strict=True):
        np.testing.assert_allclose((ahead_b - b) / 1e-2, slope, atol=2e-3)


def test_variances_of_effects_are_the_conditional_ones(model):
    term = model.reterms[0]
    V = model.condvar()[term.group]
    n = term.nlevels
    refs, z = np.arange(n, dtype=np.int32), np.vstack([np.ones(n), np.zeros(n)])
    none = np.full(n, -1, dtype=np.int32), np.zeros((1, n))
    got = model.effect_variances([(refs, z), none])
    want = [V.loc[level].iloc[0, 0] for level in term.levels]
    np.testing.assert_allclose(got, want, rtol=1e-8)
