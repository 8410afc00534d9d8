"""`LinearSurface`: -2 log-likelihood of a linear mixed model as a function of θ and log σ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from numbamm.inference.profiling.curve import Curve, walk
from numbamm.inference.profiling.surface import Surface
from numbamm.inference.random.components import SIGMA
from numbamm.models.linear import LinearMixedModel
from numbamm.models.streams.rowless import WithoutColumn
from numbamm.optimize.run import uninterrupted


class LinearSurface(Surface):
    """x consists of log σ, unless σ is given, and θ; β is optimised for each x."""

    @classmethod
    def of(cls, model) -> LinearSurface:
        """The surface of a fitted model, fitted again by maximum likelihood."""
        est = model.estimates
        if model.is_streamed:
            twin = model.twin()
            twin.optsum.sigma = est.held_sigma
            return cls(twin.refit(reml=False, optimizer="newton", progress=False))
        return cls(_fitted(model, model.frame, est.sigma if est.sigma_given else None))

    def __init__(self, model) -> None:
        """Of a fitted model, with the criterion that its fit minimised."""
        est = model.estimates
        self._given = est.sigma if est.sigma_given else None
        self._criterion, self._scale_of_y = model.space.criterion[:2], model.scaled_response.scale
        self._blocks = model.blocks
        super().__init__(model, self._start(model))

    def _start(self, model) -> np.ndarray:
        """The x of the model's estimates."""
        sigma = [] if self._given else [np.log(model.sigma)]
        return np.concatenate([sigma, model.scaled.to_scaled(model.theta)])

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

    def coefficients(self, points) -> np.ndarray:
        return self.model.coefficients_at([self._scaled_theta(x) for x in points])

    def coefficient_curve(self, j: int, reach: float) -> Curve:
        """The profile of a coefficient, by fits of the model without its column x to y - vx."""
        estimate, error = self.model.estimates.beta[j], np.sqrt(self.model.beta_covariance[j, j])
        refitted = self._without_column(j, estimate)

        def fitted(v):
            fit = uninterrupted(refitted(v))
            return fit.objective - self.least, (fit.estimates.sigma, fit.x, fit.estimates.beta)

        def parameters(fits):
            sigma, x, beta = map(np.array, zip(*fits, strict=True))
            sizes = np.tile(sigma[:, None], len(self.sizes))
            return self._in_order(sizes, sigma, x, np.insert(beta, j, np.nan, axis=1))

        return walk(
            lambda v, _: fitted(v),
            fitted(estimate)[1],
            estimate,
            0.3 * error,
            (-np.inf, np.inf),
            reach,
            others=parameters,
        )

    def _without_column(self, j: int, estimate: float) -> Callable[[float], LinearMixedModel]:
        """A function that fits one model without column j, x, to y - vx; it returns the model."""
        if self.model.is_streamed:
            return WithoutColumn(self.model, j).at
        frame, kept = self.model.frame, self.model.feterm.kept
        others, x = [k for k in kept if k != kept[j]], frame.X[:, kept[j]]
        columns = {"X": frame.X[:, others], "xnames": [frame.xnames[k] for k in others]}
        other = replace(frame, **columns, y=frame.y - estimate * x)
        twin = _fitted(self.model, other, self._given)
        return lambda v: twin.refit(frame.y - v * x, optimizer="newton", progress=False)


def _fitted(model, frame, sigma) -> LinearMixedModel:
    """A linear model of another frame with a model's tail, fitted by maximum likelihood."""
    frame = replace(frame, reterms=[replace(t, theta=None) for t in frame.reterms])
    side = model.residual_side
    request, texts = model.blocks.request, None if side is None else side.texts
    new = LinearMixedModel.of_frame(frame, sigma=sigma, tail=request, texts=texts)
    return new.fit(optimizer="newton", progress=False)
