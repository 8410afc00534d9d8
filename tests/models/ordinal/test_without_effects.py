"""The fit without random effects, where others begin."""

import numpy as np
import pytest
from ordinal_models import simulated
from scipy.optimize import minimize
from scipy.special import ndtr

import numbamm as mm
from numbamm.models.ordinal.without_effects import without_effects


def test_it_is_the_maximum_of_the_likelihood():
    data = simulated()
    model = mm.CumulativeLinkMixedModel("y ~ x + (1 | g)", data, "probit", scale="~ `odd name`")
    found = without_effects(model._modes, model.link_record)
    x, z = (data["x"] - 1e3) / 50, (data["odd name"] == "b").to_numpy()
    k = data["y"].cat.codes.to_numpy()

    def objective(p):
        alpha = np.r_[
            -np.inf, p[0], p[0] + np.exp(p[1]), p[0] + np.exp(p[1]) + np.exp(p[2]), np.inf
        ]
        s = np.exp(p[4] * z)
        p = ndtr((alpha[k + 1] - p[3] * x) / s) - ndtr((alpha[k] - p[3] * x) / s)
        return -2 * np.log(np.maximum(p, 1e-300)).sum()

    other = minimize(objective, [-1.0, 0.0, 0.0, 0.0, 0.0], method="BFGS", tol=1e-9)
    assert found.converged
    assert found.value == pytest.approx(other.fun, abs=1e-6)


@pytest.mark.parametrize("structure", ["flexible", "equidistant", "symmetric"])
def test_shares_that_do_not_suit_the_structure_are_no_obstacle(structure):
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(60), 1, 2, np.full(30, 3), 4]
    data = {"y": y, "x": rng.normal(size=len(y)), "g": np.arange(len(y)) % 5}
    model = mm.CumulativeLinkMixedModel("y ~ x + (1 | g)", data, threshold=structure)
    assert without_effects(model._modes, model.link_record).converged
