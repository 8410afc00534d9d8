"""`tidy` and `glance`: a fit as frames, with a row per parameter and with a row per model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from numbamm.elsewhere import names_arguments
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.parts.part_tests import part_tests
from numbamm.options import name_list, one_of
from numbamm.report.result import Result

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.report.tableframe import TableFrame

EFFECTS = ("fixed", "parts", "random")


@names_arguments
def tidy(
    model,
    effects: str | Iterable[str] = EFFECTS,
    *,
    ddf: str | None = None,
    alpha: float = 0.05,
    exponentiate: bool = False,
) -> TableFrame:
    """The parameters of a fitted model, one per row.

    Parameters
    ----------
    model : MixedModel
    effects : str or iterable of {"fixed", "parts", "random"}
        Whether to include the coefficients, those of further parts, and the standard deviations
        and correlations of the random effects; all of these, if not given.
    ddf, alpha, exponentiate
        As for `coef_table`.

    Returns
    -------
    TableFrame, a pandas.DataFrame
        ``effect, group, term, estimate, se, df, statistic, pvalue, lower, upper``; NaN where a
        parameter has no such number. Terms of random effects have names such as ``sd Days`` and
        ``corr Intercept Days``. With `exponentiate` also ``measure``, what the estimates of fixed
        effects are, such as ``odds ratio``. Those of further parts, whose name is in ``group``, are
        on the scale of the part's link in any case. Its `to_latex`, `to_markdown` and `to_html` are
        those of results.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown or has an unusable value, or `exponentiate` has no meaning with the
        model's link.

    See Also
    --------
    glance : The model in one row.
    coef_table : The coefficients, printed.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.tidy()["term"].to_list()[:3]
    ['Intercept', 'Days', 'sd Intercept']
    """
    from numbamm.report.tableframe import TableFrame

    wanted = [one_of("effects", effect, EFFECTS) for effect in name_list("effects", effects)]
    tests = coef_table(model, ddf=ddf, alpha=alpha, exponentiate=exponentiate)
    title = f"{model.formula}: {tests.title[0].lower()}{tests.title[1:]}"
    of_parts = part_tests(model, alpha) if "parts" in wanted else None
    return TableFrame(parameters(tests, model.varcorr, wanted, of_parts), title)


def parameters(
    tests: Result,
    varcorr,
    effects: Iterable[str] = EFFECTS,
    of_parts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Coefficients and variance parameters, one per row; see `tidy`.

    Parameters
    ----------
    tests : Result
        The table of coefficients.
    varcorr : VarCorr
    effects : iterable of {"fixed", "parts", "random"}
    of_parts : pandas.DataFrame, optional
        Of a model of several parts, as from `part_tests`.
    """
    import pandas as pd

    fixed = tests.to_frame().rename_axis("term").reset_index()
    rows = {
        "fixed": fixed.assign(effect="fixed", group=None),
        "random": _random(varcorr).assign(effect="random"),
    }
    if of_parts is not None and len(of_parts):
        rows["parts"] = of_parts.rename(columns={"part": "group"}).assign(effect="parts")
    chosen = [rows[effect] for effect in effects if effect in rows]
    frame = pd.concat(chosen, ignore_index=True) if chosen else fixed.iloc[:0]
    return frame.reindex(columns=["effect", "group", *fixed.columns])


def _random(varcorr):
    """Standard deviations and correlations, one per row."""
    table = varcorr.to_frame()
    single = table["name2"].isna()
    table["estimate"] = table["sd"].where(single, table["corr"])
    if "value" in table:  # of a structure: rho, range, ...
        table["estimate"] = table["estimate"].fillna(table["value"])
    names = table["name1"].fillna("Observation").astype(str)
    table["term"] = ("sd " + names).where(
        single, "corr " + names + " " + table["name2"].astype(str)
    )
    if "value" in table:
        table["term"] = table["term"].where(table["value"].isna(), names)
    return table[["group", "term", "estimate"]]


@names_arguments
def glance(model) -> TableFrame:
    """A fitted model in one row.

    Parameters
    ----------
    model : MixedModel

    Returns
    -------
    TableFrame, a pandas.DataFrame
        ``nobs, npar, sigma, llf, objective, aic, aicc, bic, df_resid, reml, singular,
        optimizer, evaluations, returnvalue``.

    Raises
    ------
    NotFittedError
        Before the fit.

    See Also
    --------
    tidy : The parameters, one per row.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.glance()[["nobs", "npar"]].to_dict("records")
    [{'nobs': 180, 'npar': 6}]
    """
    import pandas as pd

    from numbamm.report.tableframe import TableFrame

    line = {
        "nobs": model.nobs,
        "npar": model.n_parameters,
        "sigma": model.sigma,
        "llf": model.llf,
        "objective": model.objective,
        "aic": model.aic,
        "aicc": model.aicc,
        "bic": model.bic,
        "df_resid": model.df_resid,
        "reml": model.estimates.reml,
        "singular": model.is_singular(),
        "optimizer": model.optsum.used,
        "evaluations": model.optsum.feval,
        "returnvalue": model.optsum.returnvalue,
    }
    return TableFrame(pd.DataFrame([line]), str(model.formula))
