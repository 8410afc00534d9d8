"""Tests of residuals that are uniform if the model is right, each in a function of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.errors import OptionError
from numbamm.inference.fixed.adjust import pvalues

#: Random orders of residuals that a statistic is compared with, and the seed of these.
PERMUTATIONS, SEED = 999, 0
#: Tests with p-values below this are explained in words.
SIGNIFICANT = 0.05
#: Of more places than this a random sample is taken, since their distances are a matrix.
PLACES = 2000


@dataclass(frozen=True, repr=False)
class ResidualTest:
    """A test of residuals.

    Attributes
    ----------
    name : str
    statistic, pvalue : float
    words : str
        What it means if the p-value is small, and what to try.

    See Also
    --------
    simulated_residuals : Has them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> test = m.simulated_residuals(seed=1).uniformity
    >>> 0 <= test.statistic <= 1
    True
    """

    name: str
    statistic: float
    pvalue: float
    words: str

    def __str__(self) -> str:
        """The numbers; and what they mean, if the p-value is small."""
        line = f"{self.name}: statistic {self.statistic:.4g}, p = {self.pvalue:.4g}"
        return f"{line}\n{self.words}" if self.pvalue < SIGNIFICANT else line

    __repr__ = __str__


def distance(residuals) -> float:
    """The largest distance of the empirical distribution from the uniform one."""
    ordered, n = np.sort(residuals), len(residuals)
    steps = np.arange(n) / n
    return float(max((ordered - steps).max(), (steps + 1 / n - ordered).max()))


def uniformity(residuals, others=None) -> ResidualTest:
    """The Kolmogorov–Smirnov test against the uniform distribution.

    Parameters
    ----------
    residuals : ndarray, shape (rows,)
    others : ndarray, shape (n, rows), optional
        Residuals of simulated responses, where rows are dependent.
    """
    from scipy.stats import kstwo

    statistic = distance(residuals)
    if others is None:
        p = float(kstwo.sf(statistic, len(residuals)))
    else:
        p = upper(statistic, np.array([distance(other) for other in others]))
    return ResidualTest(
        "uniformity",
        statistic,
        p,
        "Uniformity: responses do not have the distribution of the family; look at the plots, and "
        "try another family, link or transformation, or further covariates.",
    )


def dispersion(y, simulated, left=1.0) -> ResidualTest:
    """The variance of responses about their expectations, over that of simulated ones.

    Expectations are the means of the simulated responses; squared distances are in units of the
    row's variance. Two-sided.

    Parameters
    ----------
    y : ndarray, shape (rows,)
    simulated : ndarray, shape (n, rows)
    left : float or ndarray, shape (rows,)
        The share of the variance that the fitted random effects leave, one minus the leverage.
    """
    mean, variance = simulated.mean(axis=0), simulated.var(axis=0, ddof=1)
    known = variance > 0
    if not known.any():
        return ResidualTest("dispersion", 1.0, 1.0, "")
    weights = known / np.where(known, variance, 1.0)
    observed = float(((y - mean) ** 2) @ weights)
    drawn = ((simulated - mean) ** 2) @ (weights * left)
    ratio = observed / drawn.mean()
    if ratio > 1:
        words = (
            "Dispersion: responses vary more than the model says; try a family with a dispersion "
            "(nbinom2, betabinomial), a random effect for each row, or further covariates."
        )
    else:
        words = (
            "Dispersion: responses vary less than the model says; the model may have more random "
            "effects than the data can tell, or the family too large a variance."
        )
    return ResidualTest("dispersion", ratio, two_sided(observed, drawn), words)


def outliers(y, simulated) -> ResidualTest:
    """How many responses are outside all simulated ones.

    Each simulated set of responses is compared with all others in the same way, which gives the
    distribution of the number.
    """
    ordered = np.sort(simulated, axis=0)
    single = np.array([ordered[0] < ordered[1], ordered[-1] > ordered[-2]])
    drawn = ((simulated == ordered[0]) & single[0]).sum(axis=1)
    drawn += ((simulated == ordered[-1]) & single[1]).sum(axis=1)
    count = int(((y < ordered[0]) | (y > ordered[-1])).sum())
    return ResidualTest(
        "outliers",
        count / len(y),
        upper(count, drawn),
        f"Outliers: {count} responses are outside all simulated ones; look at these rows, or try a "
        "family with heavier tails (student, nbinom2).",
    )


def zeros(y, simulated) -> ResidualTest | None:
    """The number of zeros over that of simulated responses; None if these have none."""
    drawn = (simulated == 0).sum(axis=1)
    if not drawn.any():
        return None
    observed = int((y == 0).sum())
    if observed > drawn.mean():
        words = (
            'Zeros: there are more than the model says; try zi="~ 1", or an overdispersed family.'
        )
    else:
        words = "Zeros: there are fewer than the model says; try a truncated family or a hurdle."
    p = two_sided(observed, drawn)
    return ResidualTest("zeros", observed / drawn.mean(), p, words)


def serial(residuals, order, labels, others=None) -> ResidualTest:
    """The correlation of normal scores that follow each other, against random orders of them.

    Only positive correlations count: random slopes that follow the data leave negative ones.

    Parameters
    ----------
    residuals, order, labels : ndarray, shape (rows,)
        Rows follow each other by `order` within equal `labels`.
    others : ndarray, shape (n, rows), optional
        Residuals of simulated responses, in place of random orders.
    """
    codes = pd.factorize(labels)[0]
    place = np.lexsort((order, codes))
    group = codes[place]
    sizes = np.bincount(group)
    after = np.flatnonzero(group[1:] == group[:-1])
    if len(after) < 3:
        raise OptionError("autocorrelation: fewer than three residuals follow another")

    def correlation(values):
        centred = values - (np.bincount(group, values) / sizes)[group]
        first, second = centred[after], centred[after + 1]
        return first @ second / np.sqrt((first @ first) * (second @ second))

    z = scores(residuals)[place]
    if others is None:
        rng = np.random.default_rng(SEED)
        orders = (np.lexsort((rng.random(len(z)), group)) for _ in range(PERMUTATIONS))
        drawn = np.array([correlation(z[shuffled]) for shuffled in orders])
    else:
        drawn = np.array([correlation(scores(other)[place]) for other in others])
    observed = float(correlation(z))
    return ResidualTest(
        "autocorrelation",
        observed,
        upper(observed, drawn),
        "Autocorrelation: residuals that follow each other are alike; try a random effect with "
        "ar1() or ou(), a smooth function of time, or a residual structure.",
    )


def moran(residuals, places, others=None) -> ResidualTest:
    """Moran's I with weights of one over distance, against random permutations of the places.

    Parameters
    ----------
    residuals : ndarray, shape (rows,)
    places : ndarray, shape (rows, dimensions)
    others : ndarray, shape (n, rows), optional
        Residuals of simulated responses, in place of permutations.
    """
    distinct, index = np.unique(places, axis=0, return_inverse=True)
    index, rng = index.ravel(), np.random.default_rng(SEED)
    chosen = np.arange(len(distinct))
    if len(distinct) > PLACES:
        chosen = rng.choice(len(distinct), PLACES, replace=False)
    if len(chosen) < 4:
        raise OptionError("spatial: fewer than four places")

    def together(values):  # of variance one at each place
        z = (np.bincount(index, scores(values)) / np.sqrt(np.bincount(index)))[chosen]
        return z - z.mean()

    at = distinct[chosen] - distinct.mean(axis=0)
    at = at / np.abs(at).max()  # far-off units
    gap = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2))
    with np.errstate(divide="ignore"):
        weights = np.where(gap > 0, 1 / gap, 0.0)
    z = together(residuals)
    if others is None:
        rows = np.array([rng.permutation(z) for _ in range(PERMUTATIONS)])
    else:
        rows = np.array([together(other) for other in others])
    rows = np.vstack([z, rows])
    values = np.einsum("mi,mi->m", rows @ weights, rows) / (rows**2).sum(axis=1)
    values *= len(z) / weights.sum()
    return ResidualTest(
        "spatial autocorrelation",
        float(values[0]),
        upper(values[0], values[1:]),
        "Spatial autocorrelation: residuals that are close are alike; try exp(x, y | 1), gau() or "
        "mat(), or a smooth surface.",
    )


def by_group(residuals, labels, others=None) -> pd.DataFrame:
    """Uniformity within each group, adjusted by Holm's method, and Levene's test across groups.

    Parameters
    ----------
    residuals, labels : ndarray, shape (rows,)
    others : ndarray, shape (n, rows), optional
        Residuals of simulated responses, where rows are dependent.
    """
    from scipy.stats import levene

    indices = pd.Series(labels).groupby(labels, sort=True, observed=True).indices
    groups = {str(name): np.asarray(rows) for name, rows in indices.items()}
    found = [
        uniformity(residuals[rows], None if others is None else others[:, rows])
        for rows in groups.values()
    ]
    frame = pd.DataFrame(
        {
            "rows": [len(rows) for rows in groups.values()],
            "statistic": [test.statistic for test in found],
            "pvalue": [test.pvalue for test in found],
        },
        index=list(groups),
    )
    frame["pvalue"] = pvalues("holm", frame["pvalue"].to_numpy(), None, None, 0)
    several = [residuals[rows] for rows in groups.values() if len(rows) > 1]
    if len(several) > 1:
        spread = levene(*several)
        frame.loc["spread"] = [len(residuals), float(spread.statistic), float(spread.pvalue)]
    return frame


def scores(residuals) -> np.ndarray:
    """Normal scores Φ⁻¹ of residuals."""
    from scipy.special import ndtri

    return ndtri(residuals)


def two_sided(observed: float, drawn) -> float:
    """The p-value of a statistic among drawn ones, twice the smaller tail."""
    n = len(drawn)
    above, below = (drawn >= observed).sum(), (drawn <= observed).sum()
    return float(min(1.0, 2 * (min(above, below) + 1) / (n + 1)))


def upper(observed: float, drawn) -> float:
    """The p-value of a large statistic among drawn ones."""
    return float(((drawn >= observed).sum() + 1) / (len(drawn) + 1))
