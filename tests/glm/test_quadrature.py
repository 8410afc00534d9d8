"""Adaptive quadrature of one term, in one dimension and more."""

import numpy as np

import numbamm as mm


def log_likelihood_of_a_level(y, x, beta, lam):
    """By brute force: the integral over two random effects on a fine, wide grid."""
    u = np.linspace(-9, 9, 721)
    u0, u1 = np.meshgrid(u, u, indexing="ij")
    b0, b1 = lam[0, 0] * u0, lam[1, 0] * u0 + lam[1, 1] * u1
    log_f = -(u0**2 + u1**2) / 2 - np.log(2 * np.pi)
    for yi, xi in zip(y, x, strict=True):
        eta = beta[0] + b0 + (beta[1] + b1) * xi
        log_f += yi * eta - np.logaddexp(0, eta)
    return np.log(np.exp(log_f).sum()) + 2 * np.log(u[1] - u[0])


def test_quadrature_in_two_dimensions_converges():
    rng = np.random.default_rng(6)
    g, x = np.repeat(np.arange(8), 6), rng.normal(size=48)
    b = rng.normal(size=(8, 2)) * [1.2, 0.8]
    y = (rng.uniform(size=48) < 1 / (1 + np.exp(-(0.3 + b[g, 0] + (0.5 + b[g, 1]) * x)))) * 1.0
    model = mm.GeneralizedLinearMixedModel("y ~ x + (x | g)", {"y": y, "x": x, "g": g}, "bernoulli")
    beta, theta = np.array([0.2, 0.6]), np.array([1.1, -0.3, 0.7])
    lam = np.array([[1.1, 0.0], [-0.3, 0.7]])
    exact = -2 * sum(log_likelihood_of_a_level(y[g == j], x[g == j], beta, lam) for j in range(8))
    errors = []
    for k in (1, 3, 5, 9, 15):
        model.optsum.nagq = k
        errors.append(abs(model.objective_at(np.concatenate([beta, theta])) - exact))
    assert errors[0] > 0.1
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6
