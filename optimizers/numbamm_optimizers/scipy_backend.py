"""The minimisers of `scipy.optimize`."""

from __future__ import annotations

import math
import sys
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from numbamm.optimize import Algorithm, Problem

#: Evaluations and iterations are limited by numbamm, if at all; scipy's own limits are off.
_UNLIMITED = sys.maxsize
#: How many times the rounding error of one number the objective is taken to be wrong by.
_NOISE = 4 * np.finfo(float).eps
#: Return codes by which a line search says that differences drown in rounding error.
_ROUNDOFF = {"L-BFGS-B": 2, "BFGS": 2, "SLSQP": 8, "TNC": 4}


class SciPy:
    """SciPy's `minimize`, with the options of `OptSummary` translated.

    ============  =========================================================================
    Nelder-Mead   ``xatol`` = xtol_abs, ``fatol`` = ftol_abs, first simplex from initial_step
    Powell        ``xtol`` = l, ``ftol`` = f; first directions from initial_step
    COBYQA        ``initial_tr_radius`` from initial_step, ``final_tr_radius`` = x
    COBYLA        ``rhobeg`` from initial_step, ``tol`` = x
    L-BFGS-B      ``ftol`` = f, ``gtol`` = g
    BFGS          ``gtol`` = g, ``xrtol`` = xtol_rel
    SLSQP         ``ftol`` = ftol_abs
    TNC           ``ftol`` = ftol_abs, ``gtol`` = g
    trust-constr  ``initial_tr_radius`` from initial_step, ``xtol`` = x, ``gtol`` = g
    ============  =========================================================================

    Here f is the larger of ftol_rel and ftol_abs / abs(initial objective), since SciPy's is a
    relative tolerance. Methods that know no tolerance for the objective itself get one for the
    parameters or the gradient at which an objective with curvature around 1 is within ftol_abs
    of its minimum: g = √ftol_abs / 10, x = max(xtol_abs, √ftol_abs / 100), and for line searches
    l = max(xtol_rel, √ftol_abs). Where one radius stands for all parameters it is the smallest.

    trust-constr is not shown the bounds: its barrier would end short of a minimum that lies on
    one.

    The last five use gradients, and forward differences where the model has none; the
    evaluations for those count as any other. Their step is the square root of the objective's
    rounding error, the best compromise for a curvature around 1.
    """

    algorithms: ClassVar = {
        "Nelder-Mead": Algorithm(options=frozenset({"ftol_abs", "xtol_abs", "initial_step"})),
        "Powell": Algorithm(
            options=frozenset({"ftol_rel", "ftol_abs", "xtol_rel", "initial_step"})
        ),
        "COBYQA": Algorithm(options=frozenset({"ftol_abs", "xtol_abs", "initial_step"})),
        "COBYLA": Algorithm(options=frozenset({"ftol_abs", "xtol_abs", "initial_step"})),
        "L-BFGS-B": Algorithm("optional", options=frozenset({"ftol_rel", "ftol_abs"})),
        "BFGS": Algorithm("optional", bounds=False, options=frozenset({"ftol_abs", "xtol_rel"})),
        "SLSQP": Algorithm("optional", options=frozenset({"ftol_abs"})),
        "TNC": Algorithm("optional", options=frozenset({"ftol_abs"})),
        "trust-constr": Algorithm(
            "optional",
            bounds=False,
            options=frozenset({"ftol_abs", "xtol_abs", "initial_step"}),
        ),
    }

    @property
    def library(self) -> str:
        return f"SciPy {version('scipy')}"

    def minimize(self, problem: Problem, algorithm: str) -> str:
        """Run SciPy; ``SUCCESS``, ``ROUNDOFF_LIMITED``, or ``FAILURE`` with SciPy's message."""
        from scipy.optimize import Bounds, minimize

        uses_gradient = self.algorithms[algorithm].gradient != "none"
        has_gradient = problem.objective_gradient is not None
        bounded = np.isfinite([problem.lower, problem.upper]).any()
        result = minimize(
            problem.objective_gradient if uses_gradient and has_gradient else problem.objective,
            problem.x0,
            jac=True if uses_gradient and has_gradient else None,
            method=algorithm,
            bounds=Bounds(problem.lower, problem.upper) if bounded else None,
            options=_options(problem, algorithm),
        )
        if result.success:
            return "SUCCESS"
        if result.status == _ROUNDOFF.get(algorithm):
            return "ROUNDOFF_LIMITED"
        return f"FAILURE: {result.message}"


def _options(problem: Problem, algorithm: str) -> dict:
    options = problem.options
    ftol = max(options.ftol_rel, options.ftol_abs / max(abs(problem.f0), 1.0))
    gtol = math.sqrt(options.ftol_abs) / 10
    radius = problem.initial_step.min()
    final_radius = min(max(problem.xtol_abs.min(), gtol / 10), radius)
    difference = math.sqrt(_NOISE * max(abs(problem.f0), 1.0))
    match algorithm:
        case "Nelder-Mead":
            return {
                "xatol": problem.xtol_abs.min(),
                "fatol": options.ftol_abs,
                "initial_simplex": _simplex(problem),
                "maxiter": _UNLIMITED,
                "maxfev": _UNLIMITED,
            }
        case "Powell":
            return {
                "xtol": max(options.xtol_rel, math.sqrt(options.ftol_abs)),
                "ftol": ftol,
                "direc": np.diag(problem.initial_step),
                "maxiter": _UNLIMITED,
                "maxfev": _UNLIMITED,
            }
        case "COBYQA":
            return {
                "initial_tr_radius": radius,
                "final_tr_radius": final_radius,
                "maxiter": _UNLIMITED,
                "maxfev": _UNLIMITED,
            }
        case "COBYLA":
            return {"rhobeg": radius, "tol": final_radius, "maxiter": 2**31 - 1}
        case "L-BFGS-B":
            return {
                "ftol": ftol,
                "gtol": gtol,
                "eps": difference,
                "maxiter": _UNLIMITED,
                "maxfun": _UNLIMITED,
            }
        case "BFGS":
            return {
                "gtol": gtol,
                "xrtol": options.xtol_rel,
                "eps": difference,
                "maxiter": _UNLIMITED,
            }
        case "SLSQP":
            return {"ftol": options.ftol_abs, "eps": difference, "maxiter": 2**31 - 1}
        case "TNC":
            return {
                "ftol": options.ftol_abs,
                "gtol": gtol,
                "eps": difference,
                "maxfun": 2**31 - 1,
            }
        case _:  # trust-constr
            return {
                "xtol": final_radius,
                "gtol": gtol,
                "initial_tr_radius": radius,
                "finite_diff_rel_step": difference,
                "maxiter": _UNLIMITED,
            }


def _simplex(problem: Problem) -> np.ndarray:
    """x0, and x0 moved by the first step of each parameter in turn, away from near bounds."""
    step = problem.initial_step
    step = np.where(problem.x0 + step > problem.upper, -step, step)
    return np.vstack([problem.x0, problem.x0 + np.diag(step)])


BACKEND = SciPy
