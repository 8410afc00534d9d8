"""Compass search: try a step along each axis, halve the steps when none leads downhill."""

from importlib.metadata import version

import numpy as np

from numbamm.optimize import Algorithm, Problem


class Compass:
    """The optimiser plug-in ``compass``, with the one algorithm ``SEARCH``.

    It needs no gradient, stays within bounds, and reads ``initial_step``, and ``xtol_abs`` for
    the steps at which it stops.
    """

    algorithms = {"SEARCH": Algorithm(options=frozenset({"initial_step", "xtol_abs"}))}

    @property
    def library(self) -> str:
        return f"compass-search {version('compass-search')}"

    def minimize(self, problem: Problem, algorithm: str) -> str:
        """Search from ``problem.x0``; numbamm remembers the best point, so none is returned."""
        x, fx = problem.x0.copy(), problem.f0
        step = problem.initial_step.copy()
        smallest = np.maximum(problem.xtol_abs, 1e-12)
        while (step > smallest).any():
            improved = False
            for i in range(problem.n):
                for direction in (1.0, -1.0):
                    trial = x.copy()
                    trial[i] += direction * step[i]
                    trial = np.clip(trial, problem.lower, problem.upper)
                    f = problem.objective(trial)
                    if f < fx:
                        x, fx, improved = trial, f, True
                        break
            if not improved:
                step /= 2
        return "STEPS_SMALL"
