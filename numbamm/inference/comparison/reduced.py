"""Reduced models: a model without one of its terms, fitted to the same rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from numbamm.design.remat import ReMat, order_terms
from numbamm.errors import ConvergenceWarning, NumbammWarning, warn
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.views import fit_of
from numbamm.inference.fixed.terms import FixedTerm, fixed_terms, without
from numbamm.models.parts.parts_start import deviance_without_effects
from numbamm.optimize.run import uninterrupted
from numbamm.structures.registry import by_name


def unfitted_model(model, frame):
    """An unfitted model of a frame, with the options of another model."""
    terms = [replace(t, theta=None) for t in frame.reterms]  # each model has its own θ
    frame = replace(frame, reterms=terms, trials=None)  # the weights contain them
    built = model.of_other_frame(frame)
    built.optsum.optimizer = model.optsum.optimizer
    built.optsum.adopt(model.optsum)
    n = len(model.theta)
    if n and built.theta_names == model.theta_names:
        for bounds in ("lowerbd", "upperbd"):
            getattr(built.optsum, bounds)[-n:] = getattr(model.optsum, bounds)[-n:]
    return built


def fitted_model(model, frame):
    """A fitted model of a frame with the same rows as another model, and with its options.

    Its warnings do not concern the user's model and are not shown, except those of failed
    searches, to which the formula is added.

    Raises
    ------
    KeyboardInterrupt
        The search was interrupted.
    """
    options = model.fit_options
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = uninterrupted(unfitted_model(model, frame).fit(**options, progress=False))
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            text = f"{frame.formula}, fitted for comparison: {warning.message}"
            warn(text, ConvergenceWarning)
        elif not issubclass(warning.category, NumbammWarning):
            warn(warning.message, warning.category)
    return fitted


def without_fixed(model, term: FixedTerm) -> Fit:
    """The fit without one term of the fixed effects."""
    X, names = without(model.frame, term)
    text = f"{model.formula} - {term.text}"
    return fit_of(fitted_model(model, replace(model.frame, X=X, xnames=names, formula=text)))


def without_term_of_part(model, view, part: str, term: FixedTerm) -> Fit:
    """The fit without one term of a further part, whose `view` is that of `part_view.of_part`."""
    parts = {**model.frame.parts, part: without(view.frame, term)}
    text = f"{model.formula}, {part} - {term.name}"
    return fit_of(fitted_model(model, replace(model.frame, parts=parts, formula=text)))


def without_column(model, name: str):
    """The model without one column of the fixed effects, not fitted."""
    names = [other for other in model.feterm.kept_names if other != name]
    X = model.frame.X[:, [model.feterm.cnames.index(other) for other in names]]
    text = f"{model.formula} - {name}"
    return unfitted_model(model, replace(model.frame, X=X, xnames=names, formula=text))


def droppable(model) -> list[FixedTerm]:
    """The terms of the fixed effects that are part of no other term."""
    terms = fixed_terms(model.frame)
    return [t for t in terms if not any(t.variables < other.variables for other in terms)]


def without_random(model) -> Iterator[tuple[str, list[ReMat]]]:
    """Drop each part of the random-effects terms in turn.

    A part is a variable left of a term's bar, or the whole term if only an intercept or nothing
    would remain. In `zerocorr` terms each effect is a part.

    Yields
    ------
    name : str
        The part that is dropped.
    terms : list of ReMat
        The remaining terms.
    """
    design, terms = model.frame.design, model.reterms
    for k, (reterm, members) in enumerate(zip(terms, model.frame.members, strict=True)):
        start = 0
        for i in members:
            part = design.terms[i]
            slices = design.specs[part.lhs].term_slices
            width = len(design.specs[part.lhs].column_names)
            for name, columns in _parts(part, slices, reterm.group):
                dropped = start + np.r_[columns]
                kept = np.setdiff1d(np.arange(reterm.p), dropped)
                rest = [*terms[:k], *([_kept(reterm, kept)] if len(kept) else []), *terms[k + 1 :]]
                yield name, order_terms(rest)
            start += width


def _parts(part, slices: dict, group: str) -> list[tuple[str, slice]]:
    """Names and columns of the parts of one term."""
    shown = " + ".join(str(term) for term in slices)
    whole = f"({shown} | {group})"
    can_lose = by_name()[part.structure].can_lose
    if part.structure != "us":
        whole = part.structure + whole
    if can_lose == "each":
        return [(f"{term} in {whole}", columns) for term, columns in slices.items()]
    variables = {term: {f.expr for f in term.factors} - {"1"} for term in slices}
    free = [
        term
        for term, names in variables.items()
        if names and not any(names < other for other in variables.values())
    ]
    if len(slices) == 1 or not free or can_lose == "all":
        return [(whole, slice(0, max(columns.stop for columns in slices.values())))]
    return [(f"{term} in {whole}", slices[term]) for term in free]


def _kept(term: ReMat, kept) -> ReMat:
    """A term with the columns `kept` alone."""
    names, structure = [term.cnames[j] for j in kept], term.structure.select(kept.tolist())
    return replace(term, cnames=names, z=term.z[kept], structure=structure, theta=None)


def fit_of_random(model, terms: list[ReMat], name: str) -> Fit:
    """The fit with other random-effects terms, which may be none."""
    text = f"{model.formula} - {name}"
    if not terms:
        return replace(_without_effects(model), text=text)
    return fit_of(fitted_model(model, replace(model.frame, reterms=terms, formula=text)))


def _without_effects(model) -> Fit:
    """The fit without random effects: the objective at θ = 0."""
    from scipy.optimize import minimize_scalar

    if model.residual_side is not None:
        text = f"{model.formula} without random effects"
        return fit_of(fitted_model(model, replace(model.frame, reterms=[], formula=text)))
    fit, zero = fit_of(model), np.zeros(len(model.theta))
    if model.composition is not None:
        least = deviance_without_effects(model)
    elif model.has_free_shape:
        objective = model.space_of(model.parameters(True)).objective
        middle = 2.5 if model.shape_has_limit else np.log(model.shape)
        minimum = minimize_scalar(
            lambda log_shape: objective(np.r_[log_shape, zero]),
            bounds=(middle - 12.5, middle + 12.5),
        )
        least = float(minimum.fun)
        if model.shape_has_limit:
            limit = model.space_of(model.parameters(True, np.inf))
            least = min(least, limit.objective(zero))
    elif model.has_categories:
        least = model.objective_without_effects
    else:
        least = model.objective_at(zero)
    return replace(fit, llf=-least / 2, npar=fit.npar - len(zero), terms=[])
