"""`summary`: the table of a fitted model and the notes below it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.fixed.tidy import parameters
from numbamm.inference.parts.part_tests import part_tests
from numbamm.models.fitting.laplace_check import advice_of_quadrature
from numbamm.optimize.local_minimum import is_minimum
from numbamm.options import flag
from numbamm.report.content import Report, Table, components, of_result, shown_name
from numbamm.report.digits import MISSING, fixed
from numbamm.report.result import Result, Summary


@names_arguments
def summary(model, *, ddf: str | None = None, correlation: bool = False) -> Summary:
    """The table of a fitted model, as ``print(model)`` shows it; HTML in a notebook.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    ddf : {"satterthwaite", "kenward-roger", "kenward-roger-observed", "wald"}, optional
        Degrees of freedom for tests of the coefficients; as for `coef_table`, which also has
        intervals.
    correlation : bool
        Whether to show the correlations of the estimated coefficients; `corr_params` has them as
        numbers.

    Returns
    -------
    Summary
        Its text is ``str(summary)``.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The method is unknown or does not suit the model.

    See Also
    --------
    coef_table : The coefficients alone.
    tidy : Its numbers, as a frame.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(str(m.summary(ddf="satterthwaite")).splitlines()[0])
    Linear mixed model fit by maximum likelihood
    """
    tests, varcorr = coef_table(model, ddf=ddf), model.varcorr
    report = describe(model, tests, varcorr, degrees.coefficient_method(model, ddf))
    if flag("correlation", correlation) and len(model.kept_coefficients) > 1:
        report.tables.append(correlations(model))
    of_parts = part_tests(model, 0.05)
    return Summary(report, partial(parameters, tests, varcorr, of_parts=of_parts))


def describe(model, tests: Result, varcorr, method) -> Report:
    """The content of a fitted model's table.

    Parameters
    ----------
    model : MixedModel
    tests : Result
        The table of coefficients.
    varcorr : VarCorr
    method : Wald, Satterthwaite or KenwardRoger
        The method of the tests.
    """
    reml = model.estimates.reml
    sizes = {t.group: t.nlevels for t in model.reterms}
    levels = ", ".join(f"{n} ({group})" for group, n in sizes.items())
    counts = f"Number of obs: {model.nobs}"
    counts += f"; levels of grouping factors: {levels}" if levels else ""
    side = model.residual_side
    counts += "" if side is None else f"\nResiduals: {side.text}"
    has_components = bool(model.reterms) or side is not None
    return Report(
        title=model.title,
        formula=model.formula,
        tables=[
            criteria(model, "REML crit." if reml else "-2 logLik"),
            *([components(varcorr, counts)] if has_components else []),
            *(_of_parts if model.has_categories else _of_one)(model, tests, method.title),
            *parts_of(model),
        ],
        notes=[*([] if has_components else [counts]), *notes(model), *method.notes],
    )


def criteria(model, name: str) -> Table:
    """The table of log-likelihood, criterion and information criteria."""
    values = [model.llf, -2 * model.llf, model.aic, model.aicc, model.bic]
    return Table(
        ["logLik", name, "AIC", "AICc", "BIC"],
        [[fixed(v, 4) if np.isfinite(v) else MISSING for v in values]],
        left=0,
        ruled=False,
        indent=1,
    )


def _of_one(model, tests: Result, method: str) -> list[Table]:
    return [coefficients(tests, method)]


#: Headings of the parts of a model with thresholds, in the order of their tables.
PARTS = {
    "location": "Location coefficients",
    "scale": "Scale coefficients (of log s)",
    "nominal": "Nominal effects, by threshold",
    "threshold": "Thresholds",
}


def _of_parts(model, tests: Result, method: str) -> list[Table]:
    """A table of the coefficients of each part."""
    tables = []
    for kind, heading in PARTS.items():
        rows = [own == kind for own in model.coefficient_kinds]
        if any(rows):
            table = coefficients(replace(tests, frame=tests.frame[rows]), method)
            table.heading = f"{heading}, {method}:"
            tables.append(table)
    return tables


def coefficients(tests: Result, method: str) -> Table:
    """The table of coefficients and their tests; degrees of freedom if these are finite."""
    table = of_result(replace(tests, hidden=("lower", "upper")))
    table.header[1] = "Coef."
    table.heading = f"Fixed-effects parameters, {method}:"
    return table


def parts_of(model) -> list[Table]:
    """A table of the coefficients of other parts than the mean's, if there are any."""
    if model.composition is None or not len(frame := model.parts):
        return []
    rows = []
    for row in frame.itertuples():
        z = row.estimate / row.se if row.se > 0 else np.nan
        value = fixed(row.value, 4) if np.isfinite(row.value) else ""
        names = [row.part, shown_name(row.term)]
        rows.append(
            [*names, fixed(row.estimate, 4), fixed(row.se, 4), fixed(z, 2), row.link, value]
        )
    header = ["", "", "Coef.", "Std.Error", "z", "link", "value"]
    return [Table(header, rows, left=2, heading="Further parts:")]


def correlations(model) -> Table:
    """The lower triangle of the coefficients' correlations; numbers head the columns."""
    names = model.kept_coefficients
    matrix = model.corr_params().loc[names, names].to_numpy()
    rows = [
        [f"{i} {shown_name(name)}", *(f"{c:+.2f}" for c in matrix[i - 1, : i - 1])]
        for i, name in enumerate(names, 1)
    ]
    rows = [row + [""] * (len(names) - len(row)) for row in rows]
    header = ["", *map(str, range(1, len(names)))]
    return Table(header, rows, heading="Correlations of the fixed effects:")


def notes(model) -> list[str]:
    """Notes on dropped rows and columns, given parameters, singularity and approximations."""
    frame, notes = model.frame, []
    if frame.n_missing:
        notes.append(f"{_rows(frame.n_missing)} dropped for missing values.")
    if frame.n_zero_weight:
        kind = "without trials" if frame.trials is not None else "of weight zero"
        notes.append(f"{_rows(frame.n_zero_weight)} {kind} dropped.")
    if model.dropped_coefficients:
        notes.append(
            f"{model.why_dropped}; without a coefficient: "
            + ", ".join(model.dropped_coefficients)
            + "."
        )
    if model.estimates.sigma_given and model.varcorr.sigma is not None:
        notes.append(f"Residual standard deviation held at {model.sigma:g}.")
    if model.shape == np.inf:
        notes.append("The shape is infinite: the estimates are those of a Poisson distribution.")
    if model.composition is not None:
        notes += [
            words[0].upper() + words[1:] + "."
            for words in dict.fromkeys(flat.words for flat in model.flat_parts)
        ]
    if not model.likelihood_holds:
        notes.append(
            "A standard deviation is so large that the approximation of the likelihood does not "
            "hold: in many levels all responses are equal."
        )
    if not model.is_linear and (advice := advice_of_quadrature(model)):
        notes.append(advice)
    if (errors := model.estimates.monte_carlo) is not None:
        notes.append(_of_probes(errors))
    if loose := model.optsum.loose_tolerances:
        listed = ", ".join(f"{name}={value:g}" for name, value in loose.items())
        notes.append(
            f"Tolerances looser than the defaults, {listed}: the last digits may be wrong."
        )
    if model.residual_side is not None:
        notes += model.residual_side.notes
    if model.is_singular():
        side, certificate = model.residual_side, model.optsum.certificate
        if side is None or certificate is not None or not side.bounds_met():
            notes.append(_singularity(certificate))
        notes += [f"At its bound: {words}." for words in model.at_bounds]
    return notes


def _of_probes(errors) -> str:
    """The note on a fit by random probes."""
    return (
        f"Approximate fit with {errors.probes} random probes (seed {errors.seed}): Monte-Carlo "
        f"errors of the variance parameters are at most {100 * errors.share:.2g} % of their "
        f"standard errors, and that of -2 logLik is {errors.objective:.2g}."
    )


def _singularity(certificate: float | None) -> str:
    """The note on a singular fit; the certificate tells whether it is a minimum."""
    note = "Singular fit: a random-effects covariance matrix is not of full rank."
    if certificate is None:
        return note
    if is_minimum(certificate):
        return (
            f"{note} It is a local minimum: adding any of the missing variances raises the "
            "objective."
        )
    return (
        f"{note} It is no minimum: adding some missing variance lowers the objective. Try "
        "another optimizer, or allfit."
    )


def _rows(n: int) -> str:
    """A number of rows as text."""
    return f"{n} row" + ("" if n == 1 else "s")
