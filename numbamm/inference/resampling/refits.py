"""Refits to drawn responses: the estimates of a batch of the bootstrap's replicates."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass

import numpy as np

from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search import newton
from numbamm.blocks.search.refits import NORM, OBJECTIVE, SUCCESS, refits
from numbamm.errors import NumbammError
from numbamm.inference.random.components import SHAPE, SIGMA, Component, Components
from numbamm.inference.resampling.replicates import PARTS, Drawer, stream
from numbamm.inference.resampling.workers import how_many
from numbamm.optimize.run import uninterrupted

#: Most replicates of one batch of compiled fits, and most numbers that it draws at once.
BATCH, DRAWS = 200, 2_000_000


@dataclass(frozen=True)
class Names:
    """What the columns of the estimates are called, and the random effects that θ speaks of."""

    beta: list[str]
    theta: list[str]
    sizes: list[str]
    components: Components

    @classmethod
    def of(cls, model) -> Names:
        sizes = [SIGMA] * (model.varcorr.sigma is not None)
        sizes += [SHAPE] * (getattr(model, "shape", None) is not None)
        beta = model.feterm.kept_names
        return cls(beta, model.theta_names, sizes, Components.of(model))

    def to_json(self) -> dict:
        terms = [[t.group, list(t.names), list(t.inds)] for t in self.components.terms]
        return {"beta": self.beta, "theta": self.theta, "sizes": self.sizes, "terms": terms}

    @classmethod
    def from_json(cls, d: dict) -> Names:
        terms = [Component(g, tuple(names), tuple(inds)) for g, names, inds in d["terms"]]
        return cls(d["beta"], d["theta"], d["sizes"], Components(terms))

    @property
    def columns(self) -> list[str]:
        """Of the estimates of a replicate, as they are kept."""
        beta = [f"beta_{name}" for name in self.beta]
        return ["objective", *self.sizes, *beta, *[f"theta_{name}" for name in self.theta]]

    def values(self, objective, sigma, shape, beta, theta) -> np.ndarray:
        """A line of `columns`."""
        sizes = {SIGMA: sigma, SHAPE: shape}
        return np.concatenate([[objective], [sizes[s] for s in self.sizes], beta, theta])

    def line(self, model) -> np.ndarray:
        """The estimates of a fit, as a line of `columns`."""
        est, shape = model.estimates, getattr(model, "shape", None)
        return self.values(est.objective, est.sigma, shape, est.beta, model.theta)


def refits_of(model, names: Names, key: int) -> Drawer:
    """What draws and fits: compiled code where there is some for the model."""
    return (_Compiled if _is_compilable(model) else _Refitted)(model, names, key)


class _Compiled(Drawer):
    """Batches of replicates of a linear model; see `blocks.refits`."""

    def __init__(self, model, names, key: int) -> None:
        super().__init__(model, names, key)
        compile_ahead(refits)
        self._criterion = model._criterion()
        theta = model._inward(model.theta)
        singular = model._lacks_rank(theta)
        self._start = model._inward(model.optsum.initial) if singular else theta
        self._zl = _times_lambda(model.blocks, names.components.lambdas(theta))
        self._draws = sum(t.nranef for t in model.reterms) + model.nobs

    def size(self, n: int, workers) -> int:
        """Of a batch: many, by one call."""
        return min(BATCH, DRAWS // self._draws, n // PARTS // how_many(workers))

    def _own(self):
        """This thread's model, of which A is its own, and rows, of which the response is."""
        if not hasattr(self._local, "own"):
            blocks = copy(self._model.blocks)
            blocks.A, blocks.xy = blocks.A.copy(), blocks.xy.copy()
            model = blocks.newton_model(*self._criterion)
            rows = blocks.refs, blocks.z, self._zl, blocks.xy
            self._local.own = model, *newton.allocate(model, len(self._start)), rows
        return self._local.own

    def __call__(self, batch) -> tuple[dict, dict]:
        model, optsum, n = self._model, self._model.optsum, len(batch)
        noise = np.empty((n, self._draws))
        for row, i in zip(noise, batch, strict=True):
            stream(self._key, i).standard_normal(out=row)
        thetas, gammas = np.empty((n, len(self._start))), np.empty((n, model.blocks.nx))
        numbers = np.empty((n, 3))
        scale = model._response.scale
        refits(
            noise,
            self._start,
            *self._own(),
            model.sigma / scale,
            optsum.ftol_abs,
            optsum.ftol_rel,
            thetas,
            gammas,
            numbers,
        )
        # line by line: a product with them all rounds in a way that depends on how many there are
        moves = np.array([model.feterm.to_basis @ gamma for gamma in gammas])
        betas = model.estimates.beta + scale * moves
        sigmas = scale * numbers[:, NORM] / np.sqrt(model._degrees)
        if optsum.sigma is not None:
            sigmas[:] = optsum.sigma
        if any(model.scalings):
            thetas = np.array([model._outward(theta) for theta in thetas])
        thetas = self._names.components.rectified(thetas)
        lines, failed = {}, {}
        for k, i in enumerate(batch):
            lines[i] = self._names.values(
                numbers[k, OBJECTIVE], sigmas[k], None, betas[k], thetas[k]
            )
            if not numbers[k, SUCCESS] or not np.isfinite(lines[i]).all():
                failed[i] = "the factorisation fails"
        return lines, failed


def _times_lambda(blocks, lambdas) -> np.ndarray:
    """Each term's columns of Z times its λ, in the order of the table."""
    parts, at = [], 0
    for k in blocks.layout.order:
        p = len(lambdas[k])
        parts.append(blocks.z[:, at : at + p] @ lambdas[k])
        at += p
    return np.hstack(parts)


class _Refitted(Drawer):
    """Batches of replicates of any model, by `simulate` and `refit`."""

    def __call__(self, batch) -> tuple[dict, dict]:
        if not hasattr(self._local, "own"):
            self._local.own = deepcopy(self._model)
        own, lines, failed = self._local.own, {}, {}
        for i in batch:
            try:
                y = self._model.simulate(stream(self._key, i))
                uninterrupted(own.refit(y, progress=False))
                lines[i] = self._names.line(own)
                if np.isnan(lines[i]).any():  # a shape may be infinite
                    failed[i] = "the estimates are not numbers"
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                lines[i], failed[i] = None, str(error)
        return lines, failed


def _is_compilable(model) -> bool:
    optsum = model.optsum
    return (
        hasattr(model, "_own_search")
        and len(model.theta) <= newton.MANY
        and bool(np.isinf(optsum.upperbd).all())
        and np.array_equal(optsum.lowerbd, model._lowerbd)
    )
