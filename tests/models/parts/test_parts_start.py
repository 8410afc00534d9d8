"""Where fits of models of several parts begin, and models without random effects."""

import numpy as np
import pytest
from scipy.optimize import minimize

import numbamm as mm
from numbamm.models.parts.parts_start import RowsAlone, deviance_without_effects, starts_of_parts


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(7)
    x, g = rng.normal(size=150), rng.integers(0, 10, 150).astype(str)
    y = rng.poisson(np.exp(0.3 + x / 2)) * (rng.uniform(size=150) > 0.3)
    data = {"y": y.astype(float), "x": x, "g": g}
    return mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "nbinom2", zi="~ x")


def test_slopes_are_differences(model):
    alone, h = RowsAlone(model), 1e-5
    x = np.array([0.3, 0.4, 0.5, -0.6, 0.2])
    _, slopes = alone.value_and_slopes(x)
    for j in range(5):
        move = np.eye(5)[j] * h
        rise = alone.value(x + move) - alone.value(x - move)
        assert slopes[j] == pytest.approx(rise / (2 * h), rel=1e-6, abs=1e-5)
    assert (alone.curvature(x) > 0).all()


def test_the_start_is_the_best_without_random_effects(model):
    alone = RowsAlone(model)
    gamma, psi = starts_of_parts(model)[0]
    found = alone.value(np.concatenate([gamma, psi]))
    best = min(
        minimize(alone.value, np.random.default_rng(k).normal(size=5) / 2, method="Nelder-Mead",
                 options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-8}).fun
        for k in range(2)
    )  # fmt: skip
    assert found < best + 1e-2
    assert deviance_without_effects(model) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_skewed_distribution_is_found_on_either_side(sign):
    """At a skewness of 0 the derivative is zero: a search that began there would stay."""
    rng = np.random.default_rng(3)
    g = rng.integers(0, 12, 300)
    y = sign * rng.gamma(1.5, 1.0, 300) + 0.3 * rng.normal(size=12)[g]
    m = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g.astype(str)}, "skewnormal")
    assert sign * m.parts["value"].iloc[1] > 3


@pytest.mark.parametrize(
    ("cell", "words"), [("zero", "columns of hurdle separate.*s"), ("none", "none of")]
)
def test_zeros_that_are_separated_are_named(cell, words):
    rng = np.random.default_rng(6)
    g, x = rng.integers(0, 8, 120), rng.normal(size=120)
    y = 1.0 + rng.poisson(np.exp(0.5 + 0.3 * x))
    s = np.where(np.arange(120) < 25, "a", "b")
    if cell == "zero":
        y *= (rng.uniform(size=120) > 0.3) & (s == "b")
    data = {"y": y, "x": x, "s": s, "g": g.astype(str)}
    with pytest.warns(mm.NumbammWarning, match=words):
        mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "poisson", hurdle="~ s")


def test_cells_without_responses_above_the_hurdle_are_named():
    rng = np.random.default_rng(8)
    f, x = np.arange(90) % 3, rng.normal(size=90)
    y = (1.0 + rng.poisson(1.5, 90)) * (rng.uniform(size=90) > 0.3) * (f != 1)
    data = {"y": y, "x": x, "f": np.array(["u", "v", "w"])[f], "g": np.arange(90) % 7}
    with pytest.warns(mm.NumbammWarning, match=r"no estimates of f\[T.v\]"):
        mm.GeneralizedLinearMixedModel("y ~ x + f + (1 | g)", data, "poisson", hurdle="~ x")


def _steep(slope):
    rng = np.random.default_rng(43)
    x, g = rng.normal(size=90), rng.integers(0, 8, 90)
    y = 0.5 * rng.normal(size=8)[g] + rng.standard_t(3.0, 90)
    return {"y": y, "steep": y + slope * x, "x": x, "g": g.astype(str)}


@pytest.mark.parametrize("slope", [1e4, -3e5])
@pytest.mark.parametrize("family", ["student", "skewnormal"])
def test_scales_begin_at_those_of_residuals(family, slope):
    """A steep slope says nothing of the distribution around it."""
    starts = []
    for formula in ("y ~ x + (1 | g)", "steep ~ x + (1 | g)"):
        model = mm.GeneralizedLinearMixedModel(formula, _steep(slope), family)
        starts.append(model.part_lines.values(starts_of_parts(model)[0][1])[:, 0])
    np.testing.assert_allclose(*starts, atol=1e-2)


@pytest.mark.filterwarnings("ignore::numbamm.NumbammWarning")
@pytest.mark.parametrize("slope", [1e3, -1e4])
@pytest.mark.parametrize("family", ["student", "skewnormal"])
def test_a_steep_slope_moves_its_coefficient_alone(family, slope):
    level = mm.glmm("y ~ x + (1 | g)", _steep(slope), family)
    steep = mm.glmm("steep ~ x + (1 | g)", _steep(slope), family)
    assert steep.objective == pytest.approx(level.objective, abs=1e-4)
    assert steep.beta[1] - slope == pytest.approx(level.beta[1], abs=1e-2)


def _hurdle(seed):
    """Counts above a hurdle, whose start without random effects is at a dispersion of zero."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 12, 140)
    return {"y": 1.0 + rng.poisson(0.7, 140), "g": g.astype(str)}


@pytest.mark.parametrize(
    ("family", "limit"), [("truncated_nbinom1", -np.inf), ("truncated_nbinom2", np.inf)]
)
def test_a_parameter_at_its_limit_is_tried_inside_its_range_next(family, limit):
    model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", _hurdle(1), family)
    (_, first), (_, second), *_ = starts_of_parts(model)
    nu = [model.part_lines.values(psi)[0].mean() for psi in (first, second)]
    assert np.sign(limit) * nu[0] > 4
    assert abs(nu[1]) < 1
