"""Linear combinations of the fixed effects: estimates, intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.wald import Wald
from numbamm.options import flag, numbers, shown, valid_alpha
from numbamm.report.result import Result

#: Up to which share of its length a combination may depend on what cannot be estimated.
ESTIMABLE = 1e-8


def contrast(
    model,
    L: ArrayLike | Mapping[str, Any],
    *,
    rhs: ArrayLike = 0.0,
    ddf: str | None = None,
    joint: bool = False,
    alpha: float = 0.05,
) -> Result:
    """Estimate and test linear combinations Lβ of the fixed effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    L : array, DataFrame or dict
        One row or several, with a column for each coefficient in ``model.params``. A frame may
        leave coefficients out; its index names the rows. A dict gives coefficients their
        factors, ``{"Days": 10, "Intercept": 1}``, or names several such dicts.
    rhs : float or array, shape (rows,)
        What is tested: Lβ = rhs.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Denominator degrees of freedom: Satterthwaite's for linear models and Wald tests for
        generalized ones, if not given.
    joint : bool
        One F test of all rows instead of a t test of each.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    Result
        ``estimate, se, df, statistic, pvalue, lower, upper`` for each row; with `joint`
        ``numdf, dendf, F, pvalue``.

    Raises
    ------
    NotFittedError
    OptionError
        L does not have a column for each coefficient, names one that there is not, or the
        method is unknown or does not suit the model.
    DataError
        A row cannot be estimated, since it involves columns that were dropped.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> mm.contrast(m, {"Days": 10}).to_frame()["df"].round(2).tolist()
    [17.0]
    """
    alpha = valid_alpha(alpha)
    joint = flag("joint", joint)
    method = degrees.method(model, ddf)
    names, L = _rows(model, L)
    rhs = _right_side(rhs, names)
    kept, estimable = on_kept_columns(model.feterm, L)
    if not estimable.all():
        bad = [names[i] for i in np.flatnonzero(~estimable)]
        raise DataError(
            f"not estimable: {', '.join(bad)}; the fixed effects are rank-deficient, without "
            f"a coefficient for {', '.join(model.feterm.dropped)}"
        )
    title, notes = f"Linear combinations of the fixed effects, {method.title}", [*method.notes]
    if joint:
        kept = _independent(kept, rhs)
        frame = f_test(method, *kept)
        return Result(title, frame.set_axis(["joint"]), notes)
    frame = estimates(method, kept, rhs, alpha)
    notes.insert(0, f"{100 * (1 - alpha):g} % intervals.")
    return Result(title, frame.set_axis(names), notes)


def coef_table(model, *, ddf: str | None = None, alpha: float = 0.05) -> Result:
    """The fixed effects with t tests and intervals by small-sample degrees of freedom.

    Parameters
    ----------
    model : MixedModel
    ddf, alpha
        As for `contrast`.

    Returns
    -------
    Result
        A line a coefficient: ``estimate, se, df, statistic, pvalue, lower, upper``; NaN for
        dropped columns.
    """
    alpha = valid_alpha(alpha)
    method = degrees.method(model, ddf)
    feterm = model.feterm
    frame = estimates(method, np.eye(feterm.rank), np.zeros(feterm.rank), alpha)
    kept = feterm.kept_names
    return Result(
        f"Fixed effects, {method.title}",
        frame.set_axis(kept).reindex(feterm.cnames),
        [f"{100 * (1 - alpha):g} % intervals.", *method.notes],
    )


def estimates(method, L, rhs, alpha: float):
    """Each row's estimate, standard error, t test and interval, as a frame."""
    import pandas as pd
    from scipy.stats import t

    value, df = L @ method.beta, method.df(L)
    with np.errstate(divide="ignore", invalid="ignore"):  # a variance may be rounding alone
        se = np.sqrt(np.einsum("lx,xy,ly->l", L, method.vcov, L))
        statistic = (value - rhs) / se
    half = t.ppf(1 - alpha / 2, df) * se
    return pd.DataFrame(
        {
            "estimate": value,
            "se": se,
            "df": df,
            "statistic": statistic,
            "pvalue": 2 * t.sf(np.abs(statistic), df),
            "lower": value - half,
            "upper": value + half,
        }
    )


def f_test(method, L, rhs):
    """The test of Lβ = rhs, all rows at once, as a frame of one line.

    Without denominator degrees of freedom it is a χ² test, ``chisq, df, pvalue``.
    """
    import pandas as pd
    from scipy.stats import chi2, f

    numdf = len(L)
    try:
        F, dendf = method.joint(L, rhs) if numdf else (np.nan, np.nan)
    except np.linalg.LinAlgError:  # a covariance that is nothing but rounding
        F, dendf = np.nan, np.nan
    if isinstance(method, Wald):
        chisq = numdf * F
        return pd.DataFrame({"chisq": [chisq], "df": float(numdf), "pvalue": chi2.sf(chisq, numdf)})
    # scipy's F has no limit for infinite degrees of freedom
    pvalue = chi2.sf(numdf * F, numdf) if np.isposinf(dendf) else f.sf(F, numdf, dendf)
    return pd.DataFrame({"numdf": [float(numdf)], "dendf": dendf, "F": F, "pvalue": pvalue})


def on_kept_columns(feterm, L) -> tuple[np.ndarray, np.ndarray]:
    """L for the kept columns alone, and which of its rows can be estimated.

    Parameters
    ----------
    feterm : FeMat
    L : ndarray, shape (rows, p)

    Returns
    -------
    kept : ndarray, shape (rows, rank)
    estimable : ndarray of bool, shape (rows,)
        Whether the row gives a dropped column what the columns that it depends on give it.
    """
    kept = L[:, feterm.kept]
    dropped = np.setdiff1d(np.arange(len(feterm.cnames)), feterm.kept)
    if not len(dropped):
        return kept, np.ones(len(L), dtype=bool)
    x, rows, rounding = _centred(feterm, L)
    combined = np.linalg.lstsq(x[:, feterm.kept], x[:, dropped], rcond=None)[0]
    rest = np.abs(rows[:, dropped] - rows[:, feterm.kept] @ combined).max(axis=1)
    return kept, rest <= max(ESTIMABLE, rounding) * np.abs(rows).max(axis=1)


def _centred(feterm, L) -> tuple[np.ndarray, np.ndarray, float]:
    """X without its columns' means, if it has a constant one, and divided by their sizes.

    Returns
    -------
    x : ndarray, shape (n, p)
    rows : ndarray, shape (rows, p)
        L for these columns.
    rounding : float
        Share of these columns that may be rounding, where they are far from zero.
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


def _rows(model, L) -> tuple[list[str], np.ndarray]:
    """Names of the rows, and L as an array of shape (rows, p)."""
    import pandas as pd

    cnames = model.feterm.cnames
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
    """The rows of a dict of coefficients and their factors, or of a dict of such dicts."""
    nested = [isinstance(value, Mapping) for value in L.values()]
    if any(nested) and not all(nested):
        raise OptionError("L mixes rows and coefficients: give one dict, or a dict of dicts")
    names, rows = [], []
    for key, line in L.items() if any(nested) else [(None, L)]:
        _refuse_unknown(line, cnames)
        factors = {k: numbers(f"the factor of '{k}'", value) for k, value in line.items()}
        if any(factor.ndim for factor in factors.values()):
            raise OptionError(f"each coefficient in L needs one number, not {shown(dict(line))}")
        names.append(str(key) if any(nested) else _said(factors))
        rows.append([float(factors.get(name, 0.0)) for name in cnames])
    return names, np.array(rows)


def _refuse_unknown(names, cnames: list[str]) -> None:
    """Refuse what is no coefficient, and coefficients that are named twice."""
    for i, name in enumerate(names):
        if name not in cnames:
            raise OptionError(
                f"there is no coefficient '{name}'{did_you_mean(str(name), cnames)}; there are "
                f"{', '.join(cnames)}"
            )
        if name in list(names)[:i]:
            raise OptionError(f"L has several columns for the coefficient '{name}'")


def _right_side(rhs, names: list[str]) -> np.ndarray:
    """What rows are tested for: a number for each, or one for all; shape (rows,)."""
    values = numbers("rhs", rhs)
    if values.shape not in ((), (len(names),)) or not np.isfinite(values).all():
        raise OptionError(
            f"rhs must be a finite number, or one for each of {len(names)} rows of L, not "
            f"{shown(rhs)}"
        )
    return np.broadcast_to(values, len(names))


def _said(coefficients: Mapping) -> str:
    """A combination in words, ``Intercept + 10 Days``."""
    parts = [f"{value:+g} {name}" for name, value in coefficients.items()]
    text = " ".join(parts).replace("+", "+ ").replace("-", "- ").removeprefix("+ ")
    return text.replace("+ 1 ", "+ ").replace("- 1 ", "- ").removeprefix("1 ")


def _independent(L, rhs) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are not combinations of rows before them; the others must agree with rhs."""
    chosen: list[int] = []
    for i in range(len(L)):
        if np.linalg.matrix_rank(L[[*chosen, i]]) > len(chosen):
            chosen.append(i)
    kept = L[chosen]
    weights = np.linalg.lstsq(kept.T, L.T, rcond=None)[0]
    if not np.allclose(weights.T @ rhs[chosen], rhs):
        raise OptionError("the rows of L are dependent, and their rhs contradict each other")
    return kept, rhs[chosen]
