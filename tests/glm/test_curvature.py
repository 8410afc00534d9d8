"""The scale of θ that a search begins with, against differences of a linear model's deviance."""

import numpy as np
import pytest
from oracles import dataset

import numbamm as mm
from numbamm.glm.curvature import theta_curvature


@pytest.mark.parametrize("term", ["(1 + Days | Subject)", "zerocorr(1 + Days | Subject)"])
def test_it_is_the_mean_of_the_second_derivative(term):
    """Averaged over responses of the model, with σ known and nothing else to estimate."""
    frame, rng, seen = dataset("sleepstudy"), np.random.default_rng(1), []
    model = mm.LinearMixedModel(f"Reaction ~ 0 + {term}", frame, sigma=1.0)
    (reterm,), theta = model.reterms, np.array([0.8, 0.3, 0.5])[: len(model.theta)]
    expected = theta_curvature(reterm, theta, np.ones(model.nobs))
    reterm.theta = theta
    Z = reterm.toarray() @ np.kron(np.eye(reterm.nlevels), reterm.lambda_)
    for _ in range(400):
        y = Z @ rng.standard_normal(Z.shape[1]) + rng.standard_normal(model.nobs)
        one = mm.LinearMixedModel(f"y ~ 0 + {term}", frame.assign(y=y), sigma=1.0)
        seen.append(np.diag(one.hessian(theta)))
    error = np.std(seen, axis=0) / np.sqrt(len(seen))
    assert (np.abs(np.mean(seen, axis=0) - expected) < 4 * error).all()  # fails once in 10⁴ seeds
    assert (error < 0.05 * expected).all()


def test_there_is_none_where_lambda_is_zero():
    term = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dataset("Dyestuff")).reterms[0]
    assert theta_curvature(term, np.zeros(1), np.ones(30)) == 0.0
