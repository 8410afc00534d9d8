"""`buildformula`: from the maximal random effects to those that the data support."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import NumbammWarning
from numbamm.inference.comparison.lighter import Lighter, lighter
from numbamm.models.mixedmodel import MixedModel
from numbamm.report.result import Result


@dataclass(repr=False)
class BuiltFormula(Result):
    """The path of `buildformula`, and where it ended.

    Attributes
    ----------
    formula : str
        The last formula.
    model : MixedModel
        Its fit.

    See Also
    --------
    buildformula : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> built = mm.buildformula("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> built.formula
    'Yield ~ 1 + (1 | Batch)'
    """

    formula: str = field(kw_only=True)
    model: MixedModel = field(kw_only=True)


def buildformula(formula: str, data, family: Any = None, **options: Any) -> BuiltFormula:
    """Simplify the random effects of a formula until the fit is not singular.

    Parameters
    ----------
    formula : str
        The maximal formula.
    data : frame or dict of arrays
    family : str or Family, optional
        Of generalized models; if not given, the model is linear.
    **options
        As for `lmm` or `glmm`.

    Returns
    -------
    BuiltFormula
        A row per step: the ``formula`` that was fitted, ``npar, objective, aic, singular``, and
        what was ``dropped`` from it. Its `model` is the last fit.

    Raises
    ------
    FormulaError, DataError, OptionError
        As from `lmm` or `glmm`.

    See Also
    --------
    LinearMixedModel.is_singular : What singular means.
    step : Selection by tests.
    compare_structures : Other structures of the covariance.

    Notes
    -----
    From a term with a singular covariance, its correlations go first, which leaves all variances;
    then the effect of highest order with the smallest standard deviation in units of a typical row.
    The fixed effects stay. Tests of fixed effects after such a search take the chosen structure as
    known (Barr, Levy, Scheepers & Tily, 2013, J. Mem. Lang. 68, 255; Bates, Kliegl, Vasishth &
    Baayen, 2015, arXiv:1506.04967).

    Examples
    --------
    >>> import numbamm as mm
    >>> machines = mm.datasets.load("Machines")
    >>> built = mm.buildformula("score ~ Machine + (Machine | Worker)", machines, reml=True)
    >>> built.frame["singular"].to_list()
    [False]
    """
    from numbamm.models.glmm import glmm
    from numbamm.models.lmm import lmm

    lines: list[dict[str, Any]] = []
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbammWarning)
            if family is None:
                model = lmm(formula, data, **options)
            else:
                model = glmm(formula, data, family, **options)
        singular = model.is_singular()
        lines.append(
            {
                "formula": formula,
                "npar": model.n_parameters,
                "objective": model.objective,
                "aic": model.aic,
                "singular": singular,
                "dropped": "",
            }
        )
        chosen = _next(model, formula) if singular else None
        if chosen is None:
            break
        lines[-1]["dropped"], formula = chosen.name, chosen.formula
    notes = ["The last fit is singular: nothing is left to drop."] if singular else []
    return BuiltFormula(
        "Random effects, simplified until the fit is not singular",
        pd.DataFrame(lines),
        notes,
        formula=formula,
        model=model,
    )


def _next(model, formula: str) -> Lighter | None:
    """What to drop from a singular fit; None if nothing can be."""
    singular = {
        term.group
        for term in model.reterms
        if term.structure.lacks_rank(term.theta, term.root_mean_squares(), 1e-4)
    }
    options = [found for found in lighter(formula, correlations=True)]
    mine = [found for found in options if _group_of(found.term) in singular] or options
    of_correlations = [found for found in mine if found.effect is None]
    if of_correlations:
        return of_correlations[0]
    return min(mine, key=lambda found: _size(model, found), default=None)


def _group_of(text: str) -> str:
    """The grouping factor of a term's text."""
    return text.rpartition("|")[2].strip().removesuffix(")").strip()


def _size(model, found: Lighter) -> float:
    """The largest standard deviation of an effect's columns, in units of a typical row."""
    sizes = []
    for term in model.reterms:
        if term.group != _group_of(found.term):
            continue
        deviations = np.linalg.norm(term.lambda_, axis=1) * term.root_mean_squares()
        for name, deviation in zip(term.cnames, deviations, strict=True):
            own = "Intercept" if found.effect == "1" else str(found.effect)
            if name == own or name.startswith(f"{own}["):
                sizes.append(float(deviation))
    return max(sizes, default=0.0)
