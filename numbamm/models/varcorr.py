"""`VarCorr`: estimated variances, standard deviations and correlations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numbamm.completion import ForUsers
from numbamm.report.content import Report, components
from numbamm.report.drawn import Drawn
from numbamm.report.tabular import Tabular
from numbamm.shortrepr import ShortRepr
from numbamm.structures.structure import from_to

if TYPE_CHECKING:
    import pandas as pd

#: λ counts as singular where a diagonal entry, times the typical size of its column, is below.
SINGULAR_TOLERANCE = 1e-4
#: With more columns than this a table does not print the correlations that parameters tell.
WIDE = 6


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
        Which correlations the model lets be other than zero, except for those of more than `WIDE`
        effects that parameters describe.
    negligible : ndarray of bool, shape (p,)
        Which standard deviations are, in a typical row, so small a share of σ that the fit counts
        as singular; see `is_singular`.
    structure : str
        Name of the covariance structure.
    parameters : dict of str to float
        What the structure estimates besides standard deviations and single correlations: ``rho``,
        ``range`` and so on.
    lines : tuple of (str, int or None)
        What tables print, line by line: names of effects with their positions, or of parameters.
        Of more than `WIDE` effects that parameters describe, those with one standard deviation
        are one line.
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
    structure: str = "us"
    parameters: Mapping[str, float] = field(default_factory=dict)
    lines: tuple[tuple[str, int | None], ...] = ()

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
    errors : list of ndarray, optional
        Monte-Carlo errors of an approximate fit: of standard deviations, on the diagonal, and
        correlations of each term, and of `sigma`.

    Attributes
    ----------
    terms : list of VarCorrTerm
    sigma : float or None
        Residual standard deviation; None where the family has none.
    residual : list of Line
        Standard deviations, correlations and parameters of residuals that have several.
    errors : list of ndarray or None
        Monte-Carlo errors, as they were given.
    related : tuple of str
        Grouping factors whose levels have a known covariance, and the argument that gave it.

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

    _between_rooms = frozenset(
        {"negligible", "rows", "errors", "residual_pairs"}
    )  # for the printed table

    def __init__(self, model, residual: bool = True, errors=None) -> None:
        terms, sigma, self.errors = model.reterms, model.sigma, errors
        self._draw_by(model, "varcorr")
        side = model.residual_side
        self.terms = [
            VarCorrTerm(
                t.group,
                tuple(t.cnames),
                sigma**2 * t.lambda_ @ t.lambda_.T,
                _estimated(t),
                _negligible(t) if side is None else _negligible(t, side.typical_deviation),
                t.structure.names[0] if t.structure.names else "joined",
                *_lines(t),
            )
            for t in terms
        ]
        self.sigma = sigma if residual else None
        side = model.residual_side
        self.residual = [] if side is None else side.lines(sigma)
        self.related = tuple(
            f"{t.group} ({t.relation.name})" for t in terms if t.relation is not None
        )

    def __getitem__(self, group: str) -> VarCorrTerm:
        found = [term for term in self.terms if term.group == group]
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{group!r} has {len(found)} terms: choose among varcorr.terms")
        raise KeyError(f"{group!r}; the grouping factors are {[t.group for t in self.terms]}")

    def rows(self) -> list[tuple[str, str, float, float, list[float]]]:
        """Group, column, variance, standard deviation and correlations, line by line.

        Correlations that the model fixes at zero are left out (None), and those of many effects
        that parameters describe. Lines of such parameters, ``rho`` for one, have no variance
        (NaN), and their value in the place of the correlation.
        """
        lines = []
        for term in self.terms:
            shown: list[int] = []
            for name, j in term.lines:
                if j is None:
                    lines.append((term.group, name, np.nan, np.nan, [term.parameters[name]]))
                    continue
                corr = [float(term.corr[j, i]) if term.estimated[j, i] else None for i in shown]
                lines.append((term.group, name, float(term.variances[j]), float(term.sd[j]), corr))
                shown.append(j)
        for name, sd, values in self.residual:
            variance = (np.nan, np.nan) if sd is None else (sd**2, sd)
            lines.append(("Residual", name, *variance, values))
        if self.sigma is not None and not self.residual:
            lines.append(("Residual", "", self.sigma**2, self.sigma, []))
        return lines

    def negligible(self) -> np.ndarray:
        """For each of `rows`, whether its variance counts as zero."""
        flags = [
            j is not None and bool(term.negligible[j]) for term in self.terms for _, j in term.lines
        ]
        others = len(self.residual) or (self.sigma is not None)
        return np.array(flags + [False] * others, dtype=bool)

    def to_frame(self) -> pd.DataFrame:
        """A pandas frame: ``group, name1, name2, variance, sd, corr``, a line each.

        Lines with one name hold a variance and its standard deviation; lines with two names a
        covariance (column ``variance``) and a correlation (column ``corr``). With structures that
        have other parameters there are lines for these, with a column ``value``. After an
        approximate fit, column ``mc_error`` has the Monte-Carlo error of the standard deviation, or
        of the correlation.
        """
        import pandas as pd

        lines: list[tuple] = []
        errors: list[tuple | None] = []
        for k, term in enumerate(self.terms):
            for j, name in enumerate(term.names):
                errors.append((k, j, j))
                lines.append((term.group, name, None, term.variances[j], term.sd[j], np.nan))
            for i in range(len(term.names)):
                for j in range(i + 1, len(term.names)):
                    if term.estimated[j, i]:
                        pair = (term.names[i], term.names[j])
                        errors.append((k, j, i))
                        lines.append((term.group, *pair, term.cov[j, i], np.nan, term.corr[j, i]))
            for name, value in term.parameters.items():
                errors.append(None)
                lines.append((term.group, name, None, np.nan, np.nan, np.nan, value))
        for name, sd, values in self.residual:
            own = (np.nan, np.nan, np.nan, *values) if sd is None else (sd**2, sd, np.nan)
            lines.append(("Residual", name or None, None, *own))
            errors.append(None)
        lines += self.residual_pairs()
        if self.sigma is not None and not self.residual:
            errors.append((-1, 0, 0))
            lines.append(("Residual", None, None, self.sigma**2, self.sigma, np.nan))
        columns = ["group", "name1", "name2", "variance", "sd", "corr"]
        frame = pd.DataFrame([line[: len(columns)] for line in lines], columns=columns)
        if any(term.parameters for term in self.terms) or any(
            line.sd is None for line in self.residual
        ):
            frame["value"] = [line[-1] if len(line) > len(columns) else np.nan for line in lines]
        if self.errors is not None:
            known = self.errors
            frame["mc_error"] = [np.nan if at is None else known[at[0]][at[1:]] for at in errors]
        return frame

    def residual_pairs(self) -> list[tuple]:
        """Covariances and correlations of visits."""
        lines, before = [], []
        for name, sd, values in self.residual:
            before = [] if not values else before  # another stratum begins
            for (other, other_sd), corr in zip(before, values, strict=False):
                if sd is not None:
                    covariance = corr * sd * other_sd
                    lines.append(("Residual", other, name, covariance, np.nan, corr))
            before.append((name, sd))
        return lines

    def _report(self) -> Report:
        return Report("", tables=[components(self)])


def _lines(term) -> tuple[dict[str, float], tuple[tuple[str, int | None], ...]]:
    """Parameters of a term's structures, named as in ``rho (ar1)``; and the lines of its table."""
    values = iter(term.structure.shape_values(term.theta).tolist())
    kinds = [type(part) for _, part in term.structure.parts]
    parameters: dict[str, float] = {}
    lines: list[tuple[str, int | None]] = []
    for columns, part in term.structure.parts:
        names = [term.cnames[j] for j in columns]
        kind = part.names[0] if part.names else ""
        if _is_wide(part):
            lines += [(name, columns[i]) for i, name in part.deviations(names)]
        else:
            lines += zip(names, columns, strict=True)
        of = kind if kinds.count(type(part)) == 1 else f"{kind} {from_to(names)}"
        own = [f"{shape.name} ({of})" for shape in part.shapes]
        parameters |= zip(own, values, strict=False)
        lines += [(name, None) for name in own]
    return parameters, tuple(lines)


def _is_wide(part) -> bool:
    """Whether a table of a part's correlations would be wide, and parameters say the same."""
    return bool(part.shapes) and part.p > WIDE


def _estimated(term) -> np.ndarray:
    """Which correlations tables print: not those of many effects that parameters describe."""
    out = term.structure.correlated.copy()
    for columns, part in term.structure.parts:
        if _is_wide(part):
            out[np.ix_(columns, columns)] = np.eye(part.p, dtype=bool)
    return out


def _negligible(term, unit: float = 1.0) -> np.ndarray:
    """Whether each standard deviation of a term counts as zero, shape (p,).

    `unit` is the standard deviation of a typical row, over σ.
    """
    sizes = term.root_mean_squares() / unit
    return np.linalg.norm(term.lambda_, axis=1) * sizes < SINGULAR_TOLERANCE
