"""Satterthwaite's degrees of freedom of many fits of one design, from the compiled loop's sums."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from numbamm.design import directions
from numbamm.inference.fixed.parameter_covariance import (
    CONFOUNDED,
    LOST,
    NO_MINIMUM,
    covariances,
    doubts,
)
from numbamm.inference.fixed.response_covariance import independent
from numbamm.inference.fixed.wald import INFINITE


@dataclass
class ManyDirections:
    """What `covariances` needs of `response_covariance.Directions`; a line for each response.

    Attributes
    ----------
    combinations, coordinates
        As in `Directions`; they depend on the design alone.
    traces, expected, squares : ndarray, shape (responses, r, r)
    slopes, lambdas : list of ndarray, shape (responses, p, p)
        For each term.
    sizes : list of ndarray, shape (responses, p)
        Root mean squares of its columns.
    rows, nlevels : list of ndarray, shape (responses,)
        Number of rows, and of levels that occur in them.
    terms : list of ReMat
    reml : bool
    """

    combinations: np.ndarray
    coordinates: np.ndarray
    traces: np.ndarray
    expected: np.ndarray
    squares: np.ndarray
    slopes: list[np.ndarray]
    lambdas: list[np.ndarray]
    sizes: list[np.ndarray]
    rows: list[np.ndarray]
    nlevels: list[np.ndarray]
    terms: list
    reml: bool
    bend: float = 0.0  # V is linear in the parameters before Γ

    @property
    def observed(self) -> np.ndarray:
        """Second derivatives of -2 log-likelihood (restricted under REML)."""
        return 2 * self.squares - self.expected


class ManySatterthwaite:
    """Satterthwaite's method for the fits of one design; see `fixed.satterthwaite`.

    Parameters
    ----------
    model : LinearMixedModel
        The design's.
    """

    def __init__(self, model) -> None:
        self.model, self.terms = model, model.scaled.terms
        z = directions.weighted_columns(self.terms, model.sqrt_weights)
        metric = directions.inner_products(self.terms, z.T @ z)[1:, 1:]
        self.first = 1 if model.optsum.sigma is not None else 0
        self.combinations, self.coordinates = independent(metric, self.first == 1)

    def df(self, fits, L, kept) -> tuple[np.ndarray, dict[int, str]]:
        """Degrees of freedom of tests of Lβ = 0.

        Parameters
        ----------
        fits : Fits
        L : ndarray, shape (tests, rank)
            For the kept columns.
        kept : ndarray, shape (responses, n) or (1, n)
            1 for rows that there are, else 0.

        Returns
        -------
        df : ndarray, shape (responses, tests)
            NaN where there are none.
        reasons : dict of int to str
            Why, for each such response.
        """
        of_rows = L @ fits.root
        own = self._directions(fits, kept)
        slopes = self._slopes(fits, of_rows) @ self.combinations
        v = np.einsum("itx,itx->it", of_rows, of_rows)
        lost, confounded = doubts(own)
        fine = ~(lost | confounded)
        C, at_minimum = covariances(own)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = 2 * v**2 / np.einsum("its,isu,itu->it", slopes, C, slopes)
        df = np.where(df > INFINITE, np.inf, df)
        df[~(fine & at_minimum)] = np.nan
        reasons = {}
        for bad, reason in ((lost, LOST), (confounded, CONFOUNDED), (~at_minimum, NO_MINIMUM)):
            for i in np.flatnonzero(bad).tolist():
                reasons.setdefault(i, reason)
        return df, reasons

    def _slopes(self, fits, of_rows) -> np.ndarray:
        """Derivatives of the variances over σ², shape (responses, tests, parameters)."""
        responses, rank = len(of_rows), fits.beta.shape[1]
        first = fits.ends.first.reshape(responses, -1, rank + 1, rank + 1)[..., :rank, :rank]
        slopes = np.einsum("itx,isxy,ity->its", of_rows, first, of_rows, optimize=True)
        if self.first:
            return slopes
        return np.concatenate([np.einsum("itx,itx->it", of_rows, of_rows)[..., None], slopes], -1)

    def _directions(self, fits, kept) -> ManyDirections:
        responses, r = len(fits.nobs), 1 + fits.theta.shape[1]
        C = self.combinations
        parts = [
            C.T @ lines.reshape(responses, r, r)[:, self.first :, self.first :] @ C
            for lines in (fits.ends.traces, fits.ends.expected, fits.ends.squares)
        ]
        model, slopes = self.model, [np.empty(0)] * len(self.terms)
        order = model.layout.order
        stops = np.cumsum([0, *(self.terms[k].p ** 2 for k in order)])
        for given, (a, b) in zip(order, pairwise(stops.tolist()), strict=True):
            p = self.terms[given].p
            slopes[given] = fits.ends.slopes[:, a:b].reshape(responses, p, p)
        sizes, nlevels = self._of_rows(kept)
        return ManyDirections(
            C,
            self.coordinates,
            parts[0],
            parts[1],
            parts[2],
            slopes,
            model.scaled.structure.matrices(fits.scaled_theta),
            sizes,
            [fits.nobs] * len(self.terms),
            nlevels,
            self.terms,
            bool(model.optsum.reml),
        )

    def _of_rows(self, kept) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Sizes of the columns, and numbers of levels, in the rows of each response."""
        root = self.model.scaled.root
        n, sizes, nlevels = kept.sum(axis=1), [], []
        for term in self.terms:
            z = term.z if root is None else term.z * root
            sizes.append(np.sqrt(kept @ (z**2).T / n[:, None]))
            nlevels.append(levels_there(term, kept).sum(axis=1))
        return sizes, nlevels


def levels_there(term, kept) -> np.ndarray:
    """Which levels of a term occur in kept rows, bool, shape (lines of `kept`, levels)."""
    if len(kept) == 1 and kept.all():
        return np.ones((1, term.nlevels), dtype=bool)
    there = np.zeros((len(kept), term.nlevels), dtype=bool)
    line, row = np.nonzero(kept)
    there[line, term.refs[row]] = True
    return there
