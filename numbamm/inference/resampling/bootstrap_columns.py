"""`EstimateColumns`: names and order of the numbers that the bootstrap keeps of each fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.inference.random.components import SHAPE, SIGMA, Component, Components
from numbamm.structures.registry import from_json


@dataclass(frozen=True)
class EstimateColumns:
    """The columns of a table of estimates, one row a fit.

    Attributes
    ----------
    beta, theta : list of str
        Names of the coefficients and of the covariance parameters.
    sizes : list of str
        ``"sigma"`` and ``"shape"``, as far as the model has them.
    components : Components
        The standard deviations and correlations that follow from θ and σ.
    """

    beta: list[str]
    theta: list[str]
    sizes: list[str]
    components: Components

    @classmethod
    def of(cls, model) -> EstimateColumns:
        """The columns for fits of a model."""
        sizes = [SIGMA] * (model.varcorr.sigma is not None)
        sizes += [SHAPE] * (model.shape is not None)
        beta = model.kept_coefficients
        return cls(beta, model.theta_names, sizes, Components.of(model))

    def to_json(self) -> dict:
        """The columns as plain lists, from which `from_json` makes them again."""
        terms = [[t.group, list(t.names), t.structure.to_json()] for t in self.components.terms]
        return {"beta": self.beta, "theta": self.theta, "sizes": self.sizes, "terms": terms}

    @classmethod
    def from_json(cls, d: dict) -> EstimateColumns:
        """The columns that `to_json` described."""
        terms = [
            Component(group, tuple(names), from_json(structure, len(names)))
            for group, names, structure in d["terms"]
        ]
        return cls(d["beta"], d["theta"], d["sizes"], Components(terms))

    @property
    def columns(self) -> list[str]:
        """Names of all columns, in order."""
        beta = [f"beta_{name}" for name in self.beta]
        return ["objective", *self.sizes, *beta, *[f"theta_{name}" for name in self.theta]]

    def row(self, objective, sigma, shape, beta, theta) -> np.ndarray:
        """The estimates of one fit in the order of `columns`."""
        sizes = {SIGMA: sigma, SHAPE: shape}
        return np.concatenate([[objective], [sizes[s] for s in self.sizes], beta, theta])

    def row_of(self, model) -> np.ndarray:
        """The estimates of a fitted model in the order of `columns`."""
        est, shape = model.estimates, model.shape
        return self.row(est.objective, est.sigma, shape, model.coefficients, model.theta)
