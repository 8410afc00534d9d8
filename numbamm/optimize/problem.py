"""`Problem`: what an optimiser plug-in receives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numbamm.optimize.optsummary import OptSummary
from numbamm.optimize.protocol import OwnSearch


@dataclass(frozen=True)
class Problem:
    """A function of n free parameters to minimise, and what is known about it.

    Parameters whose bounds leave them no freedom are left out, so the arrays here can be
    shorter than those of `options`.

    Attributes
    ----------
    objective : callable
        The function of an array of shape (n,); always returns a finite number. Call it as
        often as needed; do not catch what it raises.
    objective_gradient : callable or None
        Value and gradient, a tuple of float and array of shape (n,), at the price of little
        more than the value. None where the model has no gradient.
    x0 : ndarray, shape (n,)
        Where the search starts.
    start_value : callable
        The objective there; `f0` calls it.
    lower, upper : ndarray, shape (n,)
        Bounds, infinite where there is none, and throughout for an algorithm that does not
        honour them.
    initial_step : ndarray, shape (n,)
        The scale of each parameter: a good first step, always positive.
    curvature : ndarray, shape (n,), or None
        About the second derivative of the objective in each parameter, if the model knows it.
    xtol_abs : ndarray, shape (n,)
        Absolute tolerance of each parameter.
    options : OptSummary
        The other options: ``ftol_rel``, ``ftol_abs``, ``xtol_rel``.
    own_search : callable or None
        Begins the model's own search (an `OwnSearch`) at an array of shape (n,). None where the
        model has none, or some parameters are held fixed.
    count : callable
        Makes one step of such a search, and counts it as an evaluation.

    See Also
    --------
    Backend : Receives one.

    Examples
    --------
    >>> import numbamm as mm
    >>> class Look:
    ...     library, algorithms = "look 1.0", {"ONCE": mm.optimize.Algorithm()}
    ...
    ...     def minimize(self, problem, algorithm):
    ...         print(problem.n, problem.lower.tolist())
    ...         problem.objective(problem.x0)
    ...         return "DONE"
    >>> mm.optimize.register("look", Look)
    >>> dyestuff = mm.datasets.load("Dyestuff")
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", dyestuff, optimizer="look:ONCE")
    1 [0.0]
    """

    objective: Callable[[np.ndarray], float]
    objective_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]] | None
    x0: np.ndarray
    start_value: Callable[[], float]
    lower: np.ndarray
    upper: np.ndarray
    initial_step: np.ndarray
    xtol_abs: np.ndarray
    options: OptSummary
    own_search: Callable[[np.ndarray], OwnSearch] | None = None
    count: Callable[[OwnSearch], None] | None = None
    curvature: np.ndarray | None = None

    @property
    def f0(self) -> float:
        """The objective at `x0`; evaluated once, unless the search's first evaluation was there."""
        return self.start_value()

    @property
    def n(self) -> int:
        """Number of free parameters."""
        return len(self.x0)
