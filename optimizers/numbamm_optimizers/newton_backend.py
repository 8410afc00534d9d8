"""The door to numbamm's own optimiser: Newton steps where the model has a search of its own."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from numbamm.blocks.search import lbfgs
from numbamm.blocks.search.communication import CONVERGED
from numbamm.optimize import Algorithm, Problem


class Newton:
    """Newton's method with average information, in a trust region, for linear mixed models.

    The search is the model's own, compiled and on its arrays (`numbamm.blocks.search.newton`),
    and is led here one evaluation at a time. A problem that has none, but a gradient, is
    minimised by L-BFGS with a memory of 20.
    """

    algorithms: ClassVar = {
        "newton": Algorithm(
            gradient="required", bounds=False, options=frozenset({"ftol_rel", "ftol_abs"})
        )
    }

    @property
    def library(self) -> str:
        return f"numbamm {version('numbamm')}"

    def minimize(self, problem: Problem, algorithm: str) -> str:
        """Run the search; ``CONVERGED``, ``ROUNDOFF_LIMITED``, or ``FAILURE``."""
        if problem.own_search is None:
            return _lbfgs(problem)
        search = problem.own_search(problem.x0)
        while search.returnvalue is None:
            problem.count(search)
        return search.returnvalue


def _lbfgs(problem: Problem) -> str:
    """Minimise any function that has a gradient."""
    options = problem.options
    if problem.curvature is None:  # the first step is short, since its scale is a guess
        scale, longest = 1 / problem.initial_step, 1.0
    else:
        scale, longest = np.sqrt(problem.curvature), np.inf
    evaluate, tolerances = problem.objective_gradient, (options.ftol_abs, options.ftol_rel)
    _, end = lbfgs.minimize(evaluate, problem.x0, scale, *tolerances, longest)
    return "CONVERGED" if end == CONVERGED else "ROUNDOFF_LIMITED"


BACKEND = Newton
