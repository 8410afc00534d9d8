"""SciPy as a plug-in: how options are translated, and what its return codes become."""

import numpy as np
import pytest
from numbamm_optimizers.scipy_backend import SciPy
from optimize.objectives import quadratic, quadratic_gradient

from numbamm.errors import NumbammWarning
from numbamm.optimize import Function, OptSummary, minimize


@pytest.fixture
def seen(monkeypatch):
    """What SciPy's minimize is called with."""
    import scipy.optimize

    calls, minimise = [], scipy.optimize.minimize

    def recorded(function, x0, **options):
        calls.append(options)
        return minimise(function, x0, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", recorded)
    return calls


@pytest.mark.parametrize("algorithm", SciPy.algorithms)
def test_every_algorithm_has_options_and_no_limit_of_its_own(algorithm, seen):
    optsum = OptSummary([1.0, 3.0], [0.0, -np.inf], optimizer=f"scipy:{algorithm}")
    optsum.max_restarts = 0
    minimize(Function(quadratic, gradient=quadratic_gradient), optsum)
    [call] = seen
    assert call["method"] == algorithm
    limits = [v for k, v in call["options"].items() if k in ("maxiter", "maxfev", "maxfun")]
    assert limits and min(limits) >= 2**31 - 1
    assert (call["bounds"] is not None) == SciPy.algorithms[algorithm].bounds
    assert (call["jac"] is True) == (SciPy.algorithms[algorithm].gradient != "none")
    assert optsum.fmin == pytest.approx(1.0, abs=1e-6)


def test_the_first_simplex_stays_within_the_bounds(seen):
    optsum = OptSummary([1.0, 3.0], [0.0, 0.0], upperbd=[1.2, 9.0], optimizer="scipy:Nelder-Mead")
    optsum.initial_step = [0.5, 0.5]
    minimize(quadratic, optsum)
    np.testing.assert_allclose(
        seen[0]["options"]["initial_simplex"], [[1.0, 3.0], [0.5, 3.0], [1.0, 3.5]]
    )


def test_a_search_that_gives_up_is_a_warning(monkeypatch):
    import scipy.optimize

    def gives_up(*_, **__):
        return scipy.optimize.OptimizeResult(success=False, status=9, message="no more")

    monkeypatch.setattr(scipy.optimize, "minimize", gives_up)
    optsum = OptSummary([1.0], [0.0], optimizer="scipy:SLSQP")
    with pytest.warns(NumbammWarning, match="no more"):
        minimize(quadratic, optsum)
    assert optsum.returnvalue == "FAILURE: no more"


def test_rounding_errors_are_no_failure(monkeypatch):
    import scipy.optimize

    def rounded(*_, **__):
        return scipy.optimize.OptimizeResult(success=False, status=2, message="ABNORMAL")

    monkeypatch.setattr(scipy.optimize, "minimize", rounded)
    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer="scipy:L-BFGS-B"))
    assert optsum.returnvalue == "ROUNDOFF_LIMITED"
