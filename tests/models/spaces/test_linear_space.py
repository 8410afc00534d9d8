"""The gradient of every linear oracle's objective, against differences of high order."""

import numpy as np
import pytest
from oracles import dataset, each_linear, theta_in_our_order

import numbamm
from numbamm.errors import NotFittedError, OptionError

#: Weights of f(θ + j h d) - f(θ - j h d), j = 1 ... 4, whose sum is 1 h d'∇f up to h⁸.
STENCIL = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])


def slope(f, theta, direction, h):
    """Derivative of f along a direction, by central differences of eighth order."""
    j = np.arange(1, 5)
    return (
        sum(
            weight * (f(theta + i * h * direction) - f(theta - i * h * direction))
            for weight, i in zip(STENCIL, j, strict=True)
        )
        / h
    )


def check(model, theta, seed, h=3e-3, scale=0.0):
    """Along a random direction of length one in columns of size one."""
    rng = np.random.default_rng(seed)
    direction = rng.choice([-1.0, 1.0], len(theta)) / np.sqrt(len(theta)) / model._column_sizes()
    value, gradient = model.objective_gradient(theta)
    assert value == model.objective_at(theta)
    expected = slope(model.objective_at, theta, direction, h)
    size = np.linalg.norm(gradient * direction)
    assert gradient @ direction == pytest.approx(expected, abs=1e-7 * max(size, scale))
    return size


@each_linear
def test_gradient(oracle, fitted_oracle):
    model = fitted_oracle(oracle)
    rng = np.random.default_rng(1)
    random = rng.uniform(0.3, 1.5, len(model.theta)) / model._column_sizes()
    scale = check(model, random, seed=2)
    zeroed = np.where(rng.uniform(size=len(random)) < 0.4, 0.0, random)
    check(model, zeroed, seed=3, scale=scale)
    columns = np.concatenate([t.structure.entries % t.p for t in model.reterms])
    check(model, np.where(columns == columns.max(), 0.0, random), seed=4, scale=scale)
    # At the optimum the gradient is nothing: what it may be wrong by is measured by others.
    check(model, theta_in_our_order(oracle, model.reterms), seed=5, scale=scale)


def shifted(rows=60):
    """Years as they come, in thousands of days: columns far from 0 and of odd size."""
    rng = np.random.default_rng(4)
    group = np.arange(rows) % 6
    year = 2000 + rng.uniform(0, 10, rows)
    y = (
        rng.normal(size=6)[group]
        + (year - 2005) * rng.normal(size=6)[group]
        + rng.normal(size=rows)
    )
    return {"y": y, "year": year, "odd": 1e5 * rng.normal(size=rows), "g": group.astype(str)}


@pytest.mark.parametrize(
    "random", ["(1 + year | g)", "(1 + year | g) + (0 + odd | g)", "zerocorr(1 + year + odd | g)"]
)
def test_gradient_in_the_users_columns(random):
    """The model searches in other columns than the user's; the gradient is the user's."""
    model = numbamm.LinearMixedModel(f"y ~ 1 + year + {random}", shifted())
    assert any(model.scalings)
    theta = model.theta + 0.3 / model._column_sizes()
    for seed in range(4):
        check(model, theta, seed)


def test_gradient_with_known_sigma_under_reml():
    model = numbamm.LinearMixedModel(
        "Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"), reml=True, sigma=30.0
    )
    check(model, np.array([0.9, 0.1, 0.2]), seed=1)


def test_hessian(fitted):
    model = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    hessian = model.hessian()
    np.testing.assert_array_equal(hessian, hessian.T)
    assert (np.linalg.eigvalsh(hessian) > 0).all()
    direction = np.array([0.3, 0.1, -0.2])
    h = 1e-3
    around = [model.objective_at(model.theta + j * h * direction) for j in (-2, -1, 0, 1, 2)]
    expected = np.dot([-1, 16, -30, 16, -1], around) / (12 * h**2)
    assert direction @ hessian @ direction == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(model.hessian(model.theta), hessian)


def test_what_cannot_be_differentiated(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    with pytest.raises(OptionError, match=r"theta must be 1 number \(Batch"):
        model.objective_gradient([1.0, 2.0])
    value, gradient = model.objective_gradient([np.nan])
    assert np.isnan(value) and np.isnan(gradient).all()
    assert np.isfinite(model.objective_gradient(model.theta)[0])
    unfitted = numbamm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dataset("Dyestuff"))
    with pytest.raises(NotFittedError):
        unfitted.hessian()
    assert unfitted.hessian([0.8]).shape == (1, 1)
