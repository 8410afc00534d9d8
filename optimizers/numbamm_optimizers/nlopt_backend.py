"""NLopt's local optimisers: the default, BOBYQA, among them."""

from __future__ import annotations

import weakref
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from numbamm.errors import warn
from numbamm.optimize import Algorithm, Problem

_OPTIONS = frozenset({"ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs", "initial_step"})
_GRADIENT = Algorithm(gradient="required", options=_OPTIONS - {"initial_step"})
_AT_LEAST_TWO_PARAMETERS = {"LN_NEWUOA", "LN_NEWUOA_BOUND", "LN_PRAXIS"}
_RESULTS = (
    "SUCCESS",
    "STOPVAL_REACHED",
    "FTOL_REACHED",
    "XTOL_REACHED",
    "ROUNDOFF_LIMITED",
    "FAILURE",
)


class NLopt:
    """Steven G. Johnson's NLopt; every tolerance of `OptSummary` is NLopt's own.

    NEWUOA refuses problems of one parameter, and PRAXIS does not come to an end on them: there
    BOBYQA takes their place, with a warning and a note in the return code.
    """

    algorithms: ClassVar = {
        "LN_BOBYQA": Algorithm(options=_OPTIONS),
        "LN_NEWUOA": Algorithm(bounds=False, options=_OPTIONS),
        "LN_NEWUOA_BOUND": Algorithm(options=_OPTIONS),
        "LN_NELDERMEAD": Algorithm(options=_OPTIONS),
        "LN_SBPLX": Algorithm(options=_OPTIONS),
        "LN_COBYLA": Algorithm(options=_OPTIONS),
        "LN_PRAXIS": Algorithm(bounds=False, options=_OPTIONS),
        "LD_LBFGS": _GRADIENT,
        "LD_MMA": _GRADIENT,
        "LD_CCSAQ": _GRADIENT,
        "LD_SLSQP": _GRADIENT,
        "LD_TNEWTON": _GRADIENT,
        "LD_TNEWTON_RESTART": _GRADIENT,
        "LD_TNEWTON_PRECOND": _GRADIENT,
        "LD_TNEWTON_PRECOND_RESTART": _GRADIENT,
        "LD_VAR1": _GRADIENT,
        "LD_VAR2": _GRADIENT,
    }

    @property
    def library(self) -> str:
        return f"NLopt {version('nlopt')}"

    def minimize(self, problem: Problem, algorithm: str) -> str:
        """Run NLopt; the name of its return code."""
        if problem.n == 1 and algorithm in _AT_LEAST_TWO_PARAMETERS:
            warn(f"{algorithm} needs at least two parameters; used LN_BOBYQA")
            return f"{self.minimize(problem, 'LN_BOBYQA')} (LN_BOBYQA)"
        import nlopt

        options = problem.options
        opt = nlopt.opt(getattr(nlopt, algorithm), problem.n)
        objective = _Objective(problem, opt)
        opt.set_min_objective(objective)
        opt.set_lower_bounds(problem.lower)
        opt.set_upper_bounds(problem.upper)
        opt.set_initial_step(problem.initial_step)
        opt.set_ftol_rel(options.ftol_rel)
        opt.set_ftol_abs(options.ftol_abs)
        opt.set_xtol_rel(options.xtol_rel)
        opt.set_xtol_abs(problem.xtol_abs)
        if algorithm == "LN_PRAXIS":
            nlopt.srand(1)  # it takes random steps; the same fit should end at the same place
        try:
            opt.optimize(problem.x0)
        except nlopt.ForcedStop:
            raise objective.error from None
        except (nlopt.RoundoffLimited, nlopt.runtime_error):
            pass  # ends of the search like others, which the code tells apart
        result = opt.last_optimize_result()
        return next(name for name in _RESULTS if getattr(nlopt, name) == result)


class _Objective:
    """The objective as NLopt calls it: what it raises is kept in `error`, and NLopt is stopped.

    An exception would reach NLopt's C code as an infinite value; NEWUOA_BOUND computes with
    that for half a minute before it looks whether it should stop.
    """

    def __init__(self, problem: Problem, opt):
        self._problem = problem
        # NLopt holds on to its objective out of the garbage collector's sight: with a reference
        # back, neither would ever be freed.
        self._opt = weakref.proxy(opt)
        self.error: BaseException | None = None

    def __call__(self, x: np.ndarray, gradient: np.ndarray) -> float:
        try:
            if gradient.size == 0:
                return self._problem.objective(x)
            value, gradient[:] = self._problem.objective_gradient(x)
            return value
        except BaseException as error:
            self.error = error
            self._opt.force_stop()
            return 0.0  # which nobody reads


BACKEND = NLopt
