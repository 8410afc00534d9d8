"""`ResponseMeans`: mean responses of rows, at random effects of zero or averaged over them.

With v = z'Σz the variance of the linear predictor, the population mean is

    E g⁻¹(x'β + √v Z),   Z standard normal,

by the trapezoidal rule, whose error vanishes exponentially for analytic functions, whatever v. Its
derivatives by η and v give those by all parameters. With the Hermite polynomials He_k,

    f^(k) = E g⁻¹(η + √v Z) He_k(Z) / v^(k/2)

is the k-th derivative by η of the mean f, and ∂f/∂v is half the second one: all come from the same
values of g⁻¹, or of its slope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.polynomial import hermite_e

from numbamm.errors import OptionError
from numbamm.glm.link import Link
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.contrast import on_kept_columns
from numbamm.inference.fixed.refgrid import ReferenceGrid, left_of_bar
from numbamm.inference.marginal.all_parameters import ParameterCovariance

#: Nodes are so many standard deviations from the mean at most, and at this distance.
REACH, SPACING = 12.0, 0.04
#: So many standard deviations from an infinite mean the average of means does not exist.
POLE = 6.0
#: Nodes of links without kinks: their largest distance, and their distance times the standard
#: deviation; singularities are one or more from the real axis.
WIDEST, SCALED = 0.3, 0.17
#: Half-widths of differences of v by θ.
STEP = 1e-5
#: Largest number of function values at once.
BATCH = 2**21


@dataclass(frozen=True)
class Rows:
    """Rows whose mean responses are wanted.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        All columns of the fixed effects.
    offset : ndarray, shape (n,)
    z : list of ndarray, shape (p, n)
        The columns of each random-effects term; or of the data's rows, where the variables are not
        given, so that v is their average.
    averaged : list of bool
        Of which terms v is averaged over the data.
    parts : list of ndarray, shape (n, columns)
        All columns of each further predictor of a model of several parts.
    """

    X: np.ndarray
    offset: np.ndarray
    z: list[np.ndarray]
    averaged: list[bool]
    parts: list[np.ndarray] = field(default_factory=list)


def of_known_covariance(term, z, own: bool) -> np.ndarray:
    """Columns of a term times the standard deviations of its levels in their known covariance.

    Parameters
    ----------
    term : ReMat
    z : ndarray, shape (p, n)
    own : bool
        Whether these are rows of the data, each with its own level; else the variance is the
        average over the data.
    """
    if term.relation is None:
        return z
    variances = np.asarray(term.relation.variances)[term.refs]
    return z * np.sqrt(variances if own else variances.mean())


class ResponseMeans:
    """Mean responses and their derivatives by the parameters.

    Attributes
    ----------
    title, heading, value : str
        Of a table of averages, and of its column; and the name of that.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    grid : ReferenceGrid
        Makes columns from values of the variables.
    integrated : bool
        Whether to average over the distribution of the random effects.
    on_link : bool
        Whether to take linear predictors in place of responses.
    """

    title, heading, value = "Marginal means of the response", "Mean", "estimate"
    #: For each number of a row the columns of a table that say which it is.
    outcomes: ClassVar[list[dict]] = [{}]

    def __init__(self, model, grid: ReferenceGrid, integrated: bool, on_link: bool = False) -> None:
        self.model, self.grid, self.integrated = model, grid, integrated
        self.on_link, self.back = on_link, BackTransform(model)

    def rows(self, values: pd.DataFrame, are_data: bool) -> Rows:
        """Rows with some values of the variables of the fixed effects.

        Parameters
        ----------
        values : pandas.DataFrame
        are_data : bool
            Whether they are the data's rows with some variables changed, so that columns of random
            effects that are not given stay what they are.
        """
        model, frame = self.model, self.model.frame
        X, offset = self.grid.matrices(values)
        if are_data and (frame.has_array_offset or frame.offset_name):
            offset = frame.offset
        z, averaged = [], []
        if self.integrated:
            for term, members in zip(model.reterms, frame.members, strict=True):
                columns = left_of_bar(frame, members, values)
                own = are_data or columns is None
                z.append(of_known_covariance(term, term.z if columns is None else columns, own))
                averaged.append(columns is None and not are_data)
        return Rows(X, offset, z, averaged)

    def with_parts(self, rows: Rows, built: dict[str, np.ndarray]) -> Rows:
        """Rows with the columns of the parts' formulas, of which these means need none."""
        return rows

    def at(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Means of the rows, shape (n,), and their derivatives, shape (n, p + others).

        The derivatives are by the coefficients of all columns of X, those that were dropped
        included, and by the other parameters of `ParameterCovariance`; see `of_parameters`.
        """
        model, p = self.model, rows.X.shape[1]
        eta = rows.X[:, model.feterm.kept] @ model.estimates.beta + rows.offset
        rank = len(model.estimates.beta)
        gradient = np.zeros((len(eta), p + self._others))
        if self.on_link:
            gradient[:, :p] = rows.X
            return eta, gradient
        if not self.integrated:
            gradient[:, :p] = rows.X * self.back.slope(eta)[:, None]
            return self.back.mean(eta), gradient
        v = self._variances(rows, model.theta, model.sigma**2)
        self._refuse_infinite_means(eta, v)
        mean, by_eta, curve = self._derivatives(self.back._inverse, eta, v, 3)
        by_v = curve / 2
        if self.back.steps and not np.isfinite(mean).all():
            raise OptionError(
                f"{self.back.left} has no mean over the random effects and residuals: it does not "
                f'exist for all values of {self.back.response}, or is infinite; take re="zero"'
            )
        gradient[:, :p] = rows.X * by_eta[:, None]
        for k in range(p, gradient.shape[1]):
            gradient[:, k] = by_v * self._variance_slope(rows, k - p + rank)
        return mean, gradient

    def slopes_at(self, rows: Rows, points: list[Rows], weights) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of integrated means along a path of the rows, and derivatives as of `at`.

        Parameters
        ----------
        rows : Rows
        points : list of Rows
            The rows at several points of the path.
        weights : ndarray, shape (points, n)
            Whose sum of products with the points' values is the derivative along the path.
        """
        model, (n, p), beta = self.model, rows.X.shape, self.model.estimates.beta

        def along(values):
            return sum(w * value for w, value in zip(weights, values, strict=True))

        X = sum(w[:, None] * point.X for w, point in zip(weights, points, strict=True))
        eta = rows.X[:, model.feterm.kept] @ beta + rows.offset
        eta_slope = X[:, model.feterm.kept] @ beta + along(point.offset for point in points)
        theta, phi = model.theta, model.sigma**2
        v = self._variances(rows, theta, phi)
        v_slope = along(self._variances(point, theta, phi) for point in points)
        self._refuse_infinite_means(eta, v)
        f1, f2, f3, f4 = self._derivatives(self.back._slope, eta, v, 4)
        gradient = np.zeros((n, p + self._others))
        gradient[:, :p] = X * f1[:, None] + rows.X * (f2 * eta_slope + f3 * v_slope / 2)[:, None]
        for k in range(self._others):
            by_k = self._variance_slope(rows, k + len(beta))
            across = along(self._variance_slope(point, k + len(beta)) for point in points)
            change = f3 * eta_slope / 2 + f4 * v_slope / 4
            gradient[:, p + k] = change * by_k + f2 * across / 2
        return f1 * eta_slope + f2 * v_slope / 2, gradient

    @property
    def _others(self) -> int:
        """Number of parameters besides β whose errors count."""
        model = self.model
        whole = not (model.is_linear or model.fit_options["fast"])
        return len(model.optsum.final) - len(model.estimates.beta) if whole else 0

    def on_kept(self, gradient) -> np.ndarray:
        """Derivatives by the parameters of the fit, if dropped coefficients count as zero."""
        p = len(self.model.feterm.cnames)
        return np.hstack([gradient[:, self.model.feterm.kept], gradient[:, p:]])

    def of_parameters(self, gradient) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives by the parameters of the fit, and whether what they are of is estimable.

        Parameters
        ----------
        gradient : ndarray, shape (m, p + others)
            Averages of the derivatives that `at` returns, or differences of them.

        Returns
        -------
        gradient : ndarray, shape (m, parameters)
            Zero where not estimable.
        estimable : ndarray of bool, shape (m,)
        """
        p, known = len(self.model.feterm.cnames), np.isfinite(gradient).all(axis=1)
        gradient = np.where(known[:, None], gradient, 0.0)
        kept, estimable = on_kept_columns(self.model.feterm, gradient[:, :p])
        estimable &= known
        return np.hstack([kept, gradient[:, p:]]) * estimable[:, None], estimable

    def _refuse_infinite_means(self, eta, v) -> None:
        """Refuse links whose mean has a pole at η = 0, unless that is far: no expectation exists.

        Raises
        ------
        OptionError
        """
        link = self.model.link_record
        if not link.turns or link.mirrored:
            return
        near = np.abs(eta) < POLE * np.sqrt(v)
        if near.any():
            raise OptionError(
                f'{near.sum()} of {len(near)} means have no average over the random effects: link="'
                f'{link.name}" has infinite means at a linear predictor of zero, which is within '
                f'{POLE:g} standard deviations; take re="zero", or fit with link="log"'
            )

    def _variance_slope(self, rows: Rows, k: int, of_mean: bool = True) -> np.ndarray:
        """The derivative of v by a parameter of a full generalized fit."""
        model, ends = self.model, []
        x = model.optsum.final
        step = STEP * max(abs(x[k]), 1.0)
        for sign in (1, -1):
            moved = x.copy()
            moved[k] += sign * step
            *_, phi, theta = model.parameters_of(x).split(moved)
            ends.append(self._variances(rows, theta, 1.0 if phi is None else phi, of_mean))
        return (ends[0] - ends[1]) / (2 * step)

    def _variances(self, rows: Rows, theta, phi: float, of_mean: bool = True) -> np.ndarray:
        """v = φ z'λλ'z of each row; with the residual of a transformed response.

        `of_mean`: of the terms of the mean's predictor, else of those of another part.
        """
        total, at = np.full(len(rows.X), self.model.residual_variance), 0
        for term, z, averaged in zip(self.model.reterms, rows.z, rows.averaged, strict=True):
            lam = term.structure.matrix(theta[at : at + len(term.theta)])
            at += len(term.theta)
            if bool(term.part) is of_mean:
                continue
            own = phi * ((lam.T @ z) ** 2).sum(axis=0)
            total = total + (own.mean() if averaged else own)
        return total

    def _derivatives(self, function, eta, v, count: int) -> np.ndarray:
        """E f(η + √v Z) and its derivatives by η up to the order count - 1, shape (count, n).

        Parameters
        ----------
        function : callable
            f of a vector, the inverse link or its slope; the second argument is False.
        """
        cells, row_cell = np.unique(eta + 1j * v, return_inverse=True)  # equal rows once
        eta, smooth = cells.real, not (self.back.steps or self.model.link_record.turns)
        sd, nodes, weights, step = normal_nodes(cells.imag, smooth)
        weights = hermite_e.hermevander(nodes, count - 1) * weights[:, None]
        out = np.empty((len(eta), count))
        with np.errstate(all="ignore"):
            for a in range(0, len(eta), step):
                part = slice(a, a + step)
                etas = (eta[part, None] + sd[part, None] * nodes).ravel()
                out[part] = function(etas, False).reshape(-1, len(nodes)) @ weights
        out /= sd[:, None] ** np.arange(count)
        return out.T[:, row_cell]

    def parameters(self, method) -> ParameterCovariance:
        """The parameters of the fit by which `at` has derivatives, and their covariance."""
        return ParameterCovariance.of(self.model, method)

    def limits(self, value, se, half) -> tuple[np.ndarray, np.ndarray]:
        """Limits of intervals of means that are normal on the scale of the link.

        Parameters
        ----------
        value, se : ndarray, shape (n,)
            Mean responses and their standard errors.
        half : float or ndarray
            Half-width in standard errors.
        """
        return link_limits(self.model.link_record, value, se, half)

    @property
    def ylabel(self) -> str:
        """What a plot calls the averages."""
        return self.back.name

    @property
    def is_of_responses(self) -> bool:
        """Whether responses are values of what is averaged."""
        return True

    def notes_of_rows(self, rows: Rows) -> list[str]:
        """Notes on averages over the rows of a grid."""
        of_terms = zip(self.model.reterms, rows.averaged, strict=False)
        averaged = [term.group for term, flag in of_terms if flag]
        if not averaged:
            return []
        return [
            f"The variance by {', '.join(averaged)} is averaged over the data, which have columns "
            "that the grid lacks."
        ]

    def notes(self) -> list[str]:
        """What the averages on a grid are averages of."""
        return ["Means of the response over the distribution of the random effects."]


def normal_nodes(v, smooth: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Nodes and weights of the trapezoidal rule for a standard normal variable.

    Parameters
    ----------
    v : ndarray, shape (n,)
        Variances of the linear predictors.
    smooth : bool
        Whether the function has no kinks, so that wide spacing will do up to ordinary variances.

    Returns
    -------
    sd : ndarray, shape (n,)
        Standard deviations, none of them zero.
    nodes, weights : ndarray
    step : int
        Number of rows at once.
    """
    sd = np.sqrt(np.maximum(v, STEP**2))
    wide = float(np.clip(SCALED / sd.max(initial=STEP), SPACING, WIDEST))
    spacing = wide if smooth else SPACING
    nodes = np.arange(-REACH, REACH + spacing / 2, spacing)
    weights = np.exp(-(nodes**2) / 2)
    return sd, nodes, weights / weights.sum(), max(1, BATCH // len(nodes))


def link_limits(link: Link, value, se, half) -> tuple[np.ndarray, np.ndarray]:
    """Limits of intervals that are normal on the scale of a link, where that is monotonic."""
    if link.linear or link.turns:
        return value - half * se, value + half * se
    with np.errstate(all="ignore"):
        eta = link.eta(value)
        width = half * se / np.abs(link.slope(eta))
        return tuple(np.sort([link.mean(eta - width), link.mean(eta + width)], axis=0))
