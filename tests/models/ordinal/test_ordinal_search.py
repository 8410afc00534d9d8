"""The searches of a fit."""

import numpy as np
import pytest
from ordinal_models import simulated

import numbamm as mm

FORMULA = "y ~ x + (1 | g)"


@pytest.fixture(scope="module")
def usual():
    return mm.clmm(FORMULA, simulated())


@pytest.mark.parametrize("optimizer", ["nlopt:LN_BOBYQA", "scipy:L-BFGS-B"])
def test_other_optimisers_end_at_the_same_place(usual, optimizer):
    other = mm.clmm(FORMULA, simulated(), optimizer=optimizer)
    assert other.objective == pytest.approx(usual.objective, abs=1e-6)
    np.testing.assert_allclose(other.params, usual.params, atol=1e-3 * usual.bse.max())


def test_other_starts_end_at_the_same_place(usual):
    model = mm.CumulativeLinkMixedModel(FORMULA, simulated())
    rng = np.random.default_rng(6)
    start = model.optsum.initial.copy()
    for _ in range(3):
        model.optsum.initial = start + np.r_[np.zeros(len(start) - 1), 2 * rng.uniform()]
        model.refit()
        assert model.objective == pytest.approx(usual.objective, abs=1e-6)


def test_quadrature_of_many_nodes_settles():
    values = [mm.clmm(FORMULA, simulated(), nagq=k).objective for k in (9, 21)]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_no_variance_is_certified_as_a_minimum():
    rng = np.random.default_rng(1)
    data = {"y": rng.integers(0, 3, 60), "g": np.arange(60) % 12}
    model = mm.clmm("y ~ 1 + (1 | g)", data)
    assert model.is_singular() and model.converged
    assert "local minimum" in str(model)
    assert model.objective == pytest.approx(model.objective_without_effects, abs=1e-6)


def test_limits_are_kept():
    model = mm.CumulativeLinkMixedModel(FORMULA, simulated())
    model.optsum.maxfeval = 2
    with pytest.warns(mm.ConvergenceWarning):
        model.fit()
    assert not model.converged
