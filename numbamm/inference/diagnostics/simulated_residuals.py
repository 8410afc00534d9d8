"""`simulated_residuals`: where responses lie among simulated ones, and tests of these places.

A response's residual is its place among responses that are drawn from the model for its row, random
among equal ones. If the model is right residuals are uniform between 0 and 1, whatever the family.

The file is long by docstrings of one public function and of the methods of its result.
"""

from __future__ import annotations

import contextlib
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, FitError, OptionError, shown
from numbamm.inference.diagnostics.residual_tests import (
    SIGNIFICANT,
    ResidualTest,
    by_group,
    dispersion,
    moran,
    outliers,
    serial,
    two_sided,
    uniformity,
    upper,
    zeros,
)
from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.inference.prediction.simulate import TrueParameters, generator, respond
from numbamm.inference.resampling.replicates import valid_count
from numbamm.inference.robust.clusters import grouping_factors
from numbamm.memory import refuse_beyond
from numbamm.options import flag, numbers
from numbamm.report.content import Report, of_frame
from numbamm.report.result import Result
from numbamm.report.tabular import Tabular
from numbamm.shortrepr import ShortRepr

#: The smallest share of the variance that fitted random effects leave.
LEAST = 1e-6
#: Smallest number of simulated responses.
FEWEST = 20


@names_arguments
def simulated_residuals(
    model,
    n: int = 250,
    *,
    seed: int | np.random.Generator | None = 0,
    conditional: bool = True,
) -> SimulatedResiduals:
    """Randomised quantile residuals from simulated responses, and tests of them.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    n : int
        Number of responses that are simulated for each row.
    seed : int, numpy.random.Generator, optional
        Makes the simulation reproducible.
    conditional : bool
        Whether simulated responses have the random effects of the fit; if not, new ones are drawn
        each time, so that the distribution of the random effects is examined, too.

    Returns
    -------
    SimulatedResiduals
        Residuals between 0 and 1, with tests; it prints what is wrong, and what to try.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option has an unusable value, or a family of the user's own does not say how responses
        are drawn.
    DataError
        The simulated responses do not fit into memory, or the rows have streamed.

    See Also
    --------
    check_overdispersion, check_zeroinflation : By formulas rather than by simulation.
    influence : Leverage and influence of rows.

    Notes
    -----
    The random effects of a fit follow the data, so that responses are closer to conditional
    expectations than new ones would be: normal scores of conditional residuals are divided by
    √(1 - leverage). Where a model has correlated residuals, these and simulated ones are rotated,
    by the inverse root of their estimated correlations, so that they are independent before they
    are compared; leverages are then averages within groups. Unconditional residuals of one group's
    rows are dependent: their tests compare the statistic with those of the simulated responses
    themselves.

    References
    ----------
    Dunn & Smyth, 1996, J. Comput. Graph. Stat. 5, 236; the R package DHARMa.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> g = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, "binomial")
    >>> residuals = g.simulated_residuals(seed=1)
    >>> residuals.uniformity.pvalue > 0.05
    True
    """
    _ = model.estimates
    count = valid_count("n", n)
    if count < FEWEST:
        raise OptionError(f"n must be at least {FEWEST}, not {count}: residuals have n + 1 places")
    conditional = flag("conditional", conditional)
    if model.is_streamed:
        raise DataError("the rows of the model have streamed by: residuals need data in memory")
    if conditional and any(term.part for term in model.reterms):
        raise OptionError(
            "residuals given the random effects need leverages, which are not known for a model "
            "with random effects in two parts: take conditional=False"
        )
    y = model.frame.y
    refuse_beyond(16.0 * count * len(y), f"{count} responses of {len(y)} rows", "take a smaller n")
    rng, rows = generator(seed), ModelRows.of_fit(model)
    parameters = TrueParameters.given(model, None, None, None, None, None)
    kept = [conditional] * len(model.reterms)
    simulated = np.empty((count, len(y)))
    for i in range(count):
        simulated[i] = respond(model, rows, parameters, kept, rng)
    if not conditional:
        return SimulatedResiduals(model, _place(y, simulated, rng), y, simulated, rng)
    left = np.maximum(1 - model.leverage().to_numpy()[model.frame.rows], LEAST)
    if has_correlated_residuals(model):
        y, simulated = _rotated(model, y, simulated)
        left = _averaged(model, left)
    place = ndtr(ndtri(_place(y, simulated, rng)) / np.sqrt(left))
    return SimulatedResiduals(model, place, y, simulated, None, left)


def has_correlated_residuals(model) -> bool:
    """Whether residuals of a linear model are correlated within groups."""
    side = model.residual_side
    return side is not None and side.texts.residual is not None


def _rotated(model, y, simulated) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the conditional means over standard deviations, without correlations."""
    side = model.residual_side
    root = 1.0 if model.frame.weights is None else np.sqrt(model.frame.weights)
    both = np.vstack([y, simulated]) - model.estimates.fitted
    turned = side.uncorrelated((both * (root / side.deviations())).T).T
    return turned[0], turned[1:]


def _averaged(model, left) -> np.ndarray:
    """Averages within groups of correlated residuals: rotation keeps the sum of leverages."""
    groups = pd.factorize(model.residual_side.reading.groups)[0]
    return (np.bincount(groups, left) / np.bincount(groups))[groups]


def _place(y, simulated, rng) -> np.ndarray:
    """The places of responses among simulated ones, random among equal ones."""
    below, equal = (simulated < y).sum(axis=0), (simulated == y).sum(axis=0)
    return (below + (equal + 1) * rng.uniform(size=len(y))) / (len(simulated) + 1)


def _places(simulated, rng) -> np.ndarray:
    """The places of each simulated set of responses among all, random among equal ones."""
    from scipy.stats import rankdata

    n = len(simulated)
    low = rankdata(simulated, "min", axis=0) - 1
    equal = rankdata(simulated, "max", axis=0) - low
    return (low + equal * rng.uniform(size=simulated.shape)) / n


class SimulatedResiduals(Tabular, ShortRepr):
    """Residuals between 0 and 1 that are uniform if the model is right.

    Parameters
    ----------
    model : MixedModel
        The fitted model.
    place : ndarray, shape (rows,)
        The residuals of the rows that are used.
    y : ndarray, shape (rows,)
    simulated : ndarray, shape (n, rows)
        The responses and the simulated ones, or what they are rotated to.
    rng : numpy.random.Generator, optional
        If given, simulated responses have new random effects.
    left : float or ndarray, shape (rows,)
        The share of the variance that fitted random effects leave.

    Attributes
    ----------
    model : MixedModel
    simulated : ndarray, shape (n, rows)
        The simulated responses; of correlated residuals given the random effects, residuals that
        are rotated to be independent.
    conditional : bool
        Whether these have the random effects of the fit.
    uniformity, dispersion, outliers, zeros : ResidualTest
        Tests of all residuals; `zeros` is None for responses without zeros.
    tests : list of ResidualTest
        Those of them that there are.

    See Also
    --------
    simulated_residuals : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> r = m.simulated_residuals(seed=1)
    >>> r.outliers.name
    'outliers'
    """

    def __init__(self, model, place, y, simulated, rng=None, left=1.0) -> None:
        self.model, self.simulated, self.conditional = model, simulated, rng is None
        self._residuals = place
        self._others = None if rng is None else _places(simulated, rng)
        self.uniformity = uniformity(place, self._others)
        self.dispersion = dispersion(y, simulated, left)
        self.outliers = outliers(y, simulated)
        self.zeros = zeros(y, simulated)

    @property
    def residuals(self) -> pd.Series:
        """A residual for each row of the data; missing where a row was dropped.

        See Also
        --------
        SimulatedResiduals.by

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> bool(m.simulated_residuals(seed=1).residuals.between(0, 1).all())
        True
        """
        return self.model.aligned(self._residuals, "residual")

    def autocorrelation(self, time=None, group=None) -> ResidualTest:
        """Test for correlation between residuals that follow each other.

        Parameters
        ----------
        time : array or str, optional
            The order of the rows: numbers, dates or ordered categories, a value for each row of
            the data, or a variable of the fixed effects. If not given, the order of the data.
        group : array or str, optional
            Residuals follow each other within groups: labels, or a grouping factor.

        Returns
        -------
        ResidualTest
            The correlation of neighbours of normal scores, against that of random orders.

        Raises
        ------
        OptionError
            There is no such variable, or too few residuals follow each other.

        See Also
        --------
        SimulatedResiduals.spatial

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> bool(m.simulated_residuals(seed=1).autocorrelation("Days", "Subject").pvalue < 1)
        True
        """
        n = len(self._residuals)
        order = np.arange(n) if time is None else _ranks(self._values("time", time))
        labels = np.zeros(n) if group is None else self._values("group", group)
        return serial(self._residuals, order, labels, self._others)

    def spatial(self, x, y=None) -> ResidualTest:
        """Test for correlation between residuals that are close to each other (Moran's I).

        Parameters
        ----------
        x, y : array or str
            Coordinates of the rows: values for each row of the data, or variables of the fixed
            effects; dates count as days. Residuals at one place are taken together.

        Returns
        -------
        ResidualTest
            Moran's I with weights of one over distance, against random permutations of places.

        Raises
        ------
        OptionError
            There is no such variable, or there are fewer than four places.

        See Also
        --------
        SimulatedResiduals.autocorrelation

        Examples
        --------
        >>> import numbamm as mm
        >>> import numpy as np
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> place = np.random.default_rng(1).normal(size=(180, 2))
        >>> m.simulated_residuals(seed=1).spatial(*place.T).name
        'spatial autocorrelation'
        """
        given = {"x": x} if y is None else {"x": x, "y": y}
        places = [numbers(name, _days(self._values(name, v))) for name, v in given.items()]
        return moran(self._residuals, np.column_stack(places), self._others)

    def by(self, group) -> pd.DataFrame:
        """Test uniformity within each group, and whether groups spread alike.

        Parameters
        ----------
        group : array or str
            Labels for each row of the data, a variable of the fixed effects, or a grouping factor.

        Returns
        -------
        pandas.DataFrame
            A row per group: ``rows, statistic, pvalue`` of the Kolmogorov–Smirnov test, adjusted by
            Holm's method; in the last row, ``spread``, Levene's test of equal variances.

        Raises
        ------
        OptionError
            There is no such variable.

        See Also
        --------
        SimulatedResiduals.autocorrelation

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> residuals = mm.glmm(formula, cbpp, "binomial").simulated_residuals(seed=1)
        >>> residuals.by("period").index.to_list()
        ['1', '2', '3', '4', 'spread']
        """
        return by_group(self._residuals, self._values("group", group), self._others)

    @names_arguments
    def calibrated(self, n: int = 99, *, seed: int | None = 0) -> Result:
        """The tests of all residuals, against those of responses to which the model is fitted anew.

        The plain tests take the parameters as known, though they were estimated from the same rows:
        they reject right models too rarely, and find faults later. Here responses are simulated,
        the model is fitted to each, and its residuals are tested alike: the size is exact.

        Parameters
        ----------
        n : int
            Number of responses to which the model is fitted.
        seed : int, numpy.random.Generator, optional
            Makes the simulation reproducible.

        Returns
        -------
        Result
            A row per test: ``statistic, pvalue``.

        Raises
        ------
        OptionError
            `n` or `seed` has an unusable value.

        See Also
        --------
        bootstrap : The estimates from such responses.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> table = m.simulated_residuals(50, seed=1).calibrated(19, seed=2)
        >>> table.frame.index.to_list()
        ['uniformity', 'dispersion', 'outliers']
        """
        count, rng = valid_count("n", n), generator(seed)
        names = [test.name for test in self.tests]
        observed = [test.statistic for test in self.tests]
        drawn = []
        for _ in range(count):
            twin = self.model.twin()
            with contextlib.suppress(FitError):
                twin.refit(self.model.simulate(rng), progress=False, **self.model.fit_options)
                again = simulated_residuals(
                    twin, len(self.simulated), seed=rng, conditional=self.conditional
                )
                found = {test.name: test.statistic for test in again.tests}
                drawn.append([found.get(name, 1.0) for name in names])
        values = np.array(drawn).reshape(-1, len(names))
        p = [
            (upper if name in ("uniformity", "outliers") else two_sided)(statistic, column)
            for name, statistic, column in zip(names, observed, values.T, strict=True)
        ]
        frame = pd.DataFrame({"statistic": observed, "pvalue": p}, index=names)
        notes = [f"By {len(drawn)} simulated responses, to which the model was fitted."]
        headings = {"statistic": "Statistic", "pvalue": "p"}
        return Result("Tests of simulated residuals", frame, notes, headings=headings)

    @property
    def tests(self) -> list[ResidualTest]:
        """The tests of all residuals."""
        found = [self.uniformity, self.dispersion, self.outliers, self.zeros]
        return [test for test in found if test is not None]

    def to_frame(self) -> pd.DataFrame:
        """The tests, a row each: ``statistic, pvalue``."""
        lines = {t.name: {"statistic": t.statistic, "pvalue": t.pvalue} for t in self.tests}
        return pd.DataFrame.from_dict(lines, orient="index")

    def _report(self) -> Report:
        kind = "the random effects of the fit" if self.conditional else "new random effects"
        turned = self.conditional and has_correlated_residuals(self.model)
        rotated = ", without the correlations of residuals" if turned else ""
        said = [t.words for t in self.tests if t.pvalue < SIGNIFICANT]
        return Report(
            f"Simulated residuals: {len(self.simulated)} responses with {kind}{rotated}",
            tables=[of_frame(self.to_frame(), {"statistic": "Statistic", "pvalue": "p"})],
            notes=said or ["Nothing speaks against the model."],
        )

    def _values(self, option: str, given):
        """Values for the rows used, of a variable or as given for the rows of the data."""
        model, frame = self.model, self.model.frame
        if isinstance(given, str):
            for term in model.reterms:
                if term.group == given:
                    return np.asarray(term.levels, dtype=object)[term.refs]
            factors = grouping_factors(model)
            if given in factors:  # of residuals
                return np.asarray(factors[given])
            columns = frame.part_columns | frame.columns
            if given in columns:
                return columns[given].reset_index(drop=True)
            known = dict.fromkeys([*columns, *factors])
            raise OptionError(
                f"{option}: {shown(given)} is no variable of the model; there are "
                f"{', '.join(known)}, or give values for the rows"
            )
        values = pd.Series(given if np.ndim(given) == 1 else [])
        if len(values) == frame.nrows:
            values = values.iloc[frame.rows].reset_index(drop=True)
        if values.shape != self._residuals.shape:
            raise OptionError(f"{option} must have a value for each of the {frame.nrows} rows")
        if pd.isna(values).any():
            raise OptionError(f"{option} has missing values in rows that are used")
        return values

    def plot(self, *, predictor=None, axes=None) -> np.ndarray:
        """Draw residuals against uniform quantiles, and against predictions with quantile lines.

        Parameters
        ----------
        predictor : array or str, optional
            What residuals are drawn against: the ranks of the fitted values, if not given.
        axes : sequence of two matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)

        Raises
        ------
        OptionError
            matplotlib is not installed, or there is no such variable.

        See Also
        --------
        Plots.qq, Plots.residuals

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> axes = m.simulated_residuals(seed=1).plot()
        >>> axes[0].get_xlabel()
        'Uniform quantiles'
        """
        from numbamm.report.plots.uniform_residuals import uniform_residuals

        if predictor is None:
            label, values = "Fitted values (ranks)", self.model.estimates.fitted
        else:
            label = predictor if isinstance(predictor, str) else "Predictor"
            label, values = f"{label} (ranks)", self._values("predictor", predictor)
        ranks = pd.Series(values).rank(method="average").to_numpy() / len(values)
        return uniform_residuals(self._residuals, ranks, label, self.tests, axes)


def _ranks(values) -> np.ndarray:
    """The order of numbers, dates, or categories in their order."""
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy()
    return pd.factorize(values, sort=True)[0]


def _days(values):
    """Dates as days; other values as they are."""
    values = pd.Series(values)
    if pd.api.types.is_object_dtype(values.dtype) and isinstance(values.iloc[0], date):
        values = pd.to_datetime(values)
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind in "mM":
        return (values - values.min()) / pd.Timedelta(days=1)
    return values.to_numpy()
