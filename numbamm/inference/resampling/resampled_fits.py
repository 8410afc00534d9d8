"""Fits of the bootstraps that resample the data: clusters, residuals, or signs of residuals."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np

from numbamm.errors import NumbammError
from numbamm.inference.resampling.replicates import ReplicateTask, stream
from numbamm.inference.robust.clusters import Clusters
from numbamm.optimize.run import uninterrupted


class ResampledFits(ReplicateTask):
    """Fits replicates one by one; subclasses make the model of a replicate."""

    def __init__(self, model, names, key: int, clusters: Clusters | None) -> None:
        super().__init__(model, names, key)
        self._clusters = clusters

    def __call__(self, batch) -> tuple[dict, dict]:
        rows, failed = {}, {}
        estimates = len(self._names.columns)
        width = estimates + len(self._names.errors)
        for i in batch:
            try:
                rows[i] = self._row(stream(self._key, i))
                if len(rows[i]) != width or np.isnan(rows[i][:estimates]).any():
                    rows[i], failed[i] = None, "the estimates are not those of the model"
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                rows[i], failed[i] = None, str(error)
        return rows, failed

    def _row(self, rng) -> np.ndarray:
        """The estimates of one replicate."""
        return self._names.with_errors(self._fitted(rng))

    def _fitted(self, rng):
        """The fitted model of one replicate."""
        if not hasattr(self._local, "model"):
            self._local.model = deepcopy(self._model)
        return uninterrupted(self._local.model.refit(self._response(rng), progress=False))

    def _response(self, rng) -> np.ndarray:
        """The response of one replicate."""
        raise NotImplementedError


class CaseFits(ResampledFits):
    """Draws whole clusters with replacement; each copy of one has levels of its own."""

    def __init__(self, model, names, key: int, clusters: Clusters) -> None:
        super().__init__(model, names, key, clusters)
        order = np.argsort(clusters.codes, kind="stable")
        self._rows = np.split(order, np.cumsum(np.bincount(clusters.codes))[:-1])
        self._within = [clusters.holds(term.refs) for term in model.reterms]

    def _drawn(self, rng) -> np.ndarray:
        """The clusters of one replicate."""
        return rng.integers(0, self._clusters.count, self._clusters.count)

    def _fitted(self, rng):
        drawn = self._drawn(rng)
        rows = np.concatenate([self._rows[j] for j in drawn])
        copies = np.repeat(np.arange(len(drawn)), [len(self._rows[j]) for j in drawn])
        frame, terms = self._model.frame, []
        for term, within in zip(self._model.reterms, self._within, strict=True):
            labels = term.refs[rows].astype(np.int64)
            if within:
                labels = labels + copies * term.nlevels
            levels, refs = np.unique(labels, return_inverse=True)
            terms.append(
                replace(
                    term, refs=refs.astype(np.int32), levels=levels, z=term.z[:, rows], theta=None
                )
            )

        def of_rows(values):
            return None if values is None else values[rows]

        def of_columns(columns):
            return {name: column.iloc[rows] for name, column in columns.items()}

        drawn_frame = replace(
            frame,
            y=frame.y[rows],
            X=frame.X[rows],
            weights=of_rows(frame.weights),
            offset=of_rows(frame.offset),
            trials=None,  # the weights contain them
            rows=np.arange(len(rows)),
            nrows=len(rows),
            index=None,
            columns=of_columns(frame.columns),
            parts={name: (X[rows], names) for name, (X, names) in frame.parts.items()},
            part_columns=of_columns(frame.part_columns),
            reterms=terms,
        )
        built = self._model.of_other_frame(drawn_frame)
        built.optsum.optimizer = self._model.optsum.optimizer
        return uninterrupted(built.fit(progress=False, **self._model.fit_options))


class ResidualFits(ResampledFits):
    """Draws random effects and residuals with replacement, reflated to the variances of the fit.

    Predicted random effects are shrunken: each term's are multiplied by a matrix that gives them
    the covariance Σ̂, and residuals by a number that gives them the variance σ̂².

    References
    ----------
    Carpenter, Goldstein & Rasbash, 2003, J. R. Stat. Soc. C 52, 431.
    """

    def __init__(self, model, names, key: int, clusters) -> None:
        super().__init__(model, names, key, clusters)
        at = model.estimates
        self._effects = [
            _reflated(b - b.mean(axis=0), term.cov)
            for b, term in zip(model.b, model.varcorr.terms, strict=True)
        ]
        w = np.ones(model.nobs) if model.frame.weights is None else model.frame.weights
        e = np.sqrt(w) * (model.frame.y - at.fitted)
        e -= e.mean()
        self._residuals, self._root = e * (at.sigma / np.sqrt(np.mean(e**2))), np.sqrt(w)
        self._fixed = _fixed_part(model)

    def _response(self, rng) -> np.ndarray:
        y = self._fixed + rng.choice(self._residuals, len(self._residuals)) / self._root
        for term, effects in zip(self._model.reterms, self._effects, strict=True):
            b = effects[rng.integers(0, term.nlevels, term.nlevels)]
            y = y + np.einsum("pn,np->n", term.z, b[term.refs])
        return y


class WildFits(ResampledFits):
    """Multiplies the residuals of each cluster, those of the fixed effects, by a random sign.

    References
    ----------
    Cameron, Gelbach & Miller, 2008, Rev. Econ. Stat. 90, 414.
    """

    def __init__(self, model, names, key: int, clusters: Clusters) -> None:
        super().__init__(model, names, key, clusters)
        m = clusters.count
        self._fixed = _fixed_part(model)
        self._residuals = (model.frame.y - self._fixed) * np.sqrt(m / (m - 1))

    def _response(self, rng) -> np.ndarray:
        signs = rng.choice([-1.0, 1.0], self._clusters.count)
        return self._fixed + signs[self._clusters.codes] * self._residuals


def _fixed_part(model) -> np.ndarray:
    """Xβ̂ and the offset."""
    fixed = model.frame.X[:, model.feterm.kept] @ model.estimates.beta
    return fixed if model.frame.offset is None else fixed + model.frame.offset


def _reflated(b, cov) -> np.ndarray:
    """Random effects that are multiplied by a matrix so that their covariance is `cov`."""
    values, vectors = np.linalg.eigh(b.T @ b / len(b))
    known = values > 1e-12 * max(float(values.max(initial=0.0)), np.finfo(float).tiny)
    inverse = (vectors[:, known] / np.sqrt(values[known])) @ vectors[:, known].T
    own, directions = np.linalg.eigh(cov)
    root = (directions * np.sqrt(np.maximum(own, 0.0))) @ directions.T
    return b @ inverse @ root
