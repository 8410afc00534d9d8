"""`pool`: fits of several imputed data sets as one, by Rubin's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import estimates, t_table
from numbamm.inference.fixed.marginalmeans import MarginalMeans
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import name_list, numbers, valid_alpha
from numbamm.report.digits import coverage
from numbamm.report.estimates_table import Estimates
from numbamm.report.result import Result

#: Columns of numbers in tables that can be pooled; those before them name the rows.
NUMBERS = ("estimate", "mean", "se", "df", "statistic", "pvalue", "lower", "upper")


@dataclass(repr=False)
class PooledEstimates(Estimates):
    """Estimates from several imputed data sets; `test` tests several of them together.

    Attributes
    ----------
    each : ndarray, shape (m, rows)
        The estimates of each fit.
    within : ndarray, shape (rows, rows)
        Ū, the mean of the covariance matrices of the fits. Of tables it is diagonal.
    between : ndarray, shape (rows, rows)
        B, the covariance matrix of the estimates between the fits.
    variances : pandas.DataFrame or None
        The variance components averaged over the fits: ``group, name1, name2, variance, sd,
        corr``. A row with two names has their covariance as its variance. None for tables.

    See Also
    --------
    pool : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> halves = [sleep[sleep.Days % 2 == k] for k in (0, 1)]
    >>> pooled = mm.pool([mm.lmm("Reaction ~ Days + (1 | Subject)", d) for d in halves])
    >>> pooled.variances["sd"].round(1).to_list()
    [35.1, 31.9]
    """

    each: np.ndarray = field(kw_only=True)
    within: np.ndarray = field(kw_only=True)
    between: np.ndarray = field(kw_only=True)
    variances: pd.DataFrame | None = field(default=None, kw_only=True)

    @names_arguments
    def test(self, names: str | Iterable[str]) -> Result:
        """Test that several coefficients are all zero (D₁ of Li, Raghunathan and Rubin).

        Parameters
        ----------
        names : str or list of str
            Names of coefficients.

        Returns
        -------
        Result
            ``F, numdf, dendf, pvalue, riv``, in one line; ``riv`` is the relative increase of the
            variance by what is missing, averaged over the coefficients.

        Raises
        ------
        OptionError
            There is no such coefficient, or tables were pooled, without covariances.

        See Also
        --------
        PooledEstimates : The coefficients one by one.

        References
        ----------
        Li, Raghunathan & Rubin, 1991, J. Am. Stat. Assoc. 86, 1065.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> halves = [sleep[sleep.Days % 2 == k] for k in (0, 1)]
        >>> pooled = mm.pool([mm.lmm("Reaction ~ Days + (1 | Subject)", d) for d in halves])
        >>> pooled.test(["Intercept", "Days"]).frame["numdf"].to_list()
        [2.0]
        """
        from scipy.stats import chi2, f

        if self.variances is None:
            raise OptionError("tables have no covariances: pool the models to test several at once")
        wanted, known = name_list("names", names), [str(name) for name in self.frame.index]
        for name in wanted:
            if name not in known:
                raise OptionError(
                    f"names: {shown(name)} is no coefficient{did_you_mean(name, known)}"
                )
        place = [known.index(name) for name in dict.fromkeys(wanted)]
        if not place or self.frame["se"].iloc[place].isna().any():
            raise OptionError("names: needs coefficients that all fits estimate")
        k, m = len(place), len(self.each)
        value = self.frame["estimate"].to_numpy()[place]
        within, between = (matrix[np.ix_(place, place)] for matrix in (self.within, self.between))
        r = (1 + 1 / m) * np.trace(np.linalg.solve(within, between)) / k
        F = value @ np.linalg.solve(within, value) / (k * (1 + r))
        t = k * (m - 1)
        with np.errstate(divide="ignore"):
            if t > 4:
                dendf = 4 + (t - 4) * (1 + (1 - 2 / t) / np.float64(r)) ** 2
            else:
                dendf = t * (1 + 1 / k) * (1 + 1 / np.float64(r)) ** 2 / 2
        p = chi2.sf(k * F, k) if np.isinf(dendf) else f.sf(F, k, dendf)
        line = {"F": F, "numdf": float(k), "dendf": dendf, "pvalue": p, "riv": r}
        title = f"{', '.join(wanted)}: tested together over {m} imputed data sets"
        return Result(title, pd.DataFrame([line], index=["joint"]))


@names_arguments
def pool(
    fits: Iterable[Any],
    *,
    ddf: str | None = None,
    df_complete: float | None = None,
    alpha: float = 0.05,
) -> PooledEstimates:
    """Pool the fits of several imputed data sets by Rubin's rules.

    Parameters
    ----------
    fits : list of MixedModel, or list of Result
        The same model fitted to each of the m ≥ 2 completed data sets; or the same table of each
        fit, from `contrast`, `emmeans`, ``emmeans(...).pairs("none")``: any with estimates and
        standard errors on the scale of the link.
    ddf : {"wald", "satterthwaite", "kenward-roger"}, optional
        Of models: the method whose degrees of freedom count as those of complete data. If not
        given, these are the number of rows minus that of the coefficients for linear models, and
        infinite for generalized ones. Tables have their own.
    df_complete : float, optional
        Degrees of freedom that complete data would have, for all rows, in place of the above.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    PooledEstimates
        A row for each coefficient, or row of the tables: ``estimate, se, df, statistic, pvalue,
        lower, upper``; ``riv``, the relative increase of the variance by what is missing, and
        ``fmi``, the fraction of missing information.

    Raises
    ------
    OptionError
        There are fewer than two fits, they are not of one model, or the tables are on the scale
        of the response or of ratios.
    NotFittedError
        A model has not been fitted.

    See Also
    --------
    PooledEstimates.test : Several coefficients together.
    modeltable : Fits side by side.

    Notes
    -----
    The total variance is Ū + (1 + 1/m)B, of the mean Ū of the variances within the fits and the
    variance B of the estimates between them. Degrees of freedom are those of Barnard and Rubin,
    which are not above those of complete data. Simultaneous intervals and adjusted p-values cannot
    be pooled: what is pooled are estimates and standard errors.

    References
    ----------
    Rubin, 1987, Multiple Imputation for Nonresponse in Surveys; Barnard & Rubin, 1999, Biometrika
    86, 948.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> halves = [sleep[sleep.Days % 2 == k] for k in (0, 1)]  # for imputed copies of the data
    >>> fits = [mm.lmm("Reaction ~ Days + (1 | Subject)", d, reml=True) for d in halves]
    >>> mm.pool(fits).frame["estimate"].round(2).to_dict()
    {'Intercept': 251.77, 'Days': 10.38}
    """
    alpha = valid_alpha(alpha)
    members = _listed(fits)
    if len(members) < 2:
        raise OptionError("fits must be two or more fits, one of each imputed data set")
    of_models = all(isinstance(fit, MixedModel) for fit in members)
    labels, each, covariances, complete = (_of_models if of_models else _of_tables)(members, ddf)
    if df_complete is not None:
        given = numbers("df_complete", df_complete)
        if given.ndim or not given > 0:
            raise OptionError(f"df_complete must be a positive number, not {shown(df_complete)}")
        complete = np.full(len(complete), float(given))
    m = len(each)
    within, centred = covariances.mean(axis=0), each - each.mean(axis=0)
    between = centred.T @ centred / (m - 1)
    frame = _pooled(each.mean(axis=0), np.diag(within), np.diag(between), m, complete, alpha)
    frame.index = labels.index
    notes = [
        f"{coverage(alpha)} intervals; {m} imputed data sets, degrees of freedom by "
        "Barnard and Rubin."
    ]
    notes += _notes(members, frame) if of_models else []
    return PooledEstimates(
        "Pooled estimates" + (f": {members[0].formula}" if of_models else ""),
        pd.concat([labels, frame], axis=1),
        notes,
        each=each,
        within=within,
        between=between,
        variances=_mean_variances(members) if of_models else None,
    )


def _listed(fits) -> list[Any]:
    if isinstance(fits, MixedModel | Result):
        return [fits]
    if isinstance(fits, str) or not isinstance(fits, Iterable):
        raise OptionError(f"fits must be a list of fitted models or tables, not {shown(fits)}")
    return list(fits)


def _of_models(models: Sequence[MixedModel], ddf: str | None):
    """Labels, estimates, covariances and degrees of freedom of complete data, of models.

    Returns
    -------
    labels : pandas.DataFrame, shape (rows, 0)
    each : ndarray, shape (m, rows)
    covariances : ndarray, shape (m, rows, rows)
    complete : ndarray, shape (rows,)
    """
    first = models[0]
    for i, model in enumerate(models):
        for what in ("formula", "family", "link"):
            ours, theirs = getattr(first, what, None), getattr(model, what, None)
            if str(ours) != str(theirs):
                raise OptionError(f"fits differ in {what}: fit 0 has {ours}, fit {i} {theirs}")
        if model.estimates.reml != first.estimates.reml:
            raise OptionError(f"fits 0 and {i}: one is by REML, the other by maximum likelihood")
        if model.coefficient_names != first.coefficient_names:
            raise OptionError(
                f"fits differ in coefficients: fit 0 has {', '.join(first.coefficient_names)}; "
                f"fit {i} {', '.join(model.coefficient_names)}. Are the levels of factors declared?"
            )
    if ddf is not None:
        complete = np.mean([_df_of(model, ddf) for model in models], axis=0)
    elif first.is_linear:
        rows = min(model.nobs - model.feterm.rank for model in models)
        complete = np.full(len(first.coefficient_names), float(rows))
    else:
        complete = np.full(len(first.coefficient_names), np.inf)
    labels = pd.DataFrame(index=first.params.index)
    each = np.array([model.params.to_numpy() for model in models])
    return labels, each, np.array([model.cov_params().to_numpy() for model in models]), complete


def _df_of(model, ddf: str) -> np.ndarray:
    """Degrees of freedom of each coefficient; NaN for dropped columns."""
    names = model.kept_coefficients
    rank = len(names)
    frame = estimates(degrees.coefficient_method(model, ddf), np.eye(rank), np.zeros(rank), 0.05)
    return frame["df"].set_axis(names).reindex(model.coefficient_names).to_numpy()


def _of_tables(tables: Sequence[Any], ddf: str | None):
    """As `_of_models`, of tables, whose estimates count as uncorrelated."""
    if ddf is not None:
        raise OptionError("ddf is for models: tables have degrees of freedom of their own")
    frames = []
    for table in tables:
        frame = getattr(table, "frame", None)
        name = "mean" if isinstance(table, MarginalMeans) else "estimate"
        if not isinstance(frame, pd.DataFrame) or not {name, "se"} <= set(frame):
            raise OptionError(
                f"fits must be models, or tables with estimates and standard errors; "
                f"{shown(table)} is neither"
            )
        if getattr(table, "ratios", False) or getattr(table, "type", "link") != "link":
            raise OptionError(
                'fits: Rubin\'s rules are for the scale of the link; take type="link" and '
                "transform what is pooled"
            )
        frames.append(frame.rename(columns={name: "estimate"}))
    labels = frames[0].drop(columns=[name for name in frames[0] if name not in _words(frames[0])])
    for i, frame in enumerate(frames):
        same = frame.index.equals(labels.index) and labels.astype(str).equals(
            frame.reindex(columns=labels.columns).astype(str)
        )
        if not same:
            raise OptionError(f"fits: tables 0 and {i} do not have the same rows")
    each = np.array([frame["estimate"].to_numpy(dtype=float) for frame in frames])
    se = np.array([frame["se"].to_numpy(dtype=float) for frame in frames])
    df = np.array([frame.get("df", pd.Series(np.inf, frame.index)) for frame in frames])
    return labels, each, np.array([np.diag(row**2) for row in se]), df.astype(float).mean(axis=0)


def _words(frame: pd.DataFrame) -> list:
    """The columns before the numbers, which name the rows."""
    return [name for name in frame if name not in NUMBERS and name != "measure"]


def _pooled(value, within, between, m: int, complete, alpha: float) -> pd.DataFrame:
    """Rubin's rules for each row.

    Parameters
    ----------
    value, within, between : ndarray, shape (rows,)
        Mean of the estimates, mean of their variances, variance of the estimates.
    m : int
    complete : ndarray, shape (rows,)
        Degrees of freedom of complete data.
    """
    extra = (1 + 1 / m) * between
    total = within + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        riv, missing = extra / within, extra / total
        rubin = (m - 1) / missing**2
        observed = np.where(
            np.isinf(complete), np.inf, (complete + 1) / (complete + 3) * complete * (1 - missing)
        )
        df = 1 / (1 / rubin + 1 / observed)
        fmi = (riv + 2 / (df + 3)) / (1 + riv)
    return t_table(value, np.sqrt(total), df, alpha).assign(riv=riv, fmi=fmi)


def _mean_variances(models: Sequence[MixedModel]) -> pd.DataFrame:
    """Variances and covariances averaged over the fits, with their deviations and correlations."""
    tables = [_variances(model) for model in models]
    mean = tables[0].assign(variance=np.mean([t["variance"].to_numpy() for t in tables], axis=0))
    single = mean["name2"].isna()
    mean["sd"] = np.sqrt(mean["variance"].where(single))
    of = mean[single].set_index(["group", "name1"])["sd"]
    mean["corr"] = [
        np.nan
        if alone
        else line.variance / (of[line.group, line.name1] * of[line.group, line.name2])
        for alone, line in zip(single, mean.itertuples(), strict=True)
    ]
    return mean


def _variances(model) -> pd.DataFrame:
    """Variances and covariances of a fit, a row each; the residual's last."""
    lines = []
    for term in model.varcorr.terms:
        for i, name in enumerate(term.names):
            lines.append((term.group, name, None, term.cov[i, i]))
            lines += [
                (term.group, term.names[j], name, term.cov[i, j])
                for j in range(i)
                if term.estimated[i, j]
            ]
    if model.varcorr.sigma is not None:
        lines.append(("Residual", "", None, model.varcorr.sigma**2))
    return pd.DataFrame(lines, columns=["group", "name1", "name2", "variance"])


def _notes(models: Sequence[MixedModel], frame: pd.DataFrame) -> list[str]:
    notes = []
    singular = sum(model.is_singular() for model in models)
    if singular:
        notes.append(f"{singular} of {len(models)} fits are singular.")
    if frame["se"].isna().any():
        notes.append("Coefficients without numbers are not estimated in all fits.")
    return notes
