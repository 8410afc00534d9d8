"""Near-zero standard deviations, tried at zero when the optimiser has stopped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numbamm.optimize.optsummary import OptSummary


def try_zeros(
    objective: Callable[[np.ndarray], float],
    x: np.ndarray,
    f: float,
    optsum: OptSummary,
    most: float = np.inf,
) -> tuple[np.ndarray, float]:
    """Put parameters that ended close to their lower bound 0 at 0 where that costs nothing.

    An optimiser without derivatives creeps towards a bound; a term that the data do not ask for
    should be seen to be absent, not to have a standard deviation of 1e-4. All of them are tried
    together first; else, one after the other, each stays at 0 if the objective is then at most
    ``ftol_zero_abs`` above what the optimiser reached.

    Parameters
    ----------
    objective
        The function that was minimised, of all parameters.
    x, f
        The best parameters, shape (n,), and their objective.
    optsum
        Read: ``lowerbd``, ``xtol_zero_abs``, ``ftol_zero_abs``.
    most
        The objective rises by no more than this, whatever ``ftol_zero_abs``.

    Returns
    -------
    ndarray, float
        Parameters, `x` itself or others with more zeros, and their objective.

    Raises
    ------
    Exception
        What `objective` raises is raised unchanged.

    See Also
    --------
    minimize : Tries them after each search.

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> optsum = mm.optimize.OptSummary([1.0], [0.0], ["sd"])
    >>> x, f = mm.optimize.try_zeros(lambda x: float(x[0] ** 4), np.array([5e-4]), 6.25e-14, optsum)
    >>> x.tolist()
    [0.0]
    """
    ceiling = f + min(optsum.ftol_zero_abs, most)
    small = (optsum.lowerbd == 0) & (np.abs(x) < optsum.xtol_zero_abs) & (x != 0)
    each = np.flatnonzero(small)
    for zeros in [each, *each] if len(each) > 1 else each:
        candidate = x.copy()
        candidate[zeros] = 0.0
        at_zero = float(objective(candidate))
        if -np.inf < at_zero <= ceiling:
            x, f = candidate, at_zero
            if zeros is each:
                break
    return x, f
