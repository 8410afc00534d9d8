"""Optimisation: its options and outcome, the optimisers there are, and running one safely.

Nothing here knows what a model is; an objective is a function of an array.
"""

from numbamm.optimize.optsummary import OptSummary
from numbamm.optimize.problem import Problem
from numbamm.optimize.protocol import Algorithm, Backend
from numbamm.optimize.registry import available, register, resolve
from numbamm.optimize.run import minimize
from numbamm.optimize.search_space import Function, SearchSpace
from numbamm.optimize.zeros import try_zeros

__all__ = [
    "Algorithm",
    "Backend",
    "Function",
    "OptSummary",
    "Problem",
    "SearchSpace",
    "available",
    "minimize",
    "register",
    "resolve",
    "try_zeros",
]


def __dir__() -> list[str]:
    return sorted(__all__)
