"""The fit of a generalized model whose rows are read again for every step of PIRLS."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.design.absent import absent
from numbamm.errors import FitError, warn
from numbamm.glm.likelihood import Likelihood
from numbamm.memory import gigabytes
from numbamm.models.fitting.fit_warnings import warn_of_family
from numbamm.models.fitting.generalized_start import Start
from numbamm.models.fitting.generalized_tail import choose_tail
from numbamm.models.spaces.laplace import gamma_covariance
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.models.streams.streamed_modes import StreamedModes
from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.auto import AUTO
from numbamm.sources.column_moments import ColumnMoments
from numbamm.sources.working_pass import SupportCheck

#: The search by default: there are no derivatives.
DEFAULT = "nlopt:LN_BOBYQA"


class StreamedLikelihood(Likelihood):
    """-2 log-likelihood of rows that are not in memory: their constant is known."""

    def __init__(self, family, constant: float) -> None:
        super().__init__(family, None, None)
        self.constant = constant

    def saturated(self, shape: float, phi: float) -> float:
        return self.constant


class Passes:
    """What a fit by passes over the rows knows of them.

    Attributes
    ----------
    weights : float
        Sum of the prior weights.
    greatest_weight : float
    nbytes : int
        Bytes that a pass reads.
    """

    def __init__(self, weights: float, greatest_weight: float, nbytes: int) -> None:
        self.weights, self.greatest_weight, self.nbytes = weights, greatest_weight, nbytes

    def fit(self, model, fast: bool, progress, verbose) -> None:
        """Search for θ with β in PIRLS; then, unless `fast`, for β and θ together."""
        optsum = model.optsum
        with blas_threads():
            if optsum.optimizer == AUTO:
                optsum.optimizer = DEFAULT
            space = model.space_of(model._searched[True], modes=model._modes)
            minimize(
                lambda x: space.objective(space.to_scaled(x)),
                optsum,
                verbose=verbose,
                progress=progress,
            )
            if not fast:
                _fit_fully(model, space, progress, verbose)
            model._estimates = model._estimate(model.optsum.final, float(model.optsum.fmin))
            model._estimates.likelihood_holds = True
            model._note_tail()
        warn_of_family(model)


def can_pass(model) -> bool:
    """Whether a model can be fitted by passes over its rows."""
    family = model.family_record
    expected = model.information == "expected" or model.is_canonical
    return not (family.dispersed or family.by_density or model.has_free_shape) and expected


def build(model, frame) -> None:
    """Build a generalized model by passes over the rows: columns, and where a fit begins.

    Warns
    -----
    NumbammWarning
        With the number of bytes that a pass reads.
    """
    source, family, shape = frame.source, model.family_record, model.given_shape or 0.0
    source = source.kept(frame.reading.columns)
    frame = replace(frame, source=source)
    check = source.gather(SupportCheck(frame, family, shape), None, "reading responses")
    columns = source.gather(ColumnMoments(frame), None, "reading columns")
    basis = columns.basis()
    n = columns.n  # rows without trials are not among them
    frame = replace(
        frame,
        reterms=columns.terms_with_moments(),
        sums=columns.digest,
        y=absent("the response", n),
        n_zero_weight=frame.n_zero_weight + frame.nobs - n,
    )
    scalings = columns.scalings(frame.reterms)
    model.frame, model.formula, model.reterms = frame, frame.formula, frame.reterms
    model.feterm, model.sqrt_weights = basis.fe, frame.weights
    model.prior_weights, model._cells, model._gamma_root = frame.weights, None, None
    model.scaled = ScaledTerms(frame.reterms, None, scalings)
    model._begin()
    model._likelihood = StreamedLikelihood(family, check.constant)
    model._search_for(None)
    terms = model.scaled.terms
    covered = [replace(c, structure=t.structure) for c, t in zip(frame.covered, terms, strict=True)]
    link, rank = model.link_record, basis.fe.rank
    choice = choose_tail(covered, rank, model._tail_request, family, link, by_passes=True)
    rest = covered, family, link, choice.name
    model._tail_choice = choice
    model._modes = modes = StreamedModes(frame, basis, scalings, terms, *rest)
    model._passes = Passes(check.weights, check.greatest_weight, check.nbytes)
    warn(
        f"the rows are too many for memory, so that every step of PIRLS reads them again, "
        f"{gigabytes(check.nbytes)} a pass: fast=True takes the fewest passes; covariates that "
        "are rounded, so that rows become equal, take none"
    )
    gamma = _first(model, basis)
    if not modes.without_terms()(np.zeros(0), gamma, vary=True, shape=shape).found:
        raise FitError(
            f"the {model.family} model without random effects has no estimates to start from"
        )
    model._start = model._begun = Start(gamma, shape, model.theta)


def _first(model, basis) -> np.ndarray:
    """γ at which all rows have the mean of the response, less the offset, if X has a constant."""
    fe, gamma = basis.fe, np.zeros(basis.fe.rank)
    if fe.constant is not None:
        at = int(np.flatnonzero(fe.kept == fe.constant)[0])
        eta = float(model.link_record.eta(np.array([basis.mean]))[0])
        if np.isfinite(eta):
            gamma += eta / fe.constant_value * np.linalg.inv(fe.to_basis)[:, at]
    return gamma


def _fit_fully(model, space, progress, verbose) -> None:
    """The full fit, in coordinates in which coefficients are about independent."""
    fast = model.optsum
    z = space.to_scaled(fast.final)
    _, at = space.laplace.at(z)
    root = np.linalg.cholesky(gamma_covariance(model._modes, at))
    model._gamma_root = root
    full = model.space_of(model._searched[False], modes=model._modes, root=root)
    start = np.concatenate([np.linalg.solve(root, at.beta), at.theta])
    rank = len(at.beta)
    free = np.full(rank, -np.inf)
    lower = np.concatenate([free, model.scaled.structure.lowerbd])
    inner = OptSummary(start, lower, full.parameters.names)
    inner.optimizer = fast.optimizer
    inner.initial_step = np.concatenate([np.full(rank, 0.1), 0.05 * np.maximum(at.theta, 0.1)])
    minimize(full.objective, inner, verbose=verbose, progress=progress)
    model.fast_optsum, model.optsum = fast, copy(fast)
    optsum = model.optsum
    optsum.names, optsum.fast = full.parameters.names, False
    optsum.initial, optsum.final = full.to_user(start), full.to_user(inner.final)
    optsum.lowerbd = np.concatenate([free, fast.lowerbd])
    optsum.upperbd = np.concatenate([-free, fast.upperbd])
    optsum.fmin, optsum.feval = inner.fmin, fast.feval + inner.feval
    optsum.returnvalue = inner.returnvalue
