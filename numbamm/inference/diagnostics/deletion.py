"""`delete_levels`: the influence of each level of a grouping factor on the estimates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import FitError, OptionError
from numbamm.models.residual_side.refusals import refuse_structure
from numbamm.optimize.run import uninterrupted
from numbamm.options import grouping_factor
from numbamm.progress import progress_bar
from numbamm.report.result import Result

#: X without a level counts as rank-deficient if less than this share of a column's length is new.
RANK_TOLERANCE = 1e-9


@dataclass(repr=False)
class Deletion(Result):
    """Estimates from the data without each level of a factor.

    Attributes
    ----------
    params : pandas.DataFrame
        Coefficients, a row per deleted level.
    dfbetas : pandas.DataFrame
        Estimate with the level minus estimate without it, in standard errors without it.
    theta : pandas.DataFrame
        Covariance parameters.
    sigma : pandas.Series
        Residual standard deviations, or square roots of the dispersion.

    See Also
    --------
    delete_levels : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> d = m.delete_levels("Subject")
    >>> d.dfbetas.loc["337"].round(2).to_dict()
    {'Intercept': 0.34, 'Days': 0.33}
    """

    params: pd.DataFrame = field(kw_only=True)
    dfbetas: pd.DataFrame = field(kw_only=True)
    theta: pd.DataFrame = field(kw_only=True)
    sigma: pd.Series = field(kw_only=True)

    def plot(self, *, axes=None) -> np.ndarray:
        """Draw Cook's distances, sorted, and the change of each coefficient without each level.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        ndarray of matplotlib Axes, shape (1 + coefficients,)

        Raises
        ------
        OptionError
            matplotlib is not installed.

        See Also
        --------
        delete_levels : Where the numbers come from.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> axes = m.delete_levels("Subject", refit=False).plot()
        >>> axes[0].get_yticklabels()[-1].get_text()  # at the top: the largest distance
        '309'
        """
        from numbamm.report.plots.deletions import deletions

        return deletions(self.frame["cooks"], self.dfbetas, axes)


@names_arguments
def delete_levels(
    model, group: str | None = None, *, refit: bool = True, progress: bool | None = None
) -> Deletion:
    """Delete each level of a grouping factor in turn, with all its rows, and estimate again.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.
    group : str, optional
        The grouping factor; the one with fewest levels, if not given.
    refit : bool
        Whether to fit all parameters again, beginning at the estimates. If not, θ (and the
        negative binomial's shape) keep their values, and β and the dispersion are estimated.
    progress : bool, optional
        Show a progress bar; on a terminal by default. After an interrupt the levels that are done
        are kept.

    Returns
    -------
    Deletion
        A row per level: the number of deleted ``rows``; ``cooks``, Cook's distance of β;
        ``covratio``, the determinant of the covariance of β without the level, divided by that
        with it; ``sigma``; and ``objective`` of the remaining rows. NaN if X is rank-deficient
        without the level, or if the fit without it fails, which a note tells. The estimates are
        in `params`, `dfbetas` and `theta`.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The factor is unknown.

    See Also
    --------
    influence : The influence of single rows.

    Notes
    -----
    A level without rows does not contribute to the likelihood, so the layout of the model stays
    as it is. For a linear model the cross-product A of the remaining rows is that of all rows minus
    that of the level's rows; the others are not read again. In a generalized model the level's
    rows get weight zero. With ``refit=False`` the β of a generalized model, with and without the
    level, is that of the penalised mode.

    Cook's distance is Δβ' cov(β)⁻¹ Δβ / rank(X) (Christensen, Pearson & Johnson, 1992,
    Technometrics 34, 38).

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.delete_levels(m, "Subject").to_frame()["cooks"].idxmax()
    '309'
    """
    refuse_structure(model, "delete_levels", "fit to a part of the data by update(data=...)")
    whole = _Estimates.of(model)
    if model.has_categories and not refit:
        raise OptionError("the coefficients of an ordinal model are searched for: take refit=True")
    group, refs, levels = _factor(model, group)
    failed: list[str] = []
    with blas_threads():
        if not refit:
            twin = model.without_rows(np.zeros(0, dtype=np.intp))
            whole = _Estimates.of(twin.estimate_at(twin.optsum.initial))
        fits, bar = [], progress_bar(len(levels), progress, "level")
        try:
            for i, level in enumerate(levels):
                rows = np.flatnonzero(refs == i)
                try:
                    fits.append(_without(model, rows, refit))
                except FitError:
                    fits.append(_Estimates.missing(model))
                    failed.append(str(level))
                bar.update(1)
        except KeyboardInterrupt:
            if not fits:
                raise
        finally:
            bar.close()
    notes = [f"The fit without {group} {', '.join(failed)} failed."] if failed else []
    if len(fits) < len(levels):
        notes.append(f"Interrupted after {len(fits)} of {len(levels)} levels.")
        levels = levels[: len(fits)]
    if not refit:
        notes.append("θ is that of all rows.")
    rows = np.bincount(refs)[: len(fits)]
    return _table(model, whole, fits, rows, pd.Index(levels, name=group), notes)


class _Estimates(NamedTuple):
    """The estimates of a fit without a level."""

    beta: np.ndarray
    cov: np.ndarray
    theta: np.ndarray
    sigma: float
    shape: float
    objective: float

    @classmethod
    def of(cls, model) -> _Estimates:
        """The estimates of a fitted model."""
        e = model.estimates
        beta, cov = model.coefficients, model.coefficient_covariance
        return cls(beta, cov, model.theta, e.sigma, e.shape, e.objective)

    @classmethod
    def missing(cls, model) -> _Estimates:
        """NaN in place of estimates."""
        return cls._make(np.full(np.shape(value), np.nan) for value in cls.of(model))


def _table(model, whole: _Estimates, fits: list[_Estimates], rows, index, notes) -> Deletion:
    """The result, from the estimates of all rows and of those without each level."""
    rank, kept = len(model.coefficients), model.kept_coefficients
    betas, covs, theta, sigma, shape, objective = map(np.array, zip(*fits, strict=True))
    change = betas - whole.beta
    se = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    precision = np.linalg.inv(whole.cov)
    with np.errstate(invalid="ignore"):
        covratio = np.linalg.det(precision @ covs)
    frame = pd.DataFrame(
        {
            "rows": rows,
            "cooks": np.einsum("jx,xy,jy->j", change, precision, change) / (rank or np.nan),
            "covratio": covratio,
            "sigma": sigma,
            "objective": objective,
        },
        index=index,
    )
    if model.has_free_shape:
        frame["shape"] = shape
    return Deletion(
        f"Without each level of {index.name}",
        frame,
        notes,
        hidden=() if model.varcorr.sigma is not None else ("sigma",),
        params=pd.DataFrame(whole.beta + change, index=index, columns=kept),
        dfbetas=pd.DataFrame(-change / se, index=index, columns=kept),
        theta=pd.DataFrame(theta, index=index, columns=model.theta_names),
        sigma=frame["sigma"],
    )


def _without(model, rows, refit: bool) -> _Estimates:
    """The estimates without some rows; NaN if X is rank-deficient without them."""
    basis, n = model.feterm.basis[rows], model.nobs
    remaining = np.linalg.eigvalsh(n * np.eye(model.feterm.rank) - basis.T @ basis)
    if not (remaining > RANK_TOLERANCE * n).all():
        return _Estimates.missing(model)
    twin = model.without_rows(rows)
    if refit:
        uninterrupted(twin.refit(progress=False, **model.fit_options))
    else:
        twin.estimate_at(twin.optsum.initial)
    return _Estimates.of(twin)


def _factor(model, group: str | None) -> tuple[str, np.ndarray, np.ndarray]:
    """A grouping factor's name, the level of each row, and the labels of the levels."""
    factors = {}
    for term in model.reterms:  # related levels need not have rows
        there, refs = np.unique(term.refs, return_inverse=True)
        factors[term.group] = (refs, term.levels[there])
    if group is None:
        group = min(factors, key=lambda name: len(factors[name][1]))
    group = grouping_factor(model, group)
    return group, *factors[group]
