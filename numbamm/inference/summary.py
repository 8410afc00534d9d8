"""`summary`: the table of a fitted model, and what is said below it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import coef_table
from numbamm.optimize.optsummary import GENUINE
from numbamm.report.content import (
    MISSING,
    Report,
    Table,
    components,
    fixed_point,
    of_result,
    p_value,
    shown_name,
)
from numbamm.report.summary import Summary


def summary(model, ddf: str | None = None) -> Summary:
    """The table that ``print(model)`` shows, and in a notebook its HTML.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    ddf : {"satterthwaite", "kenward-roger", "kenward-roger-observed", "wald"}, optional
        Test the coefficients with these degrees of freedom; see `coef_table`, which has
        intervals, too. By Wald's z, if not given.

    Returns
    -------
    Summary
        ``str()`` of it is the text.

    Raises
    ------
    NotFittedError
    OptionError
        The method is unknown or does not suit the model.
    """
    return Summary(describe(model, ddf))


def describe(model, ddf: str | None = None) -> Report:
    """Gather a fitted model's report, its tests with degrees of freedom if a method is named.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    OptionError
        If the method is unknown or does not suit the model.
    """
    reml = model.estimates.reml
    levels = ", ".join(str(n) for n in {t.group: t.nlevels for t in model.reterms}.values())
    heading, tests, remarks = "Fixed-effects parameters", coefficients(model), []
    if ddf is not None:
        heading, tests, remarks = _small_sample(model, ddf)
    return Report(
        title=model._title,
        formula=model.formula,
        criteria=criteria(model, "REML crit." if reml else "-2 logLik"),
        components=components(model.varcorr),
        counts=f"Number of obs: {model.nobs}; levels of grouping factors: {levels}",
        heading=heading,
        coefficients=tests,
        notes=[*notes(model), *remarks],
    )


def criteria(model, name: str) -> Table:
    """Log-likelihood, criterion and the information criteria."""
    values = [model.llf, -2 * model.llf, model.aic, model.aicc, model.bic]
    return Table(
        ["logLik", name, "AIC", "AICc", "BIC"],
        [[f"{v:.4f}" if np.isfinite(v) else MISSING for v in values]],
        left=0,
    )


def coefficients(model) -> Table:
    """Fixed effects with standard errors, z and p."""
    rows = []
    columns = [
        fixed_point(model.params, 6),
        fixed_point(model.bse, 6),
        [MISSING if np.isnan(z) else f"{z:.2f}" for z in model.tvalues],
        [p_value(p) for p in model.pvalues],
    ]
    for name, *cells in zip(model.feterm.cnames, *columns, strict=True):
        rows.append([shown_name(name), *cells])
    return Table(["", "Coef.", "Std. Error", "z", "Pr(>|z|)"], rows)


def _small_sample(model, ddf: str) -> tuple[str, Table, list[str]]:
    """Heading, table and remarks of the fixed effects with degrees of freedom."""
    method, result = degrees.method(model, ddf), coef_table(model, ddf=ddf)
    table = of_result(replace(result, hidden=("lower", "upper")))
    table.header[1] = "Coef."
    return f"Fixed-effects parameters, {method.title}", table, method.notes


def notes(model) -> list[str]:
    """What a reader should know besides: dropped rows and columns, singularity, trouble."""
    frame, said = model.frame, []
    if frame.n_missing:
        said.append(f"{_rows(frame.n_missing)} dropped for missing values.")
    if frame.n_zero_weight:
        what = "without trials" if frame.trials is not None else "of weight zero"
        said.append(f"{_rows(frame.n_zero_weight)} {what} dropped.")
    if model.feterm.dropped:
        said.append(
            "Rank-deficient fixed effects; without a coefficient: "
            + ", ".join(model.feterm.dropped)
            + "."
        )
    if model.estimates.sigma_given and model.varcorr.sigma is not None:
        said.append(f"Residual standard deviation held at {model.sigma:g}.")
    if getattr(model, "shape", None) == np.inf:
        said.append("The shape is infinite: the estimates are those of a Poisson distribution.")
    if not getattr(model, "likelihood_holds", True):
        said.append(
            "A standard deviation is so large, since responses of many levels are all alike, that "
            "the approximation of the likelihood does not hold."
        )
    if loose := model.optsum.loose_tolerances:
        listed = ", ".join(f"{name}={value:g}" for name, value in loose.items())
        said.append(f"Tolerances looser than the defaults, {listed}: the last digits may be off.")
    if model.is_singular():
        said.append(_singularity(model.optsum.certificate))
    return said


def _singularity(certificate: float | None) -> str:
    """What a singular fit means, as far as its certificate tells."""
    said = "Singular fit: a random-effects covariance matrix is not of full rank."
    if certificate is None:
        return said
    if certificate >= GENUINE:
        return f"{said} It is a minimum: the objective rises with any covariance that is lacking."
    return f"{said} It is no minimum: the objective falls with some covariance that is lacking."


def _rows(n: int) -> str:
    return f"{n} row" + ("" if n == 1 else "s")
