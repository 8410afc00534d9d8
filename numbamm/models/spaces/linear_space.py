"""`LinearSpace`: the profiled objective of a linear mixed model as a function of the scaled θ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numbamm import config
from numbamm.blocks import cholesky
from numbamm.blocks.search import by_differences, newton
from numbamm.blocks.search.by_differences import Search
from numbamm.blocks.search.structured import StructuredSearch
from numbamm.blocks.tail.protocol import Tail
from numbamm.models.spaces.coordinates import Coordinates
from numbamm.models.spaces.model_space import ModelSpace
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.optimize.local_minimum import Certificate
from numbamm.optimize.protocol import OwnSearch

TOLERANCES = config.OPTIONS["ftol_abs"].default, config.OPTIONS["ftol_rel"].default


class Criterion(NamedTuple):
    """What makes the objective, besides A; as kernels take it, see `blocks.cholesky`.

    Attributes
    ----------
    degrees : ndarray of int64, shape (2,)
        The number of rows, less the rank of X under REML; and 1 under REML, else 0.
    constant : float
        What is added to the objective.
    sigma : float
        The residual standard deviation, in units of the scaled response; 0 if it is unknown.
    """

    degrees: np.ndarray
    constant: float
    sigma: float


class LinearSpace(ModelSpace):
    """-2 log-likelihood or the REML criterion, in the calling thread's workspace.

    Parameters
    ----------
    scaled : ScaledTerms
    blocks : Tail
    criterion : Criterion
    tolerances : (float, float)
        ``ftol_abs`` and ``ftol_rel`` of the model's own searches.
    coordinates : Coordinates, optional
        Those of a search by differences; without, there is none.

    Attributes
    ----------
    criterion : Criterion
    """

    def __init__(
        self,
        scaled: ScaledTerms,
        blocks: Tail,
        criterion: Criterion,
        tolerances: tuple[float, float] = TOLERANCES,
        coordinates: Coordinates | None = None,
    ) -> None:
        super().__init__(scaled, before=0)
        self._blocks: Any = blocks  # compiled ones have buffers, too
        self.criterion, self._coordinates = criterion, coordinates
        self._tolerances = tolerances
        self._is_free, self._is_compiled = blocks.joint.is_free, blocks.is_compiled
        self._arrays = blocks.layout.table, blocks.layout.index, blocks.A
        self.is_scaled = scaled.is_changed

    @property
    def work(self) -> float:
        return self._blocks.operations

    @property
    def own_search(self):
        led = self._is_compiled or (self._is_free and len(self.scaled.theta_sizes) <= newton.MANY)
        return self._newton if led else None

    @property
    def by_differences(self):
        return None if self._coordinates is None else self._newton_by_differences

    def to_scaled(self, x: np.ndarray) -> np.ndarray:
        return self.scaled.to_scaled(x)

    def to_user(self, z: np.ndarray) -> np.ndarray:
        return self.scaled.to_user(z)

    def objective(self, z: np.ndarray) -> float:
        if not self._is_compiled:
            theta = np.ascontiguousarray(z, dtype=np.float64)
            return self._blocks.objective(theta, *self.criterion)
        theta = z if self._is_free else self._blocks.joint.entries(z)
        return cholesky.objective(theta, *self._arrays, self._blocks.work, *self.criterion)

    def gradient(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        theta = np.ascontiguousarray(z, dtype=np.float64)
        return self._blocks.objective_gradient(theta, *self.criterion)

    def certify(self, z: np.ndarray) -> Certificate | None:
        """The certificate, if λ is singular at z; see `blocks.search.certificate`."""
        if not self.scaled.lacks_rank(z):
            return None
        certificate = Certificate(*self._blocks.certify(z, *self.criterion))
        return certificate if np.isfinite(certificate.value) else None

    def scales(self, z: np.ndarray) -> np.ndarray:
        return 0.1 / self.scaled.theta_sizes

    def _newton(self, z: np.ndarray) -> OwnSearch:
        """Newton's search by derivatives; see `blocks.search.newton` and `structured`."""
        if not self._is_free:
            scale = self.scaled.theta_sizes
            return StructuredSearch(self._blocks, z, self.criterion, scale, *self._tolerances)
        return self._blocks.search(z, *self.criterion, *self._tolerances)

    def _newton_by_differences(self, z: np.ndarray) -> Search:
        """Newton's search by differences of the objective; see `blocks.search.by_differences`."""
        c = self._coordinates
        plan = by_differences.plan_of(c.of(z), c.is_scale, c.units, c.pair, *self._tolerances)
        return Search(plan, (*self._arrays, self._blocks.work, *self.criterion))
