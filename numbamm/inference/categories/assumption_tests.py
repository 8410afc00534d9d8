"""`nominal_test` and `scale_test`: tests of what a cumulative link model assumes of each term."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.lrtest import added_table
from numbamm.inference.comparison.reduced import fitted_model
from numbamm.inference.comparison.views import fit_of
from numbamm.inference.fixed.terms import fixed_terms
from numbamm.report.result import Result


@names_arguments
def nominal_test(model) -> Result:
    """Test for each term whether its effect is the same at all thresholds: proportional odds.

    The model is compared, by likelihood ratios, with models in which a term moves each threshold
    by itself.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
        A fitted model. It is not changed.

    Returns
    -------
    Result
        A row ``<none>`` for the model, and one for each term of the location: ``npar, aic, llf,
        objective, chisq, df, pvalue``. A small p-value speaks against the same effect at all
        thresholds; with the link logit, against proportional odds.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model has no thresholds, a single one, or no fixed effects.

    See Also
    --------
    scale_test : Whether terms change the scale.
    lrtest : Compares models that you name.

    Notes
    -----
    As `nominal_test` of the R package ordinal (Christensen), with random effects.

    Examples
    --------
    >>> import numbamm as mm
    >>> va = mm.datasets.load("VerbAgg")
    >>> m = mm.clmm("resp ~ Gender + btype + (1 | id) + (1 | item)", va)
    >>> mm.nominal_test(m).to_frame()["df"].tolist()[1:]
    [1.0, 2.0]
    """
    _refuse_others(model)
    if len(model.categories) < 3:
        raise OptionError("with a single threshold no effect can differ between thresholds")
    return _tests(model, "nominal", "Likelihood-ratio tests of nominal effects")


@names_arguments
def scale_test(model) -> Result:
    """Test for each term whether it changes the scale of the latent variable.

    The model is compared, by likelihood ratios, with models in which a term of the location has
    effects on log s, too.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
        A fitted model. It is not changed.

    Returns
    -------
    Result
        As from `nominal_test`.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model has no thresholds, or no fixed effects.

    See Also
    --------
    nominal_test : Whether effects are the same at all thresholds.

    Examples
    --------
    >>> import numbamm as mm
    >>> va = mm.datasets.load("VerbAgg")
    >>> m = mm.clmm("resp ~ Gender + btype + (1 | id) + (1 | item)", va)
    >>> mm.scale_test(m).to_frame()["df"].tolist()[1:]
    [1.0, 2.0]
    """
    _refuse_others(model)
    return _tests(model, "scale", "Likelihood-ratio tests of scale effects")


def _refuse_others(model) -> None:
    """Refuse models without thresholds, or without terms to test."""
    if not mixed_model(model).has_categories:
        raise OptionError(
            "this is a test of ordinal models: fit one to ordered categories by clmm(...)"
        )
    _ = model.estimates
    if not model.location_names:
        raise OptionError("the model has no fixed effects to test")


def _tests(model, part: str, title: str) -> Result:
    """The model against those with one more term in a part."""
    fits, notes = {}, []
    full = fit_of(model)
    for term in fixed_terms(model.frame):
        columns = _with_term(model, part, term)
        other = fit_of(fitted_model(model, replace(model.frame, parts=columns)))
        if other.npar > full.npar:
            fits[term.name] = other
        else:
            notes.append(f"{term.name}: has such effects already.")
    if not fits:
        raise OptionError(f"all terms of the model have {part} effects already")
    return added_table(title, full, fits, notes)


def _with_term(model, part: str, term) -> dict[str, tuple[np.ndarray, list[str]]]:
    """The parts of a model, with the columns of a term added to one of them."""
    frame = model.frame
    X, names = frame.X[:, term.columns], [frame.xnames[j] for j in term.columns]
    known, known_names = frame.parts.get(part, (np.ones((len(X), 1)), ["Intercept"]))
    new = [j for j, name in enumerate(names) if name not in known_names]
    columns = np.hstack([known, X[:, new]]), [*known_names, *(names[j] for j in new)]
    return {**frame.parts, part: columns}
