"""Where the Laplace approximation is far from the integral, the table advises quadrature."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.fitting.laplace_check import change_by_quadrature


@pytest.fixture(scope="module")
def data():
    """Two responses a level, whose effects are large."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(150), 2)
    eta = 2.5 * rng.normal(size=150)[g] + 0.5
    return {
        "y": (rng.random(300) < 1 / (1 + np.exp(-eta))).astype(float),
        "some": rng.poisson(np.exp(0.6 * eta - 2)) * (rng.random(300) < 0.7) * 1.0,
        "count": rng.poisson(4.0, 300) * 1.0,
        "g": g.astype(str),
        "h": rng.integers(0, 5, 300).astype(str),
    }


@pytest.mark.parametrize(
    ("response", "family"), [("y", "bernoulli"), ("some", "nbinom1"), ("count", "poisson")]
)
def test_the_table_advises_quadrature_by_how_much_it_changes(data, response, family):
    model = mm.glmm(f"{response} ~ 1 + (1 | g)", data, family)
    nodes, change = change_by_quadrature(model)
    text = str(model.summary())
    if family == "poisson":
        assert abs(change) < 1 and "not accurate" not in text
    else:
        assert abs(change) > 1 and f"{change:+.2f}" in text and f"nagq={nodes}" in text
    twin = mm.GeneralizedLinearMixedModel(f"{response} ~ 1 + (1 | g)", data, family)
    twin.optsum.nagq = nodes
    there = twin.objective_at(model.optsum.final)
    assert there - model.objective == pytest.approx(change, abs=1e-6)


def test_several_terms_are_not_compared(data):
    model = mm.glmm("y ~ 1 + (1 | g) + (1 | h)", data, "bernoulli")
    assert change_by_quadrature(model) == (0, 0.0)
    assert "not accurate" not in str(model)
