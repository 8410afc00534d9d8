"""`ModelColumn`: the numbers of one model in a table of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.errors import NumbammError
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.views import fit_of
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.fixed.ratios import ratio_of
from numbamm.inference.parts.part_tests import part_tests
from numbamm.inference.random.rsquared import variance_shares
from numbamm.report.content import shown_name

if TYPE_CHECKING:
    import pandas as pd

#: Label of the row of the residual standard deviation.
RESIDUAL = "Residual SD"


@dataclass
class ModelColumn:
    """The numbers of one model, by the labels of their rows.

    Attributes
    ----------
    name : str
    fit : Fit
        The model as comparisons see it.
    heading : str
        What the coefficients are shown as: ``Coef.`` or, say, ``Odds ratio``.
    method : str
        The method of the tests and intervals.
    coefficients : pandas.DataFrame
        ``estimate, se, pvalue, lower, upper`` by coefficient; NaN for dropped columns.
    deviations, correlations : dict of str to float
        Of the random effects; deviations also of the residual.
    statistics : dict of str to float or str
        What else there is about the model.
    kind : tuple
        Models of one kind have coefficients that can be compared.
    coefficient_names, names : list of str
        The model's names of the coefficients; and these with those of random effects and grouping
        factors.
    notes : list of str
    of_intercept : list of str
        Notes for tables that show the intercept.
    """

    name: str
    fit: Fit
    heading: str
    method: str
    coefficients: pd.DataFrame
    deviations: dict[str, float]
    correlations: dict[str, float]
    statistics: dict[str, Any]
    kind: tuple
    coefficient_names: list[str]
    names: list[str]
    notes: list[str] = field(default_factory=list)
    of_intercept: list[str] = field(default_factory=list)

    def numbers(self, part: str, label: str) -> dict[str, Any]:
        """The numbers of one row, by what they are; empty if the model has none."""
        if part == "fixed":
            known = label in self.coefficients.index
            return self.coefficients.loc[label].to_dict() if known else {}
        if part == "random":
            kinds = {"sd": self.deviations, "corr": self.correlations}
            return {kind: of[label] for kind, of in kinds.items() if label in of}
        return {"": self.statistics[label]} if label in self.statistics else {}

    @classmethod
    def of(
        cls,
        model,
        name: str,
        *,
        exponentiate: bool,
        ddf: str | None,
        alpha: float,
        r2: bool,
        word: Callable[[str], str] = shown_name,
    ) -> ModelColumn:
        """The numbers of a fitted model; `word` says how coefficients and factors are called."""
        import pandas as pd

        ddf = ddf if model.is_linear else None  # generalized models have Wald's tests alone
        table = coef_table(model, ddf=ddf, alpha=alpha, exponentiate=exponentiate)
        frame = table.frame.rename(index=word)
        heading, notes, of_intercept = "Coef.", _notes(model), []
        if exponentiate:
            ratio = ratio_of(model)
            heading, of_intercept = ratio.words, ratio.of_intercept(model.feterm)
        columns = ["estimate", "se", "pvalue", "lower", "upper"]
        of_parts = _parts(model, alpha, word)
        if exponentiate and len(of_parts):
            notes.append("coefficients of further parts are on the scale of their links.")
        frame = pd.concat([frame[columns], of_parts[columns]]) if len(of_parts) else frame[columns]
        names = [*table.frame.index, *of_parts.index]
        deviations, correlations = _components(model, word)
        fit = fit_of(model)
        statistics: dict[str, Any] = {}
        if r2:
            try:
                statistics |= _shares(model)
            except NumbammError as error:
                notes.append(f"no R² and no ICC: {error}.")
        statistics |= _statistics(model, fit, word)
        return cls(
            name,
            fit,
            heading,
            degrees.coefficient_method(model, ddf).title,
            frame,
            deviations,
            correlations,
            statistics,
            (model.frame.response, str(model.family), str(model.link), heading),
            names,
            [*names, *(name for t in model.reterms for name in (t.group, *t.cnames))],
            notes,
            of_intercept,
        )


def _parts(model, alpha: float, word) -> pd.DataFrame:
    """The coefficients of further parts: ``zi: x``, ``log(shape)``."""
    table, labels = part_tests(model, alpha), []
    links = model.parts["link"] if len(table) else []
    for name, part, term, link in zip(
        table.index, table["part"], table["term"], links, strict=True
    ):
        if part == name and link in ("log", "identity"):  # a constant parameter
            labels.append(f"log({part})" if link == "log" else part)
        else:
            labels.append(f"{part}: {word(term)}")
    return table.set_axis(labels)


def _components(model, word) -> tuple[dict[str, float], dict[str, float]]:
    """Standard deviations and correlations by the labels of their rows."""
    deviations: dict[str, float] = {}
    correlations: dict[str, float] = {}
    for term in model.varcorr.terms:
        names, group = [word(name) for name in term.names], word(term.group)
        sds = np.where(term.negligible, 0.0, term.sd)
        single = [(word(name), j) for name, j in term.lines if j is not None]
        deviations |= {f"{group}: SD {name}": float(sds[j]) for name, j in single}
        for j in range(len(names)):
            for i in range(j):
                if term.estimated[j, i] and not term.parameters:
                    label = f"{group}: corr. {names[i]}, {names[j]}"
                    correlations[label] = float(term.corr[j, i])
        for name, value in term.parameters.items():
            of = correlations if name.startswith("rho") else deviations
            of[f"{group}: {name}"] = value
    for name, sd, values in model.varcorr.residual:
        if sd is not None:
            deviations[f"Residual: SD {word(name)}" if name else RESIDUAL] = sd
        else:
            of = correlations if name.startswith("rho") else deviations
            of[f"Residual: {name}"] = values[0]
    for _, first, second, _, _, corr in model.varcorr.residual_pairs():
        correlations[f"Residual: corr. {word(first)}, {word(second)}"] = corr
    if model.varcorr.sigma is not None and not model.varcorr.residual:
        deviations[RESIDUAL] = float(model.varcorr.sigma)
    return deviations, correlations


def _shares(model) -> dict[str, float]:
    """R² and the intraclass correlation of all grouping factors, as `r2` and `icc` have them."""
    shares = variance_shares(model)
    random = sum(shares.random.values())
    return {
        "R² marginal": shares.fixed / shares.total,
        "R² conditional": (shares.fixed + random) / shares.total,
        "ICC": random / shares.unexplained,
    }


def _statistics(model, fit: Fit, word) -> dict[str, Any]:
    """Numbers of rows and levels, criteria, and what kind of model it is."""
    levels = {f"Levels of {word(t.group)}": t.nlevels for t in model.reterms}
    kind = {
        "Response": _response(model.frame),
        "Family": str(model.family_record),
        "Link": str(model.link),
        "Fitted by": _criterion(model, fit),
    }
    if model.shape is not None:
        kind["Shape"] = model.shape
    weighted = model.frame.weights is not None and model.frame.trials is None
    if weighted:
        kind["Weights"] = model.frame.weights_name or "yes"
    if model.frame.offset is not None:
        kind["Offset"] = model.frame.offset_name or "yes"
    criteria = {"logLik": model.llf, "AIC": model.aic, "BIC": model.bic}
    return {"Observations": model.nobs, **levels, **criteria, **kind}


def _response(frame) -> str:
    """The response, without the failures of ``cbind(successes, failures)``."""
    if frame.trials is None or "," not in frame.response:
        return frame.response
    return frame.response.partition(",")[0] + ", …)"


def _criterion(model, fit: Fit) -> str:
    """What was maximised, in few words."""
    if fit.reml or not fit.method:
        return "REML" if fit.reml else "ML"
    nagq = model.estimates.nagq
    how = "Laplace" if nagq == 1 else f"{nagq} nodes"
    return f"ML ({how}, fast)" if model.is_fast else f"ML ({how})"


def _notes(model) -> list[str]:
    """Notes on what is particular to the fit."""
    notes = []
    if model.dropped_coefficients:
        dropped = ", ".join(model.dropped_coefficients)
        notes.append(f"rank-deficient fixed effects, without a coefficient for {dropped}.")
    if model.is_singular():
        notes.append("singular fit.")
    if model.estimates.sigma_given and model.varcorr.sigma is not None:
        notes.append(f"residual standard deviation held at {model.sigma:g}.")
    return notes
