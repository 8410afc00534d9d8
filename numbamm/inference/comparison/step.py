"""`step`: backward elimination of random effects, then of fixed effects."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammWarning, OptionError, shown
from numbamm.formula.scan import scan
from numbamm.inference.comparison.drop1 import drop1
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.lighter import lighter
from numbamm.inference.comparison.lrtest import lrtest
from numbamm.inference.comparison.reduced import droppable
from numbamm.inference.fixed.anova import anova
from numbamm.inference.fixed.terms import fixed_terms
from numbamm.inference.update import update
from numbamm.models.mixedmodel import MixedModel
from numbamm.report.result import Result


@dataclass(repr=False)
class Steps(Result):
    """The tests of `step`, and the model that is left.

    Attributes
    ----------
    model : MixedModel
        The last model.

    See Also
    --------
    step : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> m.step().model.formula
    'Reaction ~ Days + (Days | Subject)'
    """

    model: MixedModel = field(kw_only=True)


@names_arguments
def step(
    model,
    *,
    alpha_random: float = 0.1,
    alpha_fixed: float = 0.05,
    ddf: str | None = None,
) -> Steps:
    """Drop random effects, then fixed effects, as long as their tests are not significant.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.
    alpha_random, alpha_fixed : float
        An effect is dropped if its p-value is above.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Of linear models: the degrees of freedom of the tests of fixed effects, as for `anova`.

    Returns
    -------
    Steps
        A row per test, in the order of the search: ``part`` (random or fixed), ``effect``,
        ``statistic, df, dendf, pvalue``, and whether it was ``dropped``. Tests of effects that stay
        are those of the last models.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option has an unusable value.
    DataError
        The model was read from a file, without its data.

    See Also
    --------
    ranova, drop1, anova : The tests of one step.
    buildformula : Simplifies until the fit is not singular.

    Notes
    -----
    Random effects are tested by likelihood ratios, with half of the weight on the boundary where
    one variance is tested; fixed effects of linear models by F tests, of generalized ones by
    likelihood ratios. An effect that is part of an interaction stays as long as that does. p-values
    after a search are too small: report the path.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m = mm.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", cake, reml=True)
    >>> found = m.step()
    >>> found.model.formula
    'angle ~ temp + (1 | recipe:replicate)'
    """
    _ = mixed_model(model).estimates
    for name, value in (("alpha_random", alpha_random), ("alpha_fixed", alpha_fixed)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 <= value <= 1):
            raise OptionError(f"{name} must be between 0 and 1, not {shown(value)}")
    lines: list[dict[str, Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)
        last = _eliminate(model, _random_tests, "random", alpha_random, lines)
        last = _eliminate(last, lambda m: _fixed_tests(m, ddf), "fixed", alpha_fixed, lines)
    frame = pd.DataFrame(lines).dropna(axis=1, how="all")
    return Steps(
        f"Backward elimination: {model.formula}",
        frame,
        [f"Left: {last.formula}", "p-values after a search are too small."],
        headings={"statistic": "Statistic", "pvalue": "p"},
        model=last,
    )


def _eliminate(model, tests, part: str, alpha: float, lines: list):
    """Drop the effect with the largest p-value until all are below alpha."""
    while True:
        found = tests(model)
        known = [test for test in found if not np.isnan(test["pvalue"])]
        worst = max(known, key=lambda test: test["pvalue"], default=None)
        ends = worst is None or worst["pvalue"] <= alpha
        for test in found if ends else [worst]:
            shown_test = {key: value for key, value in test.items() if key != "change"}
            lines.append({"part": part, **shown_test, "dropped": not ends})
        if ends:
            return model
        model = worst["change"]()


def _random_tests(model) -> list[dict[str, Any]]:
    """Likelihood-ratio tests of the parts of the random effects."""
    out = []
    for found in lighter(model.formula):
        smaller = update(model, found.formula, fit=True)
        line = lrtest(smaller, model).frame.iloc[1]
        out.append(
            {
                "effect": found.name,
                "statistic": line["chisq"],
                "df": line["df"],
                "dendf": np.nan,
                "pvalue": line["pvalue"],
                "change": lambda smaller=smaller: smaller,
            }
        )
    return out


def _fixed_tests(model, ddf: str | None) -> list[dict[str, Any]]:
    """Tests of the terms of the fixed effects that are part of no other."""
    names = [term.name for term in droppable(model)]
    if not names:
        return []
    if model.is_linear:
        table = anova(model, ddf=ddf).frame
        columns = ("chisq", "df", None) if "chisq" in table else ("F", "numdf", "dendf")
    else:
        table, columns = drop1(model).frame, ("chisq", "df", None)
    statistic, df, dendf = columns
    return [
        {
            "effect": name,
            "statistic": table.loc[name, statistic],
            "df": table.loc[name, df],
            "dendf": table.loc[name, dendf] if dendf else np.nan,
            "pvalue": table.loc[name, "pvalue"],
            "change": lambda name=name: update(model, _without(model, name), fit=True),
        }
        for name in names
    ]


def _without(model, name: str) -> str:
    """The formula without one term of the fixed effects, with the others one by one."""
    pieces = scan(model.formula, needs_terms=False)
    kept = [term.text for term in fixed_terms(model.frame) if term.name != name]
    intercept = [] if model.feterm.constant is not None else ["0"]
    fixed = [*intercept, *kept] or ["1"]
    offsets = [f"offset({text})" for text in pieces.offsets]
    left = model.formula.partition("~")[0].strip()
    return f"{left} ~ {' + '.join([*fixed, *offsets, *(term.text for term in pieces.terms)])}"
