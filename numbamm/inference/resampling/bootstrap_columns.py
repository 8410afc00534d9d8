"""`EstimateColumns`: names and order of the numbers that the bootstrap keeps of each fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from numbamm.inference.random.components import SHAPE, SIGMA, Component, Components
from numbamm.inference.resampling.studentised import names_of_errors, standard_errors
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
    residual : list of str
        Parameters of a structure of the residuals.
    parts : list of str
        Coefficients of other predictors than that of the mean.
    errors : list of str
        Parameters whose standard errors follow the estimates.
    """

    beta: list[str]
    theta: list[str]
    sizes: list[str]
    components: Components
    residual: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model, errors: bool = False) -> EstimateColumns:
        """The columns for fits of a model, with standard errors or without."""
        sizes = [SIGMA] * (model.varcorr.sigma is not None)
        sizes += [SHAPE] * (model.shape is not None)
        beta = model.kept_coefficients
        side = model.residual_side
        residual = [] if side is None else list(side.parameters(side.phi, 1.0))
        parts = [] if model.composition is None else model.part_lines.names
        own = names_of_errors(model) if errors else []
        return cls(beta, model.theta_names, sizes, Components.of(model), residual, parts, own)

    def to_json(self) -> dict:
        """The columns as plain lists, from which `from_json` makes them again."""
        terms = [[t.group, list(t.names), t.structure.to_json()] for t in self.components.terms]
        own = {"beta": self.beta, "theta": self.theta, "sizes": self.sizes, "terms": terms}
        further = {"residual": self.residual, "parts": self.parts, "errors": self.errors}
        return own | {name: names for name, names in further.items() if names}

    @classmethod
    def from_json(cls, d: dict) -> EstimateColumns:
        """The columns that `to_json` described."""
        terms = [
            Component(group, tuple(names), from_json(structure, len(names)))
            for group, names, structure in d["terms"]
        ]
        further = (d.get(name, []) for name in ("residual", "parts", "errors"))
        return cls(d["beta"], d["theta"], d["sizes"], Components(terms), *further)

    @property
    def columns(self) -> list[str]:
        """Names of all columns, in order."""
        beta = [f"beta_{name}" for name in self.beta]
        residual = [f"{name}|Residual" for name in self.residual]
        theta = [f"theta_{name}" for name in self.theta]
        return ["objective", *self.sizes, *residual, *self.parts, *beta, *theta]

    def row(self, objective, sigma, shape, beta, theta, residual=()) -> np.ndarray:
        """The estimates of one fit in the order of `columns`."""
        sizes = {SIGMA: sigma, SHAPE: shape}
        sizes = [sizes[s] for s in self.sizes]
        return np.concatenate([[objective], sizes, residual, beta, theta])

    def with_errors(self, model) -> np.ndarray:
        """`row_of` a fitted model, then the standard errors, if there are any."""
        row = self.row_of(model)
        return np.append(row, standard_errors(model)) if self.errors else row

    def row_of(self, model) -> np.ndarray:
        """The estimates of a fitted model in the order of `columns`."""
        est, shape = model.estimates, model.shape
        side = model.residual_side
        own = [] if side is None else list(side.parameters(side.phi, est.sigma).values())
        if model.composition is not None:
            own = model.part_lines.to_user @ np.asarray(est.shape)
        beta = model.coefficients
        return self.row(est.objective, est.sigma, shape, beta, model.theta, own)
