"""Modes of cumulative models: gradients, information, and the integral itself."""

import numpy as np
import pytest
from cumulative_cases import NAMES, Case
from scipy import special

from numbamm.optimize.differences import hessian, jacobian, slopes


@pytest.mark.parametrize("structure", ["flexible", "symmetric", "equidistant"])
@pytest.mark.parametrize("link", NAMES)
def test_the_gradient_is_that_of_differences_in_all_parts(link, structure):
    case = Case(link, structure)
    x = np.r_[case.psi, case.theta]
    case.objective(x)
    got = np.delete(case.modes.gradient(case.theta, case.psi), len(case.psi))
    want = slopes(case.objective, x, np.full(len(x), 1e-5))
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("link", NAMES)
def test_derivatives_of_the_rows_are_those_of_differences(link):
    case = Case(link)
    steps = np.full(len(case.psi), 1e-5)

    def value(psi):
        return case.modes.of_rows(psi) / 2

    def gradient(psi):
        value(psi)
        return case.modes.derivatives_of_rows()[0]

    np.testing.assert_allclose(gradient(case.psi), slopes(value, case.psi, steps), atol=2e-6)
    case.modes.of_rows(case.psi)
    curvature = case.modes.derivatives_of_rows()[1]
    np.testing.assert_allclose(curvature, jacobian(gradient, case.psi, steps), atol=2e-5)


@pytest.mark.parametrize("link", NAMES[:4])
def test_the_information_is_the_curvature_of_the_profiled_mode(link):
    case = Case(link)

    def penalised(psi):
        mode = case.modes(case.theta, np.array(psi))
        return (mode.deviance + mode.penalty) / 2

    want = hessian(penalised, case.psi, np.full(len(case.psi), 2e-3))
    penalised(case.psi)
    got = case.modes.information(case.theta, case.psi)
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-3)


CDF = {"probit": special.ndtr, "cloglog": lambda x: -np.expm1(-np.exp(x))}


@pytest.mark.parametrize("link", CDF)
def test_quadrature_is_the_integral(link):
    case = Case(link, n=30, crossed=False)
    assert case.modes(case.theta, case.psi).found
    got = case.modes.quadrature(30)
    x, w = np.polynomial.hermite_e.hermegauss(60)
    u, v = (axis.ravel() for axis in np.meshgrid(x, x))
    weights = np.outer(w, w).ravel() / w.sum() ** 2
    b = np.array([[0.7, 0.0], [0.2, 0.5]]) @ [u, v]
    [term], total = case.terms, 0.0
    for level in range(term.nlevels):
        rows = np.flatnonzero(term.refs == level)
        total -= 2 * np.log(weights @ np.exp(_log_densities(case, CDF[link], rows, b)))
    assert got == pytest.approx(total, abs=1e-6)


def _log_densities(case, F, rows, b):
    """Of the rows of a level, by the definition, for many random effects b."""
    parts, psi = case.parts, case.psi
    a = psi[: 2 * parts.T.shape[1]].reshape(2, -1)
    alpha = parts.nominal[rows] @ a @ parts.T.T
    eta = parts.location[rows] @ psi[-3:-1] + case.offset[rows]
    eta = eta[:, None] + case.terms[0].z[:, rows].T @ b
    scale = np.exp(parts.scale[rows] @ psi[-1:])[:, None]
    log_f = 0.0
    for i, k in enumerate(parts.y[rows]):
        upper = F((alpha[i, k] - eta[i]) / scale[i]) if k < 3 else 1.0
        lower = F((alpha[i, k - 1] - eta[i]) / scale[i]) if k > 0 else 0.0
        log_f = log_f + case.w[rows[i]] * np.log(np.maximum(upper - lower, 1e-300))
    return log_f


def test_thresholds_in_the_wrong_order_have_no_mode():
    case = Case()
    psi = case.psi.copy()
    psi[:3] = psi[:3][::-1]
    assert not case.modes(case.theta, psi).found
    assert case.modes(case.theta, case.psi).found  # and what comes later is not harmed
