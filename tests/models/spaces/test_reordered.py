"""The order of columns in which λ has no curved valley."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.spaces import reordered


def test_columns_are_reordered_in_their_block_where_lambda_is_curved():
    rng = np.random.default_rng(3)
    data = {name: rng.normal(size=90) for name in "yxzv"} | {"g": np.arange(90) % 9}
    model = mm.LinearMixedModel("y ~ x + (1 + x + z | g) + (0 + v | g)", data)
    assert reordered.straightened(model) is None  # λ = I
    model._set_theta(np.array([0.01, 0.3, 2.0, 0.5, 0.1, 0.3, 0.0]))
    [scaling] = reordered.straightened(model)
    order = scaling.T @ np.arange(4)
    assert order.tolist() == [2, 1, 0, 3]
    led = model.in_columns([scaling])
    z = led.scaled.to_scaled(model.theta)
    assert led.space.objective(z) == pytest.approx(model.objective_at(model.theta), rel=1e-12)
    led._set_theta(model.theta)
    assert reordered.straightened(led) is None
