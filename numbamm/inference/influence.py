"""Diagnostics of linear models: rows by leverage and Cook's distance, levels by deletion."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from numbamm import config
from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError, did_you_mean
from numbamm.inference.result import Result

#: Without a level X has lost its rank when this share of what a column brings is left.
RANK_TOLERANCE = 1e-9


def influence(model) -> pd.DataFrame:
    """How each row of the data stands to a linear model.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model.

    Returns
    -------
    pandas.DataFrame
        Over the rows of the data, NaN where one was dropped: ``fitted``; ``resid``; ``pearson``,
        the residual times the square root of its weight; ``leverage``; ``studentized``,
        pearson / (σ √(1 - leverage)); ``cooks``, Cook's distance.

    Raises
    ------
    NotFittedError
    OptionError
        The model is a generalized one.

    Notes
    -----
    Conditional on the random effects and their covariance, as in lme4: Cook's distance is
    studentized² leverage / (1 - leverage) / rank(X). See `delete_levels` for what whole groups
    do to all estimates.
    """
    refuse_generalized(model)
    frame = pd.DataFrame({"fitted": model.fittedvalues, "resid": model.resid})
    frame["pearson"] = model.residuals("pearson")
    frame["leverage"] = h = model.leverage()
    frame["studentized"] = frame["pearson"] / (model.sigma * np.sqrt(1 - h))
    frame["cooks"] = frame["studentized"] ** 2 * h / (1 - h) / (model.feterm.rank or np.nan)
    return frame


def cooks_distance(model) -> pd.Series:
    """Cook's distances of the rows, conditional on the random effects; see `influence`."""
    return influence(model)["cooks"]


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
        Residual standard deviations.
    """

    params: pd.DataFrame | None = None
    dfbetas: pd.DataFrame | None = None
    theta: pd.DataFrame | None = None
    sigma: pd.Series | None = None


def delete_levels(model, group: str | None = None, *, refit: bool = True) -> Deletion:
    """Leave out each level of a grouping factor, with all its rows, and estimate again.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model; it is left as it is.
    group : str, optional
        The grouping factor; the one with fewest levels, if not given.
    refit : bool
        Estimate θ again, beginning at its estimate; else θ is held, and only β and σ follow.

    Returns
    -------
    Deletion
        A line a level: ``rows`` left out, ``cooks``, Cook's distance of β, ``covratio``, the
        determinant of its covariance over that of all rows, ``sigma``, and ``objective`` of the
        rows that are left. NaN where they cannot tell the coefficients apart. The estimates
        are in `params`, `dfbetas` and `theta`.

    Raises
    ------
    NotFittedError
    OptionError
        The model is a generalized one, or the factor is unknown.

    Notes
    -----
    The cross-product A of the rows that are left is that of all rows less that of the level's,
    so that no other row is touched; a level without rows has the prior for its random effects,
    and no part in the likelihood. Cook's distance is Δβ' cov(β)⁻¹ Δβ / rank(X) (Christensen,
    Pearson & Johnson, 1992, Technometrics 34, 38).

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.delete_levels(m, "Subject").to_frame()["cooks"].idxmax()
    '309'
    """
    refuse_generalized(model)
    estimates = model.estimates
    group, refs, levels = _factor(model, group)
    with blas_threads(config.get("threads")):
        model.blocks.factorize(model._inward(model.theta))
        start = model.blocks.solve().gamma
        fits = [
            _Without(model, np.flatnonzero(refs == i)).fit(start, refit) for i in range(len(levels))
        ]
    index = pd.Index(levels, name=group)
    kept = [model.feterm.cnames[j] for j in model.feterm.kept]
    change = np.array([fit.change for fit in fits])
    covs = np.array([fit.cov for fit in fits])
    se = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    whole = np.linalg.inv(estimates.cov)
    with np.errstate(invalid="ignore"):
        covratio = np.linalg.det(whole @ covs)
    frame = pd.DataFrame(
        {
            "rows": np.bincount(refs),
            "cooks": np.einsum("jx,xy,jy->j", change, whole, change) / (len(kept) or np.nan),
            "covratio": covratio,
            "sigma": [fit.sigma for fit in fits],
            "objective": [fit.objective for fit in fits],
        },
        index=index,
    )
    notes = [] if refit else ["θ is held at its estimate from all rows."]
    return Deletion(
        f"Without each level of {group}",
        frame,
        notes,
        params=pd.DataFrame(estimates.beta + change, index=index, columns=kept),
        dfbetas=pd.DataFrame(-change / se, index=index, columns=kept),
        theta=pd.DataFrame([fit.theta for fit in fits], index=index, columns=model.theta_names),
        sigma=frame["sigma"],
    )


class _Without:
    """A model whose A lacks some rows, and its estimates.

    Attributes
    ----------
    change : ndarray, shape (rank,)
        Coefficients less those of all rows.
    cov : ndarray, shape (rank, rank)
    sigma, objective : float
    theta : ndarray
    """

    def __init__(self, model, rows) -> None:
        kept = np.setdiff1d(np.arange(model.nobs), rows)
        twin = model._twin()
        twin.frame = replace(model.frame, y=model.frame.y[kept])  # all that nobs looks at
        if model.frame.weights is not None:
            twin._sum_log_w = float(np.log(model.frame.weights[kept]).sum())
        twin.blocks = _less_rows(model.blocks, rows)
        twin.optsum.initial, twin.optsum.reml = model.theta, model.estimates.reml
        basis, own = model.feterm.basis, model.feterm.basis[rows]
        left = np.linalg.eigvalsh(basis.T @ basis - own.T @ own)
        self.model, self.full_rank = twin, bool((left > RANK_TOLERANCE * len(basis)).all())

    def fit(self, start, refit: bool) -> _Without:
        """Estimate; `start` are the coefficients of all rows, in the basis."""
        twin, blocks, feterm = self.model, self.model.blocks, self.model.feterm
        theta, rank = twin.optsum.initial, feterm.rank
        if not self.full_rank:
            self.change, self.cov = np.full(rank, np.nan), np.full((rank, rank), np.nan)
            self.theta, self.sigma, self.objective = np.full(len(theta), np.nan), np.nan, np.nan
            return self
        objective = twin._objective()
        if refit:
            twin._minimize(objective, progress=False)
            theta = twin.optsum.final
        self.theta, inside = theta, twin._inward(theta)
        self.objective = float(objective(inside))
        blocks.factorize(inside)
        scale, root = twin._response.scale, feterm.to_basis @ np.linalg.inv(blocks.x_factor()).T
        self.sigma = twin.optsum.sigma or float(
            scale * blocks.residual_norm() / np.sqrt(twin._degrees)
        )
        self.change = scale * feterm.to_basis @ (blocks.solve().gamma - start)
        self.cov = self.sigma**2 * root @ root.T
        return self


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


def _factor(model, group: str | None) -> tuple[str, np.ndarray, np.ndarray]:
    """A grouping factor's name, the rows' levels and their labels."""
    factors = {t.group: (t.refs, t.levels) for t in model.reterms}
    if group is None:
        group = min(factors, key=lambda name: len(factors[name][1]))
    if group not in factors:
        raise OptionError(
            f"'{group}' is no grouping factor{did_you_mean(str(group), factors)}; there are "
            f"{', '.join(factors)}"
        )
    return group, *factors[group]


def refuse_generalized(model) -> None:
    """Raise an `OptionError` unless the model is linear."""
    from numbamm.models.linear import LinearMixedModel

    _ = model.estimates
    if not isinstance(model, LinearMixedModel):
        raise OptionError("this is for linear models, not generalized ones")
