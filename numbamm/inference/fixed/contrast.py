"""`contrast` and `coef_table`: estimates, intervals and tests of combinations of coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError, did_you_mean, shown
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.estimable import INDEPENDENT, independent
from numbamm.inference.fixed.ratios import ratio_of
from numbamm.inference.fixed.wald import Wald
from numbamm.options import flag, numbers, valid_alpha
from numbamm.report.digits import coverage
from numbamm.report.estimates_table import Estimates
from numbamm.report.result import Result

#: A combination counts as estimable if its inestimable part is at most this share of its length.
ESTIMABLE = 1e-8


@names_arguments
def contrast(
    model,
    L: ArrayLike | Mapping[str, Any],
    *,
    rhs: ArrayLike = 0.0,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    joint: bool = False,
    alpha: float = 0.05,
    part: str | None = None,
) -> Result:
    """Estimate and test linear combinations Lβ of the fixed effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    L : array, DataFrame or dict
        One or more rows, with a column for each coefficient in ``model.params``. A frame may leave
        coefficients out; its index has the names of the rows. A dict gives the multipliers of
        coefficients, ``{"Days": 10, "Intercept": 1}``; a dict of such dicts gives several rows by
        name.
    rhs : float or array, shape (rows,)
        The right-hand side of the tested hypotheses Lβ = rhs.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Denominator degrees of freedom. If not given: as configured under ``ddf``, else
        Satterthwaite's for linear models and Wald tests for generalized ones.
    robust : {"CR0", "CR1", "CR2"}, optional
        A covariance of the coefficients that holds whatever the covariance of the rows of a
        cluster, in place of the model's, with tests of its own: see the Notes of `cov_params`.
    cluster : str or array, optional
        With `robust`: the clusters, as for `cov_params`.
    joint : bool
        Whether to test all rows together by one F test, instead of each by a t test.
    alpha : float
        One minus the coverage of the intervals.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: whose coefficients are combined.

    Returns
    -------
    Estimates
        ``estimate, se, df, statistic, pvalue, lower, upper`` for each row. With `joint` a Result,
        ``numdf, dendf, F, pvalue``.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        L lacks a column for a coefficient or names an unknown one, or the method is unknown or
        does not suit the model.
    DataError
        A row is not estimable, since it involves columns that were dropped.

    See Also
    --------
    coef_table : The coefficients themselves.
    emmeans : Marginal means, and their comparisons.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> mm.contrast(m, {"Days": 10}).to_frame()["df"].round(2).tolist()
    [17.0]
    """
    alpha = valid_alpha(alpha)
    joint = flag("joint", joint)
    from numbamm.inference.parts.part_view import of_part

    model, method = of_part(model, part, ddf, robust, cluster)
    names, L = rows_of(model.feterm.cnames, L)
    rhs = _right_side(rhs, names)
    kept, estimable = on_kept_columns(model.feterm, L)
    if not estimable.all():
        inestimable = [names[i] for i in np.flatnonzero(~estimable)]
        raise DataError(
            f"not estimable: {', '.join(inestimable)}; the fixed effects are rank-deficient, "
            f"without a coefficient for {', '.join(model.feterm.dropped)}"
        )
    of = f"the part {part}" if part else "the fixed effects"
    title, notes = f"Linear combinations of {of}, {method.title}", [*method.notes]
    if joint:
        frame = f_test(method, *independent_rows(kept, rhs))
        return Result(title, frame.set_axis(["joint"]), notes)
    frame = estimates(method, kept, rhs, alpha)
    notes.insert(0, f"{coverage(alpha)} intervals.")
    return Estimates(title, frame.set_axis(names), notes)


@names_arguments
def coef_table(
    model,
    *,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    alpha: float = 0.05,
    exponentiate: bool = False,
) -> Estimates:
    """The table of coefficients, with tests and intervals.

    Parameters
    ----------
    model : MixedModel
    ddf : {"wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"}, optional
        Degrees of freedom: as configured under ``ddf``, if not given, else Wald's z tests, as in
        the printed table of a model.
    robust : {"CR0", "CR1", "CR2"}, optional
        A covariance of the coefficients that holds whatever the covariance of the rows of a
        cluster, in place of the model's, with tests of its own: see the Notes of `cov_params`.
    cluster : str or array, optional
        With `robust`: the clusters, as for `cov_params`.
    alpha : float
        One minus the coverage of the intervals.
    exponentiate : bool
        Whether to show odds ratios, rate ratios and the like instead of coefficients, with
        their intervals: with a logit link, a logarithmic one, or a logarithm as the response of a
        linear model. Standard errors are then those of the delta method.

    Returns
    -------
    Estimates
        A row per coefficient: ``estimate, se, df, statistic, pvalue, lower, upper``; NaN for
        dropped columns. With `exponentiate` also ``measure``, what each estimate is: ``odds
        ratio``, or ``odds`` for the intercept.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The method does not suit the model, or exponentials of coefficients have no meaning.

    See Also
    --------
    contrast : Other combinations of coefficients.
    anova : Tests of terms.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> g = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, "binomial")
    >>> mm.coef_table(g, exponentiate=True).to_frame()["estimate"].round(2).tolist()
    [0.25, 0.37, 0.32, 0.21]
    """
    alpha = valid_alpha(alpha)
    ratio = ratio_of(model) if flag("exponentiate", exponentiate) else None
    method = degrees.coefficient_method(model, ddf, robust, cluster)
    feterm, size = model.feterm, len(model.kept_coefficients)
    frame = estimates(method, np.eye(size), np.zeros(size), alpha)
    frame = frame.set_axis(model.kept_coefficients).reindex(model.coefficient_names)
    notes = [f"{coverage(alpha)} intervals.", *method.notes]
    if ratio is None:
        title = "Coefficients" if model.has_categories else "Fixed effects"
        return Estimates(f"{title}, {method.title}", frame, notes)
    if model.has_categories:  # of the location alone: thresholds are no ratios
        frame = frame.loc[model.location_names]
        frame = ratio.exponentiated(frame).assign(measure=ratio.name)
    else:
        frame = ratio.exponentiated(frame).assign(measure=ratio.measures(feterm))
    return Estimates(
        f"{ratio.title}, {method.title}",
        frame,
        [*ratio.notes(feterm, of_intercept=not model.has_categories), *notes],
        hidden=("measure",),
        headings={"estimate": ratio.heading},
        ratios=True,
    )


def estimates(method, L, rhs, alpha: float):
    """Each row's estimate, standard error, t test and interval, as a frame."""
    value, df = L @ method.beta, method.df(L)
    with np.errstate(invalid="ignore"):  # rounding may leave a negative variance
        se = np.sqrt(np.einsum("lx,xy,ly->l", L, method.vcov, L))
    return t_table(value, se, df, alpha, rhs)


def t_table(value, se, df, alpha: float, rhs=0.0):
    """Estimates with t tests against `rhs` and intervals, as a frame; arrays of shape (rows,)."""
    import pandas as pd
    from scipy.special import stdtr, stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (value - rhs) / se
        half = stdtrit(df, 1 - alpha / 2) * se
    return pd.DataFrame(
        {
            "estimate": value,
            "se": se,
            "df": df,
            "statistic": statistic,
            "pvalue": 2 * stdtr(df, -np.abs(statistic)),
            "lower": value - half,
            "upper": value + half,
        }
    )


def f_test(method, L, rhs):
    """The F test of Lβ = rhs for all rows of L together, as a frame with one row.

    Wald's method gives a χ² test instead, ``chisq, df, pvalue``.
    """
    import pandas as pd
    from scipy.stats import chi2, f

    numdf = len(L)
    try:
        F, dendf = method.joint(L, rhs) if numdf else (np.nan, np.nan)
    except np.linalg.LinAlgError:  # the covariance is singular
        F, dendf = np.nan, np.nan
    if isinstance(method, Wald):
        chisq = numdf * F
        return pd.DataFrame({"chisq": [chisq], "df": float(numdf), "pvalue": chi2.sf(chisq, numdf)})
    # scipy's F distribution does not accept infinite degrees of freedom.
    pvalue = chi2.sf(numdf * F, numdf) if np.isposinf(dendf) else f.sf(F, numdf, dendf)
    return pd.DataFrame({"numdf": [float(numdf)], "dendf": dendf, "F": F, "pvalue": pvalue})


def on_kept_columns(feterm, L) -> tuple[np.ndarray, np.ndarray]:
    """L restricted to the kept columns, and whether each of its rows is estimable.

    Parameters
    ----------
    feterm : FeMat
    L : ndarray, shape (rows, p)

    Returns
    -------
    kept : ndarray, shape (rows, rank)
    estimable : ndarray of bool, shape (rows,)
        A row is estimable if its entry for each dropped column is the one that follows from the
        kept columns that the dropped one depends on.
    """
    kept = L[:, feterm.kept]
    dropped = np.setdiff1d(np.arange(len(feterm.cnames)), feterm.kept)
    if not len(dropped):
        return kept, np.ones(len(L), dtype=bool)
    x, rows, rounding = _centred(feterm, L)
    dependence = np.linalg.lstsq(x[:, feterm.kept], x[:, dropped], rcond=None)[0]
    deviation = np.abs(rows[:, dropped] - rows[:, feterm.kept] @ dependence).max(axis=1)
    return kept, deviation <= max(ESTIMABLE, rounding) * np.abs(rows).max(axis=1)


def _centred(feterm, L) -> tuple[np.ndarray, np.ndarray, float]:
    """X scaled to columns of mean square one and, if it has a constant column, centred.

    Returns
    -------
    x : ndarray, shape (n, p)
    rows : ndarray, shape (rows, p)
        L for these columns.
    rounding : float
        Relative rounding error of these columns, which is large for columns far from zero.
    """
    x, constant = feterm.x, feterm.constant
    centre = np.zeros(x.shape[1])
    if constant is not None:
        centre = x.mean(axis=0) / x[0, constant]
        centre[constant] = 0.0
        x, L = x - x[:, [constant]] * centre, L - L[:, [constant]] * centre
    size = np.sqrt(np.mean(x**2, axis=0))
    size[size <= 10 * np.finfo(float).eps * np.abs(centre)] = np.inf
    finite = np.where(np.isfinite(size), size, 1.0)
    return x / size, L / finite, 10 * np.finfo(float).eps * float((np.abs(centre) / finite).max())


def rows_of(cnames: list[str], L) -> tuple[list[str], np.ndarray]:
    """Names of the rows, and L as an array of shape (rows, p); `cnames` are those of X.

    Raises
    ------
    OptionError
        L has other columns, names unknown coefficients, or has rows without numbers.
    """
    import pandas as pd

    if isinstance(L, Mapping):
        names, L = _of_dicts(L, cnames)
    elif isinstance(L, pd.DataFrame):
        _refuse_unknown(L.columns, cnames)
        names = [str(name) for name in L.index]
        L = numbers("L", L.reindex(columns=cnames).fillna(0.0))
    elif isinstance(L, str | bytes):
        example = {name: 1 for name in cnames[-1:]}
        raise OptionError(f"L must be an array, a frame, or a dict like {example}, not {shown(L)}")
    else:
        L = np.atleast_2d(numbers("L", L))
        names = [f"row {i + 1}" for i in range(len(L))]
    if L.ndim != 2 or L.shape[1] != len(cnames) or not len(L):
        raise OptionError(
            f"L has shape {L.shape}; it needs a column for each of the {len(cnames)} "
            f"coefficients: {', '.join(cnames)}"
        )
    if not np.isfinite(L).all() or not L.any(axis=1).all():
        raise OptionError("each row of L needs finite numbers that are not all zero")
    return names, L


def _of_dicts(L: Mapping, cnames: list[str]) -> tuple[list[str], np.ndarray]:
    """Names and rows of L from a dict of multipliers, or from a dict of such dicts."""
    nested = [isinstance(value, Mapping) for value in L.values()]
    if any(nested) and not all(nested):
        raise OptionError(
            "L mixes numbers and dicts: give a dict of coefficients, or a dict of such dicts"
        )
    names, rows = [], []
    for key, line in L.items() if any(nested) else [(None, L)]:
        _refuse_unknown(line, cnames)
        multipliers = {k: numbers(f"the multiplier of '{k}'", v) for k, v in line.items()}
        if any(multiplier.ndim for multiplier in multipliers.values()):
            raise OptionError(f"each coefficient in L needs one number, not {shown(dict(line))}")
        names.append(str(key) if any(nested) else _as_text(multipliers))
        rows.append([float(multipliers.get(name, 0.0)) for name in cnames])
    return names, np.array(rows)


def _refuse_unknown(names, cnames: list[str]) -> None:
    """Raise an `OptionError` for unknown coefficients, and for coefficients that occur twice."""
    for i, name in enumerate(names):
        if name not in cnames:
            raise OptionError(
                f"there is no coefficient '{name}'{did_you_mean(str(name), cnames)}; there are "
                f"{', '.join(cnames)}"
            )
        if name in list(names)[:i]:
            raise OptionError(f"L has several columns for the coefficient '{name}'")


def _right_side(rhs, names: list[str]) -> np.ndarray:
    """The option `rhs` as an array of shape (rows,)."""
    values = numbers("rhs", rhs)
    if values.shape not in ((), (len(names),)) or not np.isfinite(values).all():
        raise OptionError(
            f"rhs must be a finite number, or one for each of {len(names)} rows of L, not "
            f"{shown(rhs)}"
        )
    return np.broadcast_to(values, len(names))


def _as_text(coefficients: Mapping) -> str:
    """A linear combination as text, ``Intercept + 10 Days``."""
    parts = [f"{value:+g} {name}" for name, value in coefficients.items()]
    text = " ".join(parts).replace("+", "+ ").replace("-", "- ").removeprefix("+ ")
    return text.replace("+ 1 ", "+ ").replace("- 1 ", "- ").removeprefix("1 ")


def independent_rows(L, rhs) -> tuple[np.ndarray, np.ndarray]:
    """Linearly independent rows of L with their rhs, for a test of all rows.

    Raises
    ------
    OptionError
        Dependent rows have contradictory right-hand sides.
    """
    chosen = independent(L.T, np.empty((L.shape[1], 0)), INDEPENDENT)
    kept = L[chosen]
    weights = np.linalg.lstsq(kept.T, L.T, rcond=None)[0]
    if not np.allclose(weights.T @ rhs[chosen], rhs):
        raise OptionError(
            "the rows of L are linearly dependent, and their right-hand sides contradict each other"
        )
    return kept, rhs[chosen]
