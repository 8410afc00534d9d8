"""`LinearSurface`: -2 log-likelihood of a linear mixed model in θ and log σ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.inference.profiling.curve import Curve, walk
from numbamm.inference.profiling.surface import Surface
from numbamm.inference.random.components import SIGMA
from numbamm.models.linear import LinearMixedModel
from numbamm.optimize.run import uninterrupted


class LinearSurface(Surface):
    """x is θ, and before it log σ where σ is not given; β follows."""

    @classmethod
    def of(cls, model) -> LinearSurface:
        """That of a model, whatever it was fitted by."""
        est = model.estimates
        return cls(_fitted(model.frame, est.sigma if est.sigma_given else None))

    def __init__(self, model) -> None:
        """`model` is fitted by maximum likelihood."""
        est = model.estimates
        self._given = est.sigma if est.sigma_given else None
        self._criterion, self._scale_of_y = model._criterion()[:2], model._response.scale
        self._blocks = model.blocks
        head = [] if est.sigma_given else [np.log(est.sigma)]
        super().__init__(model, np.concatenate([head, model._inward(model.theta)]))

    @property
    def sizes(self) -> dict:
        return {} if self._given else {SIGMA: self.sigma}

    def sigma(self, x) -> float:
        return self._given or float(np.exp(x[0]))

    def deviance(self, x) -> tuple[float, np.ndarray]:
        sigma, n = self.sigma(x), self.model.nobs
        theta = np.ascontiguousarray(x if self._given else x[1:])
        value, gradient = self._blocks.objective_gradient(
            theta, *self._criterion, sigma / self._scale_of_y
        )
        if self._given:
            return value, gradient
        r = self._scale_of_y * self._blocks.residual_norm()
        return value, np.append(2 * n - 2 * (r / sigma) ** 2, gradient)

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        """By fits to y - vx of the model without the column x."""
        frame, kept = self.model.frame, self.model.feterm.kept
        rest, x = [k for k in kept if k != kept[j]], frame.X[:, kept[j]]
        columns = {"X": frame.X[:, rest], "xnames": [frame.xnames[k] for k in rest]}
        own, error = self.model.estimates.beta[j], np.sqrt(self.model._cov[j, j])
        twin = _fitted(replace(frame, **columns, y=frame.y - own * x), self._given)

        def rise(v, start):
            uninterrupted(twin.refit(frame.y - v * x, optimizer="newton", progress=False))
            return twin.objective - self.least, start

        return walk(rise, self.best, own, 0.3 * error, (-np.inf, np.inf), reach)


def _fitted(frame, sigma) -> LinearMixedModel:
    """The model of a frame, by maximum likelihood."""
    frame = replace(frame, reterms=[replace(t, lambda_=None) for t in frame.reterms])
    model = LinearMixedModel.of_frame(frame, sigma=sigma)
    return model.fit(optimizer="newton", progress=False)
