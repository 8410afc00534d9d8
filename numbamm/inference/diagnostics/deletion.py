"""`delete_levels`: what each level of a grouping factor does to the estimates."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from numbamm import config
from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.threads import blas_threads
from numbamm.errors import FitError, OptionError, did_you_mean
from numbamm.glm.likelihood import Likelihood
from numbamm.models.linear import LinearMixedModel
from numbamm.optimize.run import uninterrupted
from numbamm.options import shown
from numbamm.progress import progress_bar
from numbamm.report.result import Result

#: Without a level X has lost its rank when this share of what a column brings is left.
RANK_TOLERANCE = 1e-9


@dataclass(repr=False)
class Deletion(Result):
    """Estimates without each of a factor's levels.

    Attributes
    ----------
    params : pandas.DataFrame
        Coefficients, a line a level that was left out.
    dfbetas : pandas.DataFrame
        Their changes, estimate with the level less that without, in standard errors without.
    theta : pandas.DataFrame
        Covariance parameters.
    sigma : pandas.Series
        Residual standard deviations, or square roots of the dispersion.
    """

    params: pd.DataFrame | None = None
    dfbetas: pd.DataFrame | None = None
    theta: pd.DataFrame | None = None
    sigma: pd.Series | None = None


def delete_levels(
    model, group: str | None = None, *, refit: bool = True, progress: bool | None = None
) -> Deletion:
    """Leave out each level of a grouping factor, with all its rows, and estimate again.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is left as it is.
    group : str, optional
        The grouping factor; the one with fewest levels, if not given.
    refit : bool
        Fit again, beginning at the estimates; else θ (and the negative binomial's shape) are
        held, and only β and the dispersion follow.
    progress : bool, optional
        Show progress; on a terminal by default. An interrupt keeps the levels that are done.

    Returns
    -------
    Deletion
        A line a level: ``rows`` left out, ``cooks``, Cook's distance of β, ``covratio``, the
        determinant of its covariance over that of all rows, ``sigma``, and ``objective`` of the
        rows that are left. NaN where they cannot tell the coefficients apart, or where there is
        no fit without the level, which the notes say. The estimates are in `params`, `dfbetas`
        and `theta`.

    Raises
    ------
    NotFittedError
    OptionError
        The factor is unknown.

    Notes
    -----
    A level without rows has the prior for its random effects, and no part in the likelihood, so
    that the layout stays. For a linear model the cross-product A of the rows that are left is
    that of all rows less that of the level's: no other row is touched. In a generalized one the
    level's rows have weight zero. With ``refit=False`` its β is that of the penalised mode, with
    and without the level.

    Cook's distance is Δβ' cov(β)⁻¹ Δβ / rank(X) (Christensen, Pearson & Johnson, 1992,
    Technometrics 34, 38).

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.delete_levels(m, "Subject").to_frame()["cooks"].idxmax()
    '309'
    """
    whole = _Found.of(model)
    group, refs, levels = _factor(model, group)
    without = _linear_without if isinstance(model, LinearMixedModel) else _generalized_without
    failed: list[str] = []
    with blas_threads(config.get("threads")):
        if not refit:
            whole = _Found.of(_held(without(model, np.zeros(0, dtype=np.intp))))
        fits, bar = [], progress_bar(len(levels), progress, "level")
        try:
            for i, level in enumerate(levels):
                rows = np.flatnonzero(refs == i)
                try:
                    fits.append(_without(model, without, rows, refit))
                except FitError:
                    fits.append(_Found.nothing(model))
                    failed.append(str(level))
                bar.update(1)
        except KeyboardInterrupt:
            if not fits:
                raise
        finally:
            bar.close()
    notes = [f"There is no fit without {group} {', '.join(failed)}."] if failed else []
    if len(fits) < len(levels):
        notes.append(f"Interrupted after {len(fits)} of {len(levels)} levels.")
        levels = levels[: len(fits)]
    if not refit:
        notes.append("θ is held at its estimate from all rows.")
    rows = np.bincount(refs)[: len(fits)]
    return _table(model, whole, fits, rows, pd.Index(levels, name=group), notes)


class _Found(NamedTuple):
    """What a fit without a level leaves behind: no rows."""

    beta: np.ndarray
    cov: np.ndarray
    theta: np.ndarray
    sigma: float
    shape: float
    objective: float

    @classmethod
    def of(cls, model) -> _Found:
        """Of a fitted model."""
        e = model.estimates
        return cls(e.beta, model._cov, model.theta, e.sigma, e.shape, e.objective)

    @classmethod
    def nothing(cls, model) -> _Found:
        """Where there is no fit."""
        return cls._make(np.full(np.shape(value), np.nan) for value in cls.of(model))


def _table(model, whole: _Found, fits: list[_Found], rows, index, notes) -> Deletion:
    """What the fits without each level say, beside that of all rows."""
    rank, kept = model.feterm.rank, model.feterm.kept_names
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
    if getattr(model, "_free_shape", False):
        frame["shape"] = shape
    return Deletion(
        f"Without each level of {index.name}",
        frame,
        notes,
        hidden=() if model.varcorr.sigma is not None else ("sigma",),
        params=pd.DataFrame(model.estimates.beta + change, index=index, columns=kept),
        dfbetas=pd.DataFrame(-change / se, index=index, columns=kept),
        theta=pd.DataFrame(theta, index=index, columns=model.theta_names),
        sigma=frame["sigma"],
    )


def _without(model, without, rows, refit: bool) -> _Found:
    """The estimates without some rows; NaN where these hold up a coefficient."""
    own, n = model.feterm.basis[rows], model.nobs
    left = np.linalg.eigvalsh(n * np.eye(model.feterm.rank) - own.T @ own)
    if not (left > RANK_TOLERANCE * n).all():
        return _Found.nothing(model)
    twin = without(model, rows)
    if not refit:
        _held(twin)
    elif isinstance(model, LinearMixedModel):
        uninterrupted(twin._fit(progress=False))
    else:
        uninterrupted(twin._fit(model._fast, model.optsum.nagq, None, False, False))
    return _Found.of(twin)


def _held(twin):
    """The twin with estimates at the parameters where its fit would begin."""
    start = twin.optsum.initial
    twin._estimates = twin._estimate(start, twin.objective_at(start))
    return twin


def _linear_without(model, rows):
    """A twin of a linear model whose A lacks some rows, to begin at the estimates."""
    kept, twin = _all_but(model, rows), model._twin()
    twin.optsum.initial, twin.optsum.reml = model.theta, model.estimates.reml
    twin.frame = replace(model.frame, y=model.frame.y[kept])  # all that nobs looks at
    twin.blocks = _less_rows(model.blocks, rows)
    if model.frame.weights is not None:
        twin._sum_log_w = float(np.log(model.frame.weights[kept]).sum())
    return twin


def _all_but(model, rows) -> np.ndarray:
    """Which rows are left without some, shape (n,)."""
    kept = np.ones(model.nobs, dtype=bool)
    kept[rows] = False
    return kept


def _less_rows(blocks, rows):
    """The blocks of the data without some rows, on the same layout."""
    layout, less = blocks.layout, copy(blocks)
    gone = np.full_like(blocks.A, np.nan)
    crossprod(
        np.ascontiguousarray(blocks.refs[:, rows]),
        np.ascontiguousarray(blocks.z[rows]),
        np.ascontiguousarray(blocks.xy[rows]),
        layout.table,
        np.ascontiguousarray(layout.places[:, rows]),
        gone,
    )
    less.A = blocks.A - gone
    return less


def _generalized_without(model, rows):
    """A twin of a generalized model with some rows of weight zero, to begin at the estimates."""
    kept, twin = _all_but(model, rows), model._twin()
    family, y, weights = model._family_code, model.frame.y, np.where(kept, model._prior, 0.0)
    twin._likelihood, parts = Likelihood(family, y[kept], model._prior[kept]), {"weights": weights}
    if model._cells:
        twin._likelihood.merged = model._cells.constant(family, y, weights)
        parts["y"], parts["weights"] = model._cells.merged(y, weights)
    twin._modes = model._modes.replaced(**parts)
    start = replace(model._start, theta=model.theta, shape=model.estimates.shape)
    twin._start = twin._begun = start
    twin.optsum = twin._renewed(model.optsum, twin._optsum_of_start().initial)
    twin.fast_optsum, twin._gamma_root, twin._warned = None, None, True
    return twin


def _factor(model, group: str | None) -> tuple[str, np.ndarray, np.ndarray]:
    """A grouping factor's name, the rows' levels and their labels."""
    factors = {t.group: (t.refs, t.levels) for t in model.reterms}
    if group is None:
        group = min(factors, key=lambda name: len(factors[name][1]))
    if not isinstance(group, str) or group not in factors:
        raise OptionError(
            f"{shown(group)} is no grouping factor{did_you_mean(str(group), factors)}; there are "
            f"{', '.join(factors)}"
        )
    return group, *factors[group]
