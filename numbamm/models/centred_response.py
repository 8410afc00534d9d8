"""`CentredResponse`: the response as it enters A: less what X explains of it, and scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.design.magnitude import sums_of_squares
from numbamm.errors import DataError


@dataclass
class CentredResponse:
    """The response as it enters A: less what X explains of it, and scaled.

    With basis = X to_basis, y = offset + mean + basis @ gamma0 + scale * values / √w.
    """

    values: np.ndarray
    scale: float
    mean: float
    gamma0: np.ndarray

    @classmethod
    def of(cls, y, offset, fe: FeMat, sqrtw) -> CentredResponse:
        y = y if offset is None else y - offset
        weights = np.ones(len(y)) if sqrtw is None else sqrtw**2
        mean = 0.0
        if fe.constant is not None:
            mean = weights @ y / weights.sum()
            mean += weights @ (y - mean) / weights.sum()
        size = np.sqrt(sums_of_squares(y[:, None], lambda _: "the response", weights)[0] / len(y))
        values = (y - mean) * np.sqrt(weights)
        gamma0 = fe.basis.T @ values / len(y)
        rest = values - fe.basis @ gamma0
        scale = float(np.sqrt(rest @ rest / len(y)))
        if not scale > 1e-13 * size:
            raise DataError(
                "the fixed effects explain the response exactly: nothing is left to model"
            )
        return cls(rest / scale, scale, float(mean), gamma0)
