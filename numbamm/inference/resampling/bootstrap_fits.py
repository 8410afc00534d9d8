"""The fits of the bootstrap: batches of replicates, by compiled code or one by one."""

from __future__ import annotations

from copy import copy, deepcopy

import numpy as np

from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search import newton
from numbamm.blocks.search.refits import NORM, OBJECTIVE, refits
from numbamm.errors import NumbammError
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.resampling.replicates import BATCHES, ReplicateTask, stream
from numbamm.inference.resampling.studentised import errors_at_blocks
from numbamm.inference.resampling.workers import number_of_workers
from numbamm.optimize.run import uninterrupted

#: Largest number of replicates in a batch of compiled fits, and of the numbers drawn for one.
LARGEST_BATCH, LARGEST_DRAW = 200, 2_000_000


def bootstrap_task(model, names: EstimateColumns, key: int) -> ReplicateTask:
    """The task that fits replicates of a model: compiled, if the model allows it."""
    return (CompiledFits if can_be_compiled(model) else SingleFits)(model, names, key)


class CompiledFits(ReplicateTask):
    """Fits batches of replicates of a linear model; see `blocks.search.refits`."""

    def __init__(self, model, names, key: int) -> None:
        super().__init__(model, names, key)
        compile_ahead(refits)
        self._criterion = model.space.criterion
        theta = model.scaled.to_scaled(model.theta)
        singular = model.scaled.lacks_rank(theta)
        self._start = model.scaled.to_scaled(model.optsum.initial) if singular else theta
        self._z_lambda = _times_lambda(model.blocks, model.scaled.structure.matrices(theta))
        self._draws = sum(t.nranef for t in model.reterms) + model.nobs

    def batch_size(self, n: int, workers) -> int:
        """Many replicates, since one call of compiled code fits them all."""
        share = n // BATCHES // number_of_workers(workers)
        return min(LARGEST_BATCH, LARGEST_DRAW // self._draws, share)

    def _buffers(self):
        """This thread's arguments of the compiled code: copies of A and y, the rest is shared."""
        if not hasattr(self._local, "buffers"):
            blocks = copy(self._model.blocks)
            blocks.A, blocks.xy = blocks.A.copy(), blocks.xy.copy()
            model = blocks.newton_model(*self._criterion)
            rows = blocks.refs, blocks.z, self._z_lambda, blocks.xy
            self._local.blocks = blocks
            self._local.buffers = model, *newton.allocate(model, len(self._start)), rows
        return self._local.buffers

    def __call__(self, batch) -> tuple[dict, dict]:
        rows: dict = {}
        failed: dict = {}
        if not self._names.errors:
            self._fit(batch, rows, failed)
            return rows, failed
        for i in batch:  # one by one: A keeps the response, and the blocks are at its estimates
            thetas, sigmas = self._fit([i], rows, failed)
            if i not in failed:
                rows[i] = np.append(rows[i], self._errors(thetas[0], rows[i][0], sigmas[0]))
        return rows, failed

    def _errors(self, theta, objective, sigma) -> np.ndarray:
        """Standard errors of the replicate that was fitted last."""
        if not hasattr(self._local, "twin"):
            self._local.twin = self._model.twin()
        return errors_at_blocks(
            self._local.twin, self._local.blocks, theta, objective, sigma, self._model.nobs
        )

    def _fit(self, batch, rows: dict, failed: dict) -> tuple[np.ndarray, np.ndarray]:
        """Fit a batch: adds to the estimates of replicates, and to the reasons of failures.

        Returns
        -------
        thetas : ndarray, shape (replicates, number of θ)
        sigmas : ndarray, shape (replicates,)
        """
        model, optsum, n = self._model, self._model.optsum, len(batch)
        noise = np.empty((n, self._draws))
        for row, i in zip(noise, batch, strict=True):
            stream(self._key, i).standard_normal(out=row)
        thetas, gammas = np.empty((n, len(self._start))), np.empty((n, model.blocks.nx))
        numbers, succeeded = np.empty((n, 2)), np.empty(n, dtype=bool)
        scale = model.scaled_response.scale
        refits(
            noise,
            self._start,
            *self._buffers(),
            model.sigma / scale,
            optsum.ftol_abs,
            optsum.ftol_rel,
            thetas,
            gammas,
            numbers,
            succeeded,
        )
        # Row by row: the rounding of one product with all rows would depend on their number.
        changes = np.array([model.feterm.to_basis @ gamma for gamma in gammas])
        betas = model.estimates.beta + scale * changes
        sigmas = scale * numbers[:, NORM] / np.sqrt(model.degrees)
        if optsum.sigma is not None:
            sigmas[:] = optsum.sigma
        if model.scaled.is_changed:
            thetas = np.array([model.scaled.to_user(theta) for theta in thetas])
        thetas = model.scaled.structure.rectified(thetas)
        for k, i in enumerate(batch):
            rows[i] = self._names.row(numbers[k, OBJECTIVE], sigmas[k], None, betas[k], thetas[k])
            if not succeeded[k] or not np.isfinite(rows[i]).all():
                failed[i] = "the factorisation fails"
        return thetas, sigmas


def _times_lambda(blocks, lambdas) -> np.ndarray:
    """Each term's columns of Z times its λ, in the order of the layout."""
    parts, start = [], 0
    for k in blocks.layout.order:
        p = len(lambdas[k])
        parts.append(blocks.z[:, start : start + p] @ lambdas[k])
        start += p
    return np.hstack(parts)


class SingleFits(ReplicateTask):
    """Fits replicates of any model one by one, by `simulate` and `refit`."""

    def __call__(self, batch) -> tuple[dict, dict]:
        if not hasattr(self._local, "model"):
            self._local.model = deepcopy(self._model)
        model, rows, failed = self._local.model, {}, {}
        for i in batch:
            try:
                y = self._model.simulate(stream(self._key, i))
                uninterrupted(model.refit(y, progress=False))
                rows[i] = self._names.with_errors(model)
                # infinity is possible: the shape of Poisson counts
                if np.isnan(rows[i][: len(self._names.columns)]).any():
                    failed[i] = "the estimates are not numbers"
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                rows[i], failed[i] = None, str(error)
        return rows, failed


def can_be_compiled(model) -> bool:
    """Whether compiled code can fit the model: linear, few θ, and bounds as in its layout."""
    optsum = model.optsum
    return (
        model.residual_side is None
        and model.space.own_search is not None
        and model.scaled.structure.is_free
        and all(term.relation is None for term in model.reterms)
        and model.blocks.is_compiled
        and len(model.theta) <= newton.MANY
        and bool(np.isinf(optsum.upperbd).all())
        and np.array_equal(optsum.lowerbd, model.scaled.structure.lowerbd)
    )
