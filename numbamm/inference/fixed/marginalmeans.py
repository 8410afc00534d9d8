"""`MarginalMeans`: estimated marginal means and comparisons of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.fixed import adjust as adjustments
from numbamm.inference.fixed import mean_weights, series
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.contrast import (
    estimates,
    f_test,
    independent_rows,
    on_kept_columns,
)
from numbamm.inference.fixed.ratios import ratio_name
from numbamm.options import flag
from numbamm.report.digits import coverage
from numbamm.report.estimates_table import Estimates
from numbamm.report.result import Result
from numbamm.sources.variables import with_variables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from numbamm.models.mixedmodel import MixedModel
    from numbamm.report.plots.means_and_bands import Series


@dataclass(repr=False)
class MarginalMeans(Result):
    """Estimated marginal means; `pairs` and `contrast` compare them.

    Attributes
    ----------
    model : MixedModel
    method : Wald, Satterthwaite or KenwardRoger
    labels : pandas.DataFrame
        Values of the variables, a row per mean.
    by : list of str
        Variables that divide the means into groups; means are compared within groups.
    factors : list of str
        Those of the variables of the fixed effects that are factors.
    L : ndarray, shape (means, p)
        The means as linear combinations of the coefficients.
    offset : ndarray, shape (means,)
        The offset's contribution to each mean.
    type : str
        ``"link"`` or ``"response"``.
    alpha : float
    back : BackTransform
        The transformation from linear predictors to the scale of the response.
    n_panels : int
        Number of panels that `plot` draws.
    columns : mapping of str to pandas.Series
        The variables of the fixed effects, in the rows of the data.
    value, what : str
        The column of the estimates, and what they are.

    See Also
    --------
    emmeans : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> c = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake, reml=True)
    >>> means = c.emmeans("recipe")
    >>> means.to_frame()["mean"].round(2).to_list()
    [33.12, 31.64, 31.6]
    """

    #: The column of the estimates, and what they are.
    value: ClassVar[str] = "mean"
    what: ClassVar[str] = "marginal means"

    model: MixedModel = field(kw_only=True)
    method: Any = field(kw_only=True)
    labels: pd.DataFrame = field(kw_only=True)
    by: list[str] = field(kw_only=True)
    factors: list[str] = field(kw_only=True)
    L: np.ndarray = field(kw_only=True)
    offset: np.ndarray = field(kw_only=True)
    type: str = field(default="link", kw_only=True)
    alpha: float = field(kw_only=True)
    back: BackTransform = field(kw_only=True)

    def plot(self, *, points: str | None = None, ax: Axes | None = None, axes=None) -> np.ndarray:
        """Draw the means with intervals: of a covariate's many values a curve with a band.

        The first variable is at the x axis, a second one makes series, and others and those of
        `by` make panels.

        Parameters
        ----------
        points : {"data", "partial"}, optional
            Draw the response, or partial residuals, besides; see ``model.plot.effects``.
        ax, axes : matplotlib Axes, or a sequence of them, optional
            Where to draw one panel, or several; a new figure, if neither is given.

        Returns
        -------
        ndarray of matplotlib Axes

        Raises
        ------
        OptionError
            matplotlib is not installed.

        See Also
        --------
        MarginalMeans.pairs : Comparisons, which draw themselves, too.

        Examples
        --------
        >>> import numbamm as mm
        >>> cake = mm.datasets.load("cake")
        >>> c = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake)
        >>> axes = c.emmeans("temperature | recipe").plot()
        >>> [ax.get_title() for ax in axes]
        ['recipe = A', 'recipe = B', 'recipe = C']
        """
        from numbamm.report.plots import axes as canvas
        from numbamm.report.plots.means_and_bands import means_and_bands

        x, second, _ = series.variables(self)
        return means_and_bands(
            self._panels(points),
            xlabel=self.model.frame.with_unit(x),
            ylabel=self._scale_name(),
            levels=series.levels(self, x),
            legend=None if second is None else self.model.frame.with_unit(second),
            axes=canvas.either(ax, axes),
        )

    @property
    def columns(self) -> Mapping[str, pd.Series]:
        """The variables of the fixed effects, in the rows of the data."""
        return with_variables(self.model.frame).columns

    def _panels(self, points: str | None = None) -> dict[str, list[Series]]:
        return series.panels_of(self, points)

    @property
    def n_panels(self) -> int:
        """Number of panels of `plot`."""
        return len(self._panels())

    def _scale_name(self) -> str:
        """What the means are means of."""
        if self.type == "link":
            linear = self.model.link_record.linear
            return self.back.response if linear else f"Linear predictor ({self.model.link})"
        return self.back.name

    @names_arguments
    def pairs(self, adjust: str = "tukey") -> Estimates:
        """Compare each pair of means; see `contrast`.

        Parameters
        ----------
        adjust : {"tukey", "mvt", "holm", "bonferroni", "sidak", "none"}
            Adjustment of p-values and intervals for the number of comparisons.

        Returns
        -------
        Estimates
            A row per pair: differences; on the scale of the response ratios, if logarithms or
            logits were averaged.

        Raises
        ------
        OptionError
            There is no such adjustment, or there is but one mean.

        See Also
        --------
        MarginalMeans.contrast

        Examples
        --------
        >>> import numbamm as mm
        >>> cake = mm.datasets.load("cake")
        >>> c = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake, reml=True)
        >>> c.emmeans("recipe").pairs("holm").to_frame()["estimate"].round(2).to_list()
        [1.48, 1.52, 0.04]
        """
        return self.contrast("pairwise", adjust=adjust)

    @overload
    def contrast(
        self,
        method="pairwise",
        *,
        adjust: str | None = None,
        interaction: Any = None,
        joint: Literal[False] = False,
    ) -> Estimates: ...
    @overload
    def contrast(
        self,
        method="pairwise",
        *,
        adjust: str | None = None,
        interaction: Any = None,
        joint: bool,
    ) -> Result: ...
    @names_arguments
    def contrast(
        self,
        method="pairwise",
        *,
        adjust: str | None = None,
        interaction: Any = None,
        joint: bool = False,
    ) -> Result:
        """Compare the means within each combination of the `by` variables.

        Parameters
        ----------
        method : str or dict
            ``"pairwise"``: each mean with each other; ``"reference"``: each with the first;
            ``"deviation"``: each with the average of all estimable ones; ``"consecutive"``: each
            with the one before; ``"polynomial"``: linear, quadratic and higher trends over
            equally spaced levels, in whole numbers; or a dict with the weights of the means, in
            their order, for each comparison by name.
        adjust : {"tukey", "mvt", "holm", "bonferroni", "sidak", "none"}, optional
            Adjustment for several comparisons. If not given, Tukey's method for ``"pairwise"``
            and Holm's for others, or none with `interaction`; Tukey's is for pairs alone.
            ``"mvt"`` takes the joint distribution of the comparisons, whatever they are, as that of
            correlated t statistics; it is exact where Tukey's or Dunnett's method is.
        interaction : str, list or dict, optional
            Compare the comparisons: a method for all variables of the means, a list of one for
            each, or a dict by variable, ``{"recipe": "pairwise", "temperature": "consecutive"}``.
            Takes the place of `method`.
        joint : bool
            Whether to test all comparisons together by one F test, instead of each by a t test.

        Returns
        -------
        Estimates
            A row per comparison: ``estimate, se, df, statistic, pvalue, lower, upper``, with
            p-values and intervals adjusted for the number of estimable comparisons; NaN for the
            others. If the means are on the scale of the response, differences of logarithms
            become ratios, and differences of logits odds ratios: the table calls them
            ``odds.ratio``, or with a logarithmic link ``rate.ratio`` for counts, ``risk.ratio`` for
            proportions, ``ratio`` for others. Tests are on the scale of the link in any case.
            With `joint` a Result: ``numdf, dendf, F, pvalue``.

        Raises
        ------
        OptionError
            `method` or an option is unknown, or a comparison has not one weight for each mean.

        See Also
        --------
        MarginalMeans.pairs

        Examples
        --------
        >>> import numbamm as mm
        >>> cake = mm.datasets.load("cake")
        >>> c = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake, reml=True)
        >>> c.emmeans("recipe").contrast("reference").to_frame()["estimate"].round(2).to_list()
        [-1.48, -1.52]
        """
        pairs = interaction is None and isinstance(method, str) and method == "pairwise"
        if adjust is None:
            adjust = "tukey" if pairs else "holm" if interaction is None else "none"
        adjust = adjustments.method_name(adjust)
        if adjust == "tukey" and not pairs:
            raise OptionError('adjust="tukey" is for pairwise comparisons: take adjust="mvt"')
        families = list(self._planned(method, interaction))
        if not sum(len(weights) for *_, weights in families):
            raise OptionError(
                "there is a single mean in each group, and nothing to compare: name a factor of "
                'several levels, or give values of a covariate, at={"x": [0, 1]}'
            )
        if flag("joint", joint):
            return self._joint(families)
        tables, counts, zero_sum = [], [], True
        for values, members, names, weights in families:
            table = self._with_by(
                pd.concat([names, self._compared(weights, members, adjust)], axis=1), values
            )
            zero_sum &= bool((np.abs(weights.sum(axis=1)) < 1e-9).all())
            counts.append(int(table["se"].notna().sum()))
            tables.append(table)
        if max(counts) <= 1:
            adjust = "none"
        title, heading = self._kind(zero_sum)
        return Estimates(
            f"{'Interaction contrasts' if interaction else title}, {self.method.title}",
            pd.concat([t for t in tables if len(t)], ignore_index=True),
            [
                *self._remarks(method, adjust, counts, sum(map(len, tables))),
                level_note(self.alpha, adjust),
                *self.method.notes,
            ],
            headings=heading,
            ratios=bool(self._base),
        )

    def _planned(self, method, interaction):
        """The comparisons of each family of means.

        Yields
        ------
        values : tuple
            Values of the `by` variables.
        members : ndarray of int
            Positions of the family's means.
        names : pandas.DataFrame
            The names of the comparisons.
        weights : ndarray, shape (comparisons, means)
        """
        variables = [name for name in self.labels if name not in self.by]
        if interaction is not None:
            if self._base:
                raise OptionError('interaction is for means with type="link"')
            methods = mean_weights.by_variable(interaction, variables)
        for values, members in self._families():
            if interaction is None:
                known = self.frame["se"].notna().to_numpy()[members]
                names, weights = mean_weights.comparisons(
                    self._names(members), method, self._base, known
                )
                yield values, members, pd.DataFrame({"contrast": names}, dtype=object), weights
                continue
            labels = self.labels.iloc[members]
            levels = {name: list(dict.fromkeys(map(named, labels[name]))) for name in variables}
            if int(np.prod([len(names) for names in levels.values()])) != len(members):
                raise OptionError(
                    "interaction needs all combinations of the levels of "
                    f"{', '.join(variables)}: some do not exist"
                )
            combined, weights = mean_weights.interactions(levels, methods)
            yield values, members, pd.DataFrame(combined, columns=variables, dtype=object), weights

    def _with_by(self, table: pd.DataFrame, values) -> pd.DataFrame:
        """A family's table with the values of the `by` variables before it."""
        for name, value in zip(reversed(self.by), reversed(values), strict=True):
            table.insert(0, name, value)
        return table

    def _joint(self, families) -> Result:
        """The test that all comparisons of a family are zero, for each family."""
        tables = []
        for values, members, _, weights in families:
            kept, estimable = on_kept_columns(self.model.feterm, weights @ self.L[members])
            rhs = -(weights @ self.offset[members])[estimable]
            rows = independent_rows(kept[estimable], rhs)
            tables.append(self._with_by(f_test(self.method, *rows), values))
        return Result(
            f"Joint tests of contrasts of {self.what}, {self.method.title}",
            pd.concat(tables, ignore_index=True),
            [*self.method.notes],
        )

    def _remarks(self, method, adjust: str, counts: list[int], lines: int) -> list[str]:
        """Notes on adjustments, the scale, and comparisons that are not estimable."""
        notes = []
        if adjust != "none":
            names = {"tukey": "Tukey", "holm": "Holm", "bonferroni": "Bonferroni", "sidak": "Šidák"}
            names["mvt"] = "the multivariate t"
            within = f" within each {', '.join(self.by)}" if self.by else ""
            number = f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else counts[0]
            notes.append(
                f"p-values adjusted for {number} comparisons{within} by {names[adjust]}"
                + (" distribution." if adjust == "mvt" else "'s method.")
            )
        if self._base and self.back.steps and not self.back.is_column("first"):
            notes.append(f"Ratios of {self.back.first}.")
        scale = self.back.response if self.back.steps else f"the link, {self.model.link}"
        if self.type == "response" and not self._base and scale != "the link, identity":
            notes.append(f"Differences are on the scale of {scale}.")
        if sum(counts) < lines:
            notes.append("Comparisons without numbers are not estimable.")
        if isinstance(method, str) and method == "deviation" and self.frame["se"].isna().any():
            notes.append("The mean is the average of the estimable means.")
        return notes

    def _kind(self, zero_sum: bool) -> tuple[str, dict[str, str]]:
        """Title of a table of comparisons, and the heading of its estimates.

        Parameters
        ----------
        zero_sum : bool
            Whether the weights of each comparison add up to zero: else exp(Lβ) is no ratio.
        """
        if not (self._base and zero_sum):
            return f"Contrasts of {self.what}", {}
        name = "ratio of means"
        if not self.back.steps:
            name = ratio_name(self.model.family_record, self.model.link_record)
        plain = name == "ratio of means"
        title = "Ratios of marginal means" if plain else f"{name.capitalize()}s"
        return title, {"estimate": "ratio" if plain else name.replace(" ", ".")}

    @property
    def _base(self) -> float:
        """The base by which differences become ratios of responses or odds; 0 if they do not."""
        return self.back.base if self.type == "response" else 0.0

    def _families(self) -> list[tuple[tuple, np.ndarray]]:
        """For each combination of the `by` variables its values and the positions of its means."""
        if not self.by:
            return [((), np.arange(len(self.labels)))]
        groups = self.labels.groupby(self.by, sort=False, observed=True).indices
        return [(k if isinstance(k, tuple) else (k,), np.asarray(v)) for k, v in groups.items()]

    def _names(self, members) -> list[str]:
        """Names of means: the values of all variables but `by`."""
        values = self.labels.drop(columns=self.by).iloc[members]
        return [" ".join(map(named, line)) for line in values.itertuples(index=False)]

    def _compared(self, weights, members, adjust: str) -> pd.DataFrame:
        """The comparisons of one family, adjusted for the number of estimable ones."""
        missing = np.isnan(self.L[members]).any(axis=1)
        L = weights @ np.where(missing[:, None], 0.0, self.L[members])
        L[(weights[:, missing] != 0).any(axis=1)] = np.nan
        offset = weights @ np.where(missing, 0.0, self.offset[members])
        table = estimates_of_rows(self.model, self.method, L, offset, self.alpha)
        known = table["se"].notna().to_numpy()
        if known.any():
            estimable, means = table[known], int((weights[known] != 0).any(axis=0).sum())
            correlation = None
            if adjust == "mvt":
                correlation = correlations(self.model, self.method, L[known])
            half = adjustments.critical(
                adjust, self.alpha, len(estimable), estimable["df"], means, correlation
            )
            half = half * estimable["se"]
            table["lower"], table["upper"] = table["estimate"] - half, table["estimate"] + half
            table.loc[known, "pvalue"] = adjustments.pvalues(
                adjust,
                estimable["pvalue"],
                estimable["statistic"],
                estimable["df"],
                means,
                correlation,
            )
        if self._base:
            for name in ("estimate", "lower", "upper"):
                table[name] = self._base ** table[name]
            table["se"] *= table["estimate"] * np.log(self._base)
        return table


def estimates_of_rows(model, method, L, offset, alpha: float) -> pd.DataFrame:
    """Estimate, test and interval of each row of L; NaN for rows that are not estimable."""
    kept, estimable = on_kept_columns(model.feterm, L)
    estimable &= np.isfinite(L).all(axis=1)
    frame = estimates(method, kept[estimable], -offset[estimable], alpha)
    for name in ("estimate", "lower", "upper"):
        frame[name] += offset[estimable]
    return frame.set_axis(np.flatnonzero(estimable)).reindex(range(len(L)))


def correlations(model, method, L) -> np.ndarray:
    """The correlations of the estimates of some estimable combinations."""
    kept = on_kept_columns(model.feterm, L)[0]
    covariance = kept @ method.vcov @ kept.T
    se = np.sqrt(np.diag(covariance))
    return covariance / np.outer(se, se)


def level_note(alpha: float, adjust: str) -> str:
    """The note on the coverage of intervals."""
    simultaneous = {"none": "", "holm": " (by Bonferroni's method)"}.get(adjust, " (simultaneous)")
    return f"{coverage(alpha)} intervals{simultaneous}."


def named(value) -> str:
    """A value of a variable in names of comparisons: ``5 - 0``, not ``5.0 - 0.0``."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else str(value)
