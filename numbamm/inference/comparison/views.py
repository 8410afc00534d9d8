"""`fits_of`: the `Fit` of fitted models, of numbamm or of statsmodels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import OptionError, shown
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.statsmodels_fits import of_statsmodels
from numbamm.models.mixedmodel import MixedModel


def fit_of(model) -> Fit:
    """The `Fit` of a fitted model.

    Raises
    ------
    NotFittedError
        A model of numbamm is not fitted.
    OptionError
        It is neither a model of numbamm nor a result of statsmodels that can be compared.
    """
    if isinstance(model, MixedModel):
        return _of_mixed_model(model)
    if hasattr(model, "llf") and hasattr(getattr(model, "model", None), "exog"):
        return of_statsmodels(model)
    raise OptionError(
        "only fitted models of numbamm can be compared, and fits of statsmodels without "
        f"random effects, not {shown(model)}"
    )


def fits_of(models) -> list[Fit]:
    """The `Fit` of each model, all with arrays of the same rows if they have as many rows.

    Of rows that stream a model keeps some of the first chunk's, which another division into chunks
    makes fewer: then those that all models have are compared.

    Raises
    ------
    NotFittedError, OptionError
        As for `fit_of`.
    """
    fits = [fit_of(model) for model in models]
    fewest = min(len(fit.y) for fit in fits)
    if len({fit.nobs for fit in fits}) > 1 or all(len(fit.y) == fewest for fit in fits):
        return fits
    return [_of_first_rows(fit, fewest) for fit in fits]


def _of_first_rows(fit: Fit, n: int) -> Fit:
    root = np.sqrt(fit.weights[:n])
    return replace(
        fit,
        y=fit.y[:n],
        weights=fit.weights[:n],
        offset=fit.offset[:n],
        fixed=FeMat.from_columns(fit.fixed.x[:n], fit.fixed.cnames, root),
        terms=[replace(t, refs=t.refs[:n], z=t.z[:, :n], theta=None) for t in fit.terms],
        rows=fit.nobs,
    )


def _of_mixed_model(model) -> Fit:
    """The `Fit` of a model of numbamm."""
    estimates, frame = model.estimates, model.frame
    fixed, terms = model.feterm, model.reterms
    if model.is_streamed:
        frame = frame.part(frame.sample)
        root = None if frame.weights is None else np.sqrt(frame.weights)
        fixed, terms = FeMat.from_columns(frame.X, frame.xnames, root), frame.reterms
    parts, thresholds = {}, ""
    if model.has_categories:
        fixed, thresholds = model.columns.whole, model.threshold
        parts = model.columns.bases
    if model.composition is not None:
        lines = {line.name: line.feterm.basis for line in model.part_lines.lines}
        parts = {name: lines[name] for name in model.composition.formulas}
    n = len(frame.y)
    exact = model.family_record.is_linear(model.link_record)
    return Fit(
        text=", ".join([model.formula, *model.further_options]),
        llf=model.llf,
        npar=model.n_parameters,
        y=frame.y,
        weights=np.ones(n) if frame.weights is None else frame.weights,
        offset=np.zeros(n) if frame.offset is None else frame.offset,
        fixed=fixed,
        terms=terms,
        family=model.family_record,
        link=model.link_record,
        reml=estimates.reml,
        method="" if exact else _method(model),
        information="" if exact or model.is_canonical else model.information,
        sigma=estimates.held_sigma if model.is_linear else None,
        shape=model.given_shape,
        singular=model.is_singular(),
        rows=model.nobs,
        digest=model.frame.digest,
        monte_carlo=estimates.monte_carlo,
        parts=parts,
        thresholds=thresholds,
        residual_side=model.residual_side,
    )


def _method(model) -> str:
    """The approximation of a generalized model's likelihood, as text."""
    nagq = model.optsum.nagq
    name = "the Laplace approximation" if nagq == 1 else f"quadrature with {nagq} nodes"
    return name + (" (fast)" if model.is_fast else "")
