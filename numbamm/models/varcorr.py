"""`VarCorr`: estimated variances, standard deviations and correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from numbamm.completion import ForUsers
from numbamm.report.content import Report, components
from numbamm.report.drawn import Drawn
from numbamm.report.tabular import Tabular
from numbamm.shortrepr import ShortRepr

if TYPE_CHECKING:
    import pandas as pd

#: λ counts as singular where a diagonal entry, times the typical size of its column, is below.
SINGULAR_TOLERANCE = 1e-4


@dataclass(frozen=True, repr=False)
class VarCorrTerm(ShortRepr):
    """Covariance of the random effects of one level of a grouping factor.

    Attributes
    ----------
    group : str
        Name of the grouping factor.
    names : tuple of str
        Names of the p columns.
    cov : ndarray, shape (p, p)
        σ²λλ'.
    estimated : ndarray of bool, shape (p, p)
        Which correlations the model lets be other than zero.
    negligible : ndarray of bool, shape (p,)
        Which standard deviations are, in a typical row, so small a share of σ that the fit counts
        as singular; see `is_singular`.
    variances, sd : ndarray, shape (p,)
        Variances and standard deviations.
    corr : ndarray, shape (p, p)
        Correlations; NaN where a variance is zero.

    See Also
    --------
    VarCorr : Has one for each term.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> term = m.varcorr["Subject"]
    >>> dict(zip(term.names, term.sd.round(2).tolist()))
    {'Intercept': 23.78, 'Days': 5.72}
    """

    group: str
    names: tuple[str, ...]
    cov: np.ndarray
    estimated: np.ndarray
    negligible: np.ndarray

    @property
    def variances(self) -> np.ndarray:
        """Variances, shape (p,)."""
        return np.diag(self.cov)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations, shape (p,)."""
        return np.sqrt(self.variances)

    @property
    def corr(self) -> np.ndarray:
        """Correlations, shape (p, p); NaN where a variance is zero."""
        with np.errstate(invalid="ignore", divide="ignore"):
            corr = self.cov / np.outer(self.sd, self.sd)
        np.fill_diagonal(corr, 1.0)
        return corr


class VarCorr(Drawn, Tabular, ForUsers):
    """Variance components of a fitted model: one entry a term, and the residual; ``plot()`` draws.

    Parameters
    ----------
    model : MixedModel
        The fitted model.
    residual : bool, optional
        Whether the family has a residual variance to show.

    Attributes
    ----------
    terms : list of VarCorrTerm
    sigma : float or None
        Residual standard deviation; None where the family has none.

    See Also
    --------
    LinearMixedModel.varcorr : Where it is found.
    pca : Its principal components.

    Notes
    -----
    ``varcorr["Subject"]`` is the `VarCorrTerm` of a grouping factor that has one term.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(m.varcorr)
    Variance components:
              Column       Variance  Std.Dev.  Corr.
    Subject   (Intercept)   565.515   23.7806
              Days           32.682    5.7168  +0.08
    Residual                654.941   25.5918
    """

    _between_rooms = frozenset({"negligible", "rows"})  # for the printed table

    def __init__(self, model, residual: bool = True) -> None:
        terms, sigma = model.reterms, model.sigma
        self._draw_by(model, "varcorr")
        self.terms = [
            VarCorrTerm(
                t.group,
                tuple(t.cnames),
                sigma**2 * t.lambda_ @ t.lambda_.T,
                t.structure.correlated,
                _negligible(t),
            )
            for t in terms
        ]
        self.sigma = sigma if residual else None

    def __getitem__(self, group: str) -> VarCorrTerm:
        found = [term for term in self.terms if term.group == group]
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{group!r} has {len(found)} terms: choose among varcorr.terms")
        raise KeyError(f"{group!r}; the grouping factors are {[t.group for t in self.terms]}")

    def rows(self) -> list[tuple[str, str, float, float, list[float]]]:
        """Group, column, variance, standard deviation and correlations, line by line.

        Correlations that the model fixes at zero are left out (None).
        """
        lines = []
        for term in self.terms:
            for j, name in enumerate(term.names):
                corr = [float(term.corr[j, i]) if term.estimated[j, i] else None for i in range(j)]
                lines.append((term.group, name, float(term.variances[j]), float(term.sd[j]), corr))
        if self.sigma is not None:
            lines.append(("Residual", "", self.sigma**2, self.sigma, []))
        return lines

    def negligible(self) -> np.ndarray:
        """For each of `rows`, whether its variance counts as zero."""
        flags = [term.negligible for term in self.terms]
        return np.concatenate([*flags, np.zeros(int(self.sigma is not None), dtype=bool)])

    def to_frame(self) -> pd.DataFrame:
        """A pandas frame: ``group, name1, name2, variance, sd, corr``, a line each.

        Lines with one name hold a variance and its standard deviation; lines with two names a
        covariance (column ``variance``) and a correlation (column ``corr``).
        """
        import pandas as pd

        lines: list[tuple] = []
        for term in self.terms:
            for j, name in enumerate(term.names):
                lines.append((term.group, name, None, term.variances[j], term.sd[j], np.nan))
            for i in range(len(term.names)):
                for j in range(i + 1, len(term.names)):
                    if term.estimated[j, i]:
                        pair = (term.names[i], term.names[j])
                        lines.append((term.group, *pair, term.cov[j, i], np.nan, term.corr[j, i]))
        if self.sigma is not None:
            lines.append(("Residual", None, None, self.sigma**2, self.sigma, np.nan))
        columns = ["group", "name1", "name2", "variance", "sd", "corr"]
        return pd.DataFrame(lines, columns=columns)

    def _report(self) -> Report:
        return Report("", tables=[components(self)])


def _negligible(term) -> np.ndarray:
    """Whether each standard deviation of a term counts as zero, shape (p,)."""
    size = np.sqrt(np.einsum("an,an->a", term.z, term.z) / term.z.shape[1])
    return np.linalg.norm(term.lambda_, axis=1) * size < SINGULAR_TOLERANCE
