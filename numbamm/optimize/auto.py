"""``optimizer="auto"``: which optimiser, and why.

With a gradient, `newton` takes some ten evaluations, at two or three times the price of the
objective. Where evaluations of a few parameters take next to no time, differences of the objective
do as well, if the model has a search by differences: the derivatives' kernels are large, and need
not be compiled or loaded. BOBYQA takes twenty evaluations for each of a few parameters and hundreds
for more, and may stop short; docs/optimisers.md has the figures. It remains where there is no
gradient, or where there are bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: The name by which the choice is left to numbamm.
AUTO = "auto"

NEWTON, DERIVATIVE_FREE = "newton", "nlopt:LN_BOBYQA"

#: Up to so many parameters, and operations an evaluation, all evaluations together take less time
#: than loading derivatives: some milliseconds.
FEW, LIGHT = 3, 2e5


class Choice(NamedTuple):
    """An optimiser's name, the reason in words, and whether differences replace its gradient."""

    name: str
    reason: str
    by_differences: bool = False


def choose(
    n: int,
    *,
    gradient: bool,
    bounded: bool,
    work: float | None,
    differences: bool = False,
    has_edges: bool = False,
) -> Choice:
    """The optimiser for a problem.

    Parameters
    ----------
    n : int
        Number of parameters.
    gradient : bool
        Whether the objective has a gradient.
    bounded : bool
        Whether there are bounds besides those at 0, which signs make up for.
    work : float or None
        Operations of one evaluation, about; None where nobody knows.
    differences : bool
        Whether the model has a search of its own by differences of the objective.
    has_edges : bool
        Whether there are parameters at which there is no objective.
    """
    if not gradient:
        return Choice(DERIVATIVE_FREE, "the objective has no gradient")
    if bounded:
        return Choice(DERIVATIVE_FREE, "there are bounds that a free search would not keep")
    if differences and n <= FEW and work is not None and work <= LIGHT:
        return Choice(NEWTON, f"{_parameters(n)} and a light objective need no gradient", True)
    if n > FEW:
        return Choice(NEWTON, f"{_parameters(n)} are many without a gradient")
    if work is not None and work <= LIGHT:
        if has_edges:
            return Choice(DERIVATIVE_FREE, "it comes along an edge that has no gradient")
        return Choice(NEWTON, "without the gradient a search may stop short")
    return Choice(NEWTON, "each evaluation is heavy, and a gradient saves most of them")


def _parameters(n: int) -> str:
    return f"{n} parameter" + ("" if n == 1 else "s")


def is_bounded(lower, upper) -> bool:
    """Whether free parameters have bounds other than a lower one at 0."""
    free = np.asarray(lower) < np.asarray(upper)
    beyond = np.isfinite(lower) & (np.asarray(lower) != 0)
    return bool((free & (np.isfinite(upper) | beyond)).any())
