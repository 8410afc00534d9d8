"""A fitted model with a term less: other columns of the same rows, fitted anew."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from numbamm.design.remat import ReMat, order_terms
from numbamm.errors import ConvergenceWarning, NumbammWarning
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.views import fit_of
from numbamm.inference.fixed.terms import FixedTerm, fixed_terms, without
from numbamm.optimize.run import uninterrupted


def criterion(model) -> dict:
    """`reml` and `sigma` of the fit, if there is one: `optsum` may be set for the next by now."""
    if not model.is_fitted:
        return {"reml": model.optsum.reml, "sigma": model.optsum.sigma}
    return {"reml": model.estimates.reml, "sigma": model.estimates.held_sigma}


def on_frame(model, frame):
    """A model with the options of another one, not fitted, on a frame that may share its rows."""
    from numbamm.models.generalized import GeneralizedLinearMixedModel
    from numbamm.models.linear import LinearMixedModel

    terms = [replace(t, lambda_=None) for t in frame.reterms]  # λ belongs to a model
    frame = replace(frame, reterms=terms, trials=None)  # trials are among the weights by now
    if isinstance(model, LinearMixedModel):
        built = LinearMixedModel.of_frame(frame, **criterion(model))
    else:
        built = GeneralizedLinearMixedModel(
            frame.formula,
            frame,
            model.family,
            model.link,
            init=model.init,
            information=model.information,
            shape=model._given_shape,
        )
        built.optsum.nagq = model.optsum.nagq
    built.optsum.optimizer = model.optsum.optimizer
    built.optsum.adopt(model.optsum)
    n = len(model.theta)
    if built.theta_names == model.theta_names:
        for bounds in ("lowerbd", "upperbd"):
            getattr(built.optsum, bounds)[-n:] = getattr(model.optsum, bounds)[-n:]
    return built


def fitted_to(model, frame):
    """A model with the options of another one, fitted to a frame that shares its rows.

    Warnings are of this model, not of the user's, so that none are shown but of searches that
    failed, with the model's name.

    Raises
    ------
    KeyboardInterrupt
        The search was interrupted.
    """
    fit = {"fast": model._fast} if hasattr(model, "_fast") else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = uninterrupted(on_frame(model, frame).fit(**fit, progress=False))
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            text = f"{frame.formula}, which is fitted for comparison: {warning.message}"
            warnings.warn(text, ConvergenceWarning, stacklevel=2)
        elif not issubclass(warning.category, NumbammWarning):
            warnings.warn(warning.message, warning.category, stacklevel=2)
    return fitted


def without_fixed(model, term: FixedTerm) -> Fit:
    """The fit without one term of the fixed effects."""
    X, names = without(model.frame, term)
    text = f"{model.formula} - {term.name}"
    return fit_of(fitted_to(model, replace(model.frame, X=X, xnames=names, formula=text)))


def without_column(model, name: str):
    """The model without one column of the fixed effects, not fitted."""
    names = [other for other in model.feterm.kept_names if other != name]
    X = model.frame.X[:, [model.feterm.cnames.index(other) for other in names]]
    text = f"{model.formula} - {name}"
    return on_frame(model, replace(model.frame, X=X, xnames=names, formula=text))


def droppable(model) -> list[FixedTerm]:
    """The terms of the fixed effects that are part of no other term."""
    terms = fixed_terms(model.frame)
    return [t for t in terms if not any(t.variables < other.variables for other in terms)]


def without_random(model) -> Iterator[tuple[str, list[ReMat]]]:
    """The random-effects terms that are left, for each part of them that can be left out.

    That is a term's covariates and factors left of the bar, one at a time, and the whole term
    where only an intercept, or nothing, would be left. `zerocorr` has its parts apart.

    Yields
    ------
    name : str
        What is left out.
    terms : list of ReMat
        The others.
    """
    design, terms = model.frame.design, model.reterms
    for k, (reterm, members) in enumerate(zip(terms, model.frame.members, strict=True)):
        start = 0
        for i in members:
            part = design.terms[i]
            slices = design.specs[part.lhs].term_slices
            width = len(design.specs[part.lhs].column_names)
            for name, mine in _parts(part, slices, reterm.group):
                left_out = start + np.r_[mine]
                kept = np.setdiff1d(np.arange(reterm.p), left_out)
                rest = [*terms[:k], *([_kept(reterm, kept)] if len(kept) else []), *terms[k + 1 :]]
                yield name, order_terms(rest)
            start += width


def _parts(part, slices: dict, group: str) -> list[tuple[str, slice]]:
    """Names and columns of what can be left out of one term."""
    shown = " + ".join(str(term) for term in slices)
    whole = f"({shown} | {group})"
    if part.diagonal:
        return [(f"{term} in zerocorr{whole}", columns) for term, columns in slices.items()]
    variables = {term: {f.expr for f in term.factors} - {"1"} for term in slices}
    free = [
        term
        for term, mine in variables.items()
        if mine and not any(mine < other for other in variables.values())
    ]
    if len(slices) == 1 or not free:
        return [(whole, slice(0, max(columns.stop for columns in slices.values())))]
    return [(f"{term} in {whole}", slices[term]) for term in free]


def _kept(term: ReMat, kept) -> ReMat:
    """A term with some of its columns."""
    free = np.zeros(term.p**2, dtype=bool)
    free[term.inds] = True
    column, row = np.nonzero(free.reshape(term.p, term.p)[np.ix_(kept, kept)].T)
    names = [term.cnames[j] for j in kept]
    inds = row * len(kept) + column
    return ReMat(term.group, term.refs, term.levels, names, term.z[kept], inds)


def fit_of_random(model, terms: list[ReMat], name: str) -> Fit:
    """The fit with these random-effects terms, or with none."""
    text = f"{model.formula} - {name}"
    if not terms:
        return replace(_without_effects(model), text=text)
    return fit_of(fitted_to(model, replace(model.frame, reterms=terms, formula=text)))


def _without_effects(model) -> Fit:
    """The fit without random effects: the objective at θ = 0."""
    from scipy.optimize import minimize_scalar

    fit, zero = fit_of(model), np.zeros(len(model.theta))
    if getattr(model, "_free_shape", False):
        objective = model._objective(True, parameters=model._parameters(True))
        poisson = model._objective(True, parameters=model._parameters(True, np.inf))
        found = minimize_scalar(
            lambda log_shape: objective(np.r_[log_shape, zero]), bounds=(-10, 15)
        )
        least = min(float(found.fun), poisson(zero))
    else:
        least = model.objective_at(zero)
    return replace(fit, llf=-least / 2, npar=fit.npar - len(zero), terms=[])
