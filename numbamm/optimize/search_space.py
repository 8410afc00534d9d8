"""`SearchSpace`: what `minimize` searches: a function, its coordinates, and what is known of it.

A model's search space is a subclass; see `numbamm.models.spaces.model_space`. A search moves in
scaled coordinates z, which suit it. Users, and `OptSummary`, have parameters x of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from numbamm.optimize.local_minimum import Certificate
from numbamm.optimize.protocol import OwnSearch


class Starts(Protocol):
    """Where searches of an objective should begin."""

    def first(self, evaluate: Callable[[np.ndarray], float]) -> list[np.ndarray]:
        """Starts that are found from values of the objective."""
        ...

    def further(self, best: np.ndarray) -> list[np.ndarray]:
        """More, given the best point at which searches from the first ones ended."""
        ...


class SearchSpace:
    """A function to minimise; by default one of which nothing else is known.

    Attributes
    ----------
    gradient : callable or None
        Objective and its gradient, of shape (n,), computed together at z.
    own_search : callable or None
        Begins a search of the model's own at z, for a plug-in that offers it.
    by_differences : callable or None
        Begins a search of the model's own without derivatives, which ``optimizer="auto"`` prefers
        where there are few parameters and evaluations are light.
    starts : Starts or None
        Starts in different valleys of the objective, all of which ``optimizer="auto"`` tries.
    curvature : ndarray, shape (n,), or None
        About the second derivative of the objective in each coordinate.
    first_step : ndarray, shape (n,), or None
        First step in each coordinate, where `OptSummary` leaves it to the model.
    is_scaled : bool
        Whether coordinates are other numbers than the user's parameters.
    has_edges : bool
        Whether the objective does not exist everywhere, so that a search may run into an edge.
    has_free_signs : bool
        Whether parameters that are bounded below by 0 may change their signs; see `rectify`.

    See Also
    --------
    Function : A plain function.
    minimize

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> class Bowl(mm.optimize.SearchSpace):
    ...     def objective(self, z):
    ...         return float(np.sum((z - 1) ** 2))
    >>> optsum = mm.optimize.OptSummary([0.0], [-np.inf], ["x"])
    >>> mm.optimize.minimize(Bowl(), optsum).final.round(3).tolist()
    [1.0]
    """

    gradient: Callable[[np.ndarray], tuple[float, np.ndarray]] | None = None
    own_search: Callable[[np.ndarray], OwnSearch] | None = None
    by_differences: Callable[[np.ndarray], OwnSearch] | None = None
    starts: Starts | None = None
    curvature: np.ndarray | None = None
    first_step: np.ndarray | None = None
    is_scaled: bool = False
    has_free_signs: bool = False
    has_edges: bool = False

    @property
    def work(self) -> float | None:
        """Operations of one evaluation, about, for ``optimizer="auto"``; None if unknown."""
        return None

    def objective(self, z: np.ndarray) -> float:
        """The function at z; NaN or infinity says that the evaluation failed."""
        raise NotImplementedError

    def to_scaled(self, x: np.ndarray) -> np.ndarray:
        """Coordinates of the user's parameters."""
        return x

    def to_user(self, z: np.ndarray) -> np.ndarray:
        """The user's parameters, of coordinates."""
        return z

    def rectify(self, z: np.ndarray) -> np.ndarray:
        """An equivalent point with the signs that the bounds ask for.

        The best point needs it: an optimiser that does not honour bounds may end beyond them.
        """
        return z

    def certify(self, z: np.ndarray) -> Certificate | None:
        """A judgement of the end of a search; None where there is nothing to judge."""
        return None

    def check_bounds(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Refuse bounds of the user's parameters that a search in coordinates cannot keep."""

    def gradient_norm(self, z: np.ndarray, free: np.ndarray) -> float:
        """Length of the gradient in the coordinates `free`; asked for after a search."""
        return float(np.linalg.norm(self.gradient(z)[1][free]))


class Function(SearchSpace):
    """A plain function of an array.

    Parameters
    ----------
    objective : callable
    gradient : callable, optional
        Of objective and gradient together.
    rectify : callable, optional
        If given, parameters that are bounded below by 0 may change their signs.

    See Also
    --------
    minimize

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> bowl = mm.optimize.Function(lambda x: float((x - 1) @ (x - 1)))
    >>> bowl.objective(np.array([2.0]))
    1.0
    """

    def __init__(self, objective, *, gradient=None, rectify=None) -> None:
        self._objective, self.gradient, self._rectify = objective, gradient, rectify
        self.has_free_signs = rectify is not None

    def objective(self, z: np.ndarray) -> float:
        return self._objective(z)

    def rectify(self, z: np.ndarray) -> np.ndarray:
        return z if self._rectify is None else self._rectify(z)
