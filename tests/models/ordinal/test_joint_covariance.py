"""The covariance of all coefficients."""

import numpy as np
from ordinal_models import simulated

import numbamm as mm
from numbamm.models.ordinal.joint_covariance import joint_covariance
from numbamm.optimize.differences import hessian


def test_it_is_the_inverse_of_the_information_in_all_parameters():
    model = mm.clmm("y ~ `odd name` + (1 | g)", simulated(), scale="~ `odd name`")
    x = model.optsum.final
    step = np.full(len(x), 5e-3)
    whole = np.linalg.inv(hessian(model.objective_at, x, step) / 2)
    size = len(model.params)
    np.testing.assert_allclose(
        joint_covariance(model, True), whole[:size, :size], rtol=2e-3, atol=1e-4
    )


def test_the_intercept_of_means_is_minus_the_mean_threshold():
    model = mm.clmm("y ~ `odd name` + (1 | g)", simulated())
    low, high = model.emmeans("odd name").frame["mean"]
    assert np.isclose(low, -model.thresholds.mean())
    assert np.isclose(high - low, model.params["odd name[T.b]"])
    average = np.r_[-np.ones(3) / 3, 0]
    se = np.sqrt(average @ model.cov_params() @ average)
    assert np.isclose(model.emmeans("odd name").frame["se"].iloc[0], se)
