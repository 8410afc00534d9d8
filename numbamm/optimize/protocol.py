"""What an optimiser plug-in is: a `Backend` with its `Algorithm` table.

A plug-in is a class without constructor arguments (or an instance) with three members:
``library``, ``algorithms`` and ``minimize``. It is found through an entry point::

    [project.entry-points."numbamm.optimizers"]
    mine = "my_package.my_module:MyBackend"

or, where an entry point names a package alone, as ``BACKEND`` of each of its files
``name_backend.py``, under that name. Or it is registered by a call of
``numbamm.optimize.register("mine", MyBackend)``. Users write ``optimizer="mine:ALGORITHM"``.

A plug-in only has to search. Counting, limits of evaluations and time, failed evaluations,
the log, the best point and an interrupt are looked after around it: `Problem.objective`
leaves the search by an exception when a limit is reached, which the plug-in should let pass
(if it does not, every further evaluation raises again).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numbamm.optimize.problem import Problem


@dataclass(frozen=True)
class Algorithm:
    """What numbamm has to know about one algorithm of a backend.

    Attributes
    ----------
    gradient : {"none", "optional", "required"}
        Whether it uses gradients. An "optional" one manages without, by finite differences.
    bounds : bool
        Whether it honours bounds; if not, the problem that it gets has none.
    options : frozenset of str
        Which of the fields of `OptSummary` it reads, out of ``ftol_rel``, ``ftol_abs``,
        ``xtol_rel``, ``xtol_abs`` and ``initial_step``. The limits ``maxfeval`` and
        ``maxtime`` hold for every algorithm and are not the plug-in's concern.

    See Also
    --------
    Backend : Has a table of them.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.optimize.resolve("nlopt:LN_BOBYQA").traits.bounds
    True
    """

    gradient: Literal["none", "optional", "required"] = "none"
    bounds: bool = True
    options: frozenset[str] = frozenset()


class Backend(Protocol):
    """A library of optimisation algorithms, as numbamm sees it.

    Attributes
    ----------
    library : str
        Name and version of the library behind it, for reports: ``"NLopt 2.11.0"``.
    algorithms : mapping of str to Algorithm
        The algorithms by name. Reading it should not import the library.

    See Also
    --------
    register : Makes one available.
    Problem : What it is given.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.optimize.resolve("nlopt:LN_BOBYQA").backend.library.split()[0]
    'NLopt'
    """

    library: str
    algorithms: Mapping[str, Algorithm]

    def minimize(self, problem: Problem, algorithm: str) -> str:
        """Search for the minimum of ``problem.objective``, starting at ``problem.x0``.

        Parameters
        ----------
        problem
            What is minimised, where the search starts, bounds, scale and options.
        algorithm
            A key of `algorithms`.

        Returns
        -------
        str
            The library's own return code, such as ``"FTOL_REACHED"``. One that starts with
            ``"FAILURE"`` says that the search did not converge, and the user is warned.
            The point is not returned: the best one evaluated is known already.
        """
        ...


class OwnSearch(Protocol):
    """A search that a model brings along, because it knows more than values and gradients.

    The linear model's is compiled and works on its arrays. A plug-in that offers it leads it step
    by step through `Problem.count`, so that limits, log and interrupts hold as for any other.

    Attributes
    ----------
    returnvalue : str or None
        How the search ended; None while there is more to do.
    fbest : float
        The lowest objective so far.
    gradient_norm : float
        Length of the gradient there; NaN where it is not known, as before the end.
    """

    @property
    def returnvalue(self) -> str | None: ...
    @property
    def fbest(self) -> float: ...
    @property
    def gradient_norm(self) -> float: ...

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """One or more evaluations of the objective, up to `most`: where, and its value."""
        ...
