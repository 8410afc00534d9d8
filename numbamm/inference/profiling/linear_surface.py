"""`LinearSurface`: -2 log-likelihood of a linear mixed model as a function of θ and log σ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.inference.profiling.curve import Curve, walk
from numbamm.inference.profiling.surface import Surface
from numbamm.inference.random.components import SIGMA
from numbamm.models.linear import LinearMixedModel
from numbamm.optimize.run import uninterrupted


class LinearSurface(Surface):
    """x consists of log σ, unless σ is given, and θ; β is optimised for each x."""

    @classmethod
    def of(cls, model) -> LinearSurface:
        """The surface of a fitted model, fitted again by maximum likelihood."""
        est = model.estimates
        return cls(_fitted(model, model.frame, est.sigma if est.sigma_given else None))

    def __init__(self, model) -> None:
        """Of a fitted model, with the criterion that its fit minimised."""
        est = model.estimates
        self._given = est.sigma if est.sigma_given else None
        self._criterion, self._scale_of_y = model.space.criterion[:2], model.scaled_response.scale
        self._blocks = model.blocks
        head = [] if est.sigma_given else [np.log(est.sigma)]
        super().__init__(model, np.concatenate([head, model.scaled.to_scaled(model.theta)]))

    @property
    def sizes(self) -> dict:
        return {} if self._given else {SIGMA: self.sigma}

    def sigma(self, x) -> float:
        return self._given or float(np.exp(x[0]))

    def deviance(self, x) -> tuple[float, np.ndarray]:
        sigma, n = self.sigma(x), self.model.degrees
        theta = np.ascontiguousarray(x if self._given else x[1:])
        value, gradient = self._blocks.objective_gradient(
            theta, *self._criterion, sigma / self._scale_of_y
        )
        if self._given:
            return value, gradient
        r = self._scale_of_y * self._blocks.residual_norm()
        return value, np.append(2 * n - 2 * (r / sigma) ** 2, gradient)

    def coefficients(self, x) -> np.ndarray:
        return self.model.coefficients_at(self._scaled_theta(x))

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        """The profile of a coefficient, by fits of the model without its column x to y - vx."""
        frame, kept = self.model.frame, self.model.feterm.kept
        others, x = [k for k in kept if k != kept[j]], frame.X[:, kept[j]]
        columns = {"X": frame.X[:, others], "xnames": [frame.xnames[k] for k in others]}
        estimate, error = self.model.estimates.beta[j], np.sqrt(self.model.beta_covariance[j, j])
        twin = _fitted(self.model, replace(frame, **columns, y=frame.y - estimate * x), self._given)

        def rise(v, start):
            uninterrupted(twin.refit(frame.y - v * x, optimizer="newton", progress=False))
            return twin.objective - self.least, start

        def parameters(_):
            est = twin.estimates
            sizes, beta = [est.sigma] * len(self.sizes), np.insert(est.beta, j, np.nan)
            return np.concatenate([sizes, [est.sigma], twin.theta, beta])

        bounds = -np.inf, np.inf
        return walk(rise, self.best, estimate, 0.3 * error, bounds, reach, others=parameters)


def _fitted(model, frame, sigma) -> LinearMixedModel:
    """A linear model of another frame with a model's tail, fitted by maximum likelihood."""
    frame = replace(frame, reterms=[replace(t, theta=None) for t in frame.reterms])
    new = LinearMixedModel.of_frame(frame, sigma=sigma, tail=model.blocks.request)
    return new.fit(optimizer="newton", progress=False)
