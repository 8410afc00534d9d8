"""The scale with which a search by gradients begins: about that of the objective's curvature."""

import numpy as np

import numbamm as mm
from numbamm.models.fitting.first_curvature import first_curvature
from numbamm.optimize.differences import hessian


def test_the_first_curvature_is_about_that_of_the_objective(cbpp):
    """Within a factor of some, which is what a search needs."""
    cbpp.fit()
    parameters = cbpp.parameters_of(cbpp.optsum.final)
    space = cbpp.space
    x = space.to_scaled(cbpp.optsum.final)
    exact = np.diag(hessian(space.objective, x, np.full(len(x), 1e-3)))
    about = first_curvature(cbpp, parameters.split(x), np.ones(len(x)), cbpp._modes.working_weights)
    ratio = about[-1] / exact[-1]
    assert 0.2 < ratio < 5
    assert isinstance(cbpp, mm.GeneralizedLinearMixedModel)
