"""`Averages`: averages of mean responses, with their joint covariance, and comparisons of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.fixed import adjust as adjustments
from numbamm.inference.fixed import mean_weights
from numbamm.inference.fixed.contrast import t_table
from numbamm.inference.fixed.marginalmeans import level_note, named
from numbamm.options import one_of
from numbamm.report.estimates_table import Estimates

MEASURES = ("difference", "ratio", "odds ratio")
INESTIMABLE = "Lines without numbers are not estimable: the data do not determine them."


@dataclass(repr=False)
class Averages(Estimates):
    """Averages of mean responses or of their slopes; `pairs` and `contrast` compare them.

    Attributes
    ----------
    labels : pandas.DataFrame
        Values of the variables, a row per average.
    by : list of str
        Variables within whose levels the averages are compared.
    gradient : ndarray, shape (averages, parameters)
        Derivatives by the parameters.
    parameters : ndarray, shape (parameters, parameters)
        The covariance of the parameters.
    covariance : ndarray, shape (averages, averages)
        That of the averages, by the delta method.
    method : object
        The method of degrees of freedom, if the averages are functions of β alone; else None.
    alpha : float
    value : str
        The column of the averages.

    See Also
    --------
    slopes, comparisons, emmeans : They make them.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> g = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, "binomial")
    >>> means = g.emmeans("period", re="integrated")
    >>> means.frame["estimate"].round(3).to_list()
    [0.216, 0.097, 0.086, 0.057]
    """

    labels: pd.DataFrame = field(kw_only=True)
    by: list[str] = field(kw_only=True)
    gradient: np.ndarray = field(kw_only=True)
    parameters: np.ndarray = field(kw_only=True)
    method: Any = field(kw_only=True)
    alpha: float = field(kw_only=True)
    value: str = field(default="estimate", kw_only=True)

    @names_arguments
    def pairs(self, adjust: str = "holm", *, measure: str = "difference") -> Estimates:
        """Compare each pair; see `contrast`.

        Parameters
        ----------
        adjust : {"holm", "mvt", "bonferroni", "sidak", "none"}
            Adjustment of p-values and intervals for the number of comparisons.
        measure : {"difference", "ratio", "odds ratio"}

        Returns
        -------
        Estimates
            A row per pair.

        Raises
        ------
        OptionError
            An option is unknown, or there is but one average.

        See Also
        --------
        Averages.contrast

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> means = mm.glmm(formula, cbpp, "binomial").emmeans("period", re="integrated")
        >>> means.pairs("mvt").frame["estimate"].round(2).to_list()[:3]
        [0.12, 0.13, 0.16]
        """
        return self.contrast("pairwise", adjust=adjust, measure=measure)

    @names_arguments
    def contrast(
        self, method="pairwise", *, adjust: str = "holm", measure: str = "difference"
    ) -> Estimates:
        """Compare the averages within each combination of the `by` variables.

        Parameters
        ----------
        method : str or dict
            ``"pairwise"``, ``"reference"``, ``"deviation"``, ``"consecutive"``, ``"polynomial"``,
            or a dict of weights: as for marginal means.
        adjust : {"holm", "mvt", "bonferroni", "sidak", "none"}
            Adjustment of p-values and intervals for the number of comparisons.
        measure : {"difference", "ratio", "odds ratio"}
            What to compare: the averages themselves, their logarithms or their log odds; of the
            latter two the estimates are ratios, and the tests those of the logarithms.

        Returns
        -------
        Estimates
            A row per comparison: ``estimate, se, df, statistic, pvalue, lower, upper``.

        Raises
        ------
        OptionError
            An option is unknown, averages have no logarithm or log odds, or there is nothing to
            compare.

        See Also
        --------
        Averages.pairs

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> means = mm.glmm(formula, cbpp, "binomial").emmeans("period", re="integrated")
        >>> means.contrast("reference", measure="ratio").frame["estimate"].round(2).to_list()
        [0.45, 0.4, 0.27]
        """
        one_of("measure", measure, MEASURES)
        adjust = adjustments.method_name(adjust)
        if adjust == "tukey":
            raise OptionError('adjust="tukey" is for means of a linear predictor: take "mvt"')
        values, gradient = self._on_scale(measure)
        ratios, tables, counts = measure != "difference", [], []
        for key, members in self._families():
            known = np.isfinite(values[members])
            names, weights = mean_weights.comparisons(
                self._labels(members), method, float(ratios), known
            )
            counts.append(len(names))
            if len(names):
                tables.append(self._table(values, gradient, key, members, names, weights, adjust))
        if not tables:
            raise OptionError("there is a single average in each group, and nothing to compare")
        table = pd.concat(tables, ignore_index=True)
        if ratios:
            for name in ("estimate", "lower", "upper"):
                table[name] = np.exp(table[name])
            table["se"] *= table["estimate"]
        plural = {"difference": "Differences", "ratio": "Ratios", "odds ratio": "Odds ratios"}
        adjusted = adjust if max(counts) > 1 else "none"
        return Estimates(
            f"{plural[measure]} of averages",
            table,
            [
                *(
                    [f"p-values adjusted for {max(counts)} comparisons."]
                    if adjusted != "none"
                    else []
                ),
                level_note(self.alpha, adjusted),
                *(["Tests and intervals are those of the logarithms."] if ratios else []),
                *([] if table["se"].notna().all() else [INESTIMABLE]),
            ],
            headings={"estimate": measure.replace(" ", ".")} if ratios else {},
            ratios=ratios,
        )

    def _on_scale(self, measure: str) -> tuple[np.ndarray, np.ndarray]:
        """The averages, their logarithms or their log odds, and the derivatives."""
        value, gradient = self.frame[self.value].to_numpy(dtype=float), self.gradient
        if measure == "difference":
            return value, gradient
        top = 1.0 if measure == "odds ratio" else np.inf
        if ((value <= 0) | (value >= top)).any():  # those that are not estimable are NaN
            between = "between 0 and 1" if np.isfinite(top) else "above 0"
            raise OptionError(f'measure="{measure}" is for averages {between}')
        if measure == "ratio":
            return np.log(value), gradient / value[:, None]
        return np.log(value / (1 - value)), gradient / (value * (1 - value))[:, None]

    def _table(self, values, gradient, key, members, names, weights, adjust: str) -> pd.DataFrame:
        """The comparisons of one family, on the scale where they are differences."""
        known = np.isfinite(values[members])
        value = weights @ np.where(known, values[members], 0.0)
        value[(weights[:, ~known] != 0).any(axis=1)] = np.nan
        rows = weights @ np.where(known[:, None], gradient[members], 0.0)
        table = tests(value, rows, self.parameters, self.method, self.alpha)
        fine = np.isfinite(value)
        if fine.any():
            covariance = rows[fine] @ self.parameters @ rows[fine].T
            se = np.sqrt(np.diag(covariance))
            with np.errstate(invalid="ignore", divide="ignore"):
                correlation = covariance / np.outer(se, se)
            estimable = table[fine]
            count, df = len(estimable), estimable["df"]
            half = adjustments.critical(adjust, self.alpha, count, df, 0, correlation)
            half = half * estimable["se"]
            table["lower"] = table["estimate"] - half
            table["upper"] = table["estimate"] + half
            table.loc[fine, "pvalue"] = adjustments.pvalues(
                adjust, estimable["pvalue"].to_numpy(), estimable["statistic"], df, 0, correlation
            )
        table.insert(0, "contrast", names)
        for name, value in zip(reversed(self.by), reversed(key), strict=True):
            table.insert(0, name, value)
        return table

    @property
    def covariance(self) -> np.ndarray:
        """Covariance matrix of the averages, shape (averages, averages)."""
        return self.gradient @ self.parameters @ self.gradient.T

    def _families(self) -> list[tuple[tuple, np.ndarray]]:
        """For each combination of the `by` variables its values and the positions of averages."""
        if not self.by:
            return [((), np.arange(len(self.labels)))]
        groups = self.labels.groupby(self.by, sort=False, observed=True).indices
        return [(k if isinstance(k, tuple) else (k,), np.asarray(v)) for k, v in groups.items()]

    def _labels(self, members) -> list[str]:
        """Names of averages: the values of all variables but `by`."""
        values = self.labels.drop(columns=self.by).iloc[members]
        return [" ".join(map(named, line)) for line in values.itertuples(index=False)]


def tests(value, gradient, parameters, method, alpha: float) -> pd.DataFrame:
    """Estimates with their tests against zero and intervals, by the delta method.

    Parameters
    ----------
    value : ndarray, shape (m,)
        NaN where not estimable.
    gradient : ndarray, shape (m, parameters)
    parameters : ndarray, shape (parameters, parameters)
        The covariance of the parameters.
    method : object or None
        The method of degrees of freedom for combinations of β; infinite ones without.
    alpha : float
    """
    known = np.isfinite(value)
    se = np.sqrt(np.maximum(np.einsum("mx,xy,my->m", gradient, parameters, gradient), 0.0))
    se[~known], df = np.nan, np.full(len(value), np.nan)
    df[known] = np.inf if method is None else method.df(gradient[known])
    return t_table(value, se, df, alpha)
