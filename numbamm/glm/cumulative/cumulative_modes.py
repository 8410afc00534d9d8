"""`CumulativeModes`: conditional modes of a cumulative link mixed model, and what follows there."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.variances import row_variances
from numbamm.glm.cumulative.cumulative_family import Cumulative
from numbamm.glm.cumulative.cumulative_rows import LOWER, UPPER, UPPER_SLOPE
from numbamm.glm.cumulative.row_parts import Parts, Slopes
from numbamm.glm.link import Link
from numbamm.glm.mode import Mode, ModeFinder
from numbamm.glm.row_kernels import (
    FIRST,
    INFORMATION,
    NO_BARRIER,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
    WORKING,
    evaluate_rows,
)
from numbamm.glm.working import AT, EXPECTED, FAMILY, OBSERVED, Working

#: Outcome of a search where thresholds do not increase.
NOT_INCREASING = -6


class CumulativeModes(ModeFinder):
    """Finds modes at θ and the coefficients of all parts, which are its γ.

    Parameters
    ----------
    terms : sequence of ReMat
    parts : Parts
    weights, offset : ndarray, shape (n,)
    family : Cumulative
    link : Link
    """

    def __init__(
        self, terms, parts: Parts, weights, offset, family: Cumulative, link: Link
    ) -> None:
        self.parts = parts
        concave = family.is_concave(link)
        arguments = weights, offset, family, link, EXPECTED if concave else OBSERVED, 1.0
        super().__init__(terms, parts.padded(), parts.y.astype(np.float64), *arguments)

    @property
    def working_weights(self) -> np.ndarray:
        """Information of the rows at the last mode, shape (n,)."""
        return self.held.rows.eta[WEIGHT]

    @property
    def eta(self) -> np.ndarray:
        """Linear predictors at the last mode, shape (n,)."""
        return self.held.rows.eta[AT]

    def __call__(self, theta, gamma, *, vary=False, shape=0.0, tolerance=None, trace=None) -> Mode:
        """The mode at θ and γ, which never varies with it; see `ModeFinder`."""
        if not self.parts.fill(gamma, self.held.rows.link):
            return Mode(np.nan, np.nan, np.nan, NOT_INCREASING)
        options = {"shape": shape, "tolerance": tolerance, "trace": trace}
        return super().__call__(theta, gamma, vary=False, **options)

    def gradient(self, theta, gamma, *, vary=False, shape=0.0, phi=1.0) -> np.ndarray:
        """Derivatives of the Laplace objective; see `ModeFinder.gradient`."""
        out = super().gradient(theta, gamma, vary=False, shape=shape, phi=phi)
        rows, (h, _, along_a, v) = self.held.rows, self.held.for_gradient()[1]
        lines = self._evaluated(UPPER_SLOPE)
        upper = lines[FIRST] + h * lines[THIRD] + along_a * lines[SECOND]
        lower = np.where(self.parts.y > 0, -v - upper, 0.0)
        log_scale = v
        if self.parts.scale.shape[1]:
            information = self._evaluated(INFORMATION)[SECOND]
            log_scale = -_along(_distances(rows), upper, lower) - 2.0 * h * information
            log_scale -= along_a * rows.eta[SCORE]
        out[: self.parts.size] = self.parts.gradient(Slopes(upper, lower, v, log_scale))
        return out

    def _evaluated(self, what: int) -> np.ndarray:
        """The lines that the row kernel fills at the last mode."""
        rows = self.held.rows
        arguments = rows.y, rows.weights, rows.entropy, 0.0, 0.0, rows.eta[AT], rows.link
        evaluate_rows(what, 0, int(rows.model[FAMILY]), *arguments, NO_BARRIER, rows.eta)
        return rows.eta

    # ---- the rows alone -----------------------------------------------------------------------

    def of_rows(self, psi) -> float:
        """Σ w d without random effects; infinite where thresholds do not increase."""
        rows = self.held.rows
        if not self.parts.fill(psi, rows.link):
            return np.inf
        rows.eta[AT] = self.offset + rows.basis @ psi
        arguments = rows.y, rows.weights, rows.entropy, 0.0, 0.0, rows.eta[AT], rows.link
        total = evaluate_rows(WORKING, 0, int(rows.model[FAMILY]), *arguments, NO_BARRIER, rows.eta)
        return total if total == total else np.inf

    def derivatives_of_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of -log-likelihood of the rows at their last η, with random effects held.

        Returns
        -------
        gradient : ndarray, shape (size,)
        curvature : ndarray, shape (size, size)
        changes : ndarray, shape (n, size)
            Of the rows' -score.
        """
        rows, parts = self.held.rows, self.parts
        lines = self._evaluated(UPPER_SLOPE)
        score, weights = lines[SCORE], rows.weights
        upper, upper_eta = -0.5 * lines[FIRST], lines[SECOND].copy()
        has_lower, distances = parts.y > 0, _distances(rows)
        lower = np.where(has_lower, -score - upper, 0.0)
        first = Slopes(upper, lower, score, -_along(distances, upper, lower))
        eta_eta = -self._evaluated(INFORMATION)[SECOND]
        lower_eta = np.where(has_lower, -eta_eta - upper_eta, 0.0)
        some = np.maximum(weights, np.finfo(np.float64).tiny)  # rows left out have weight zero
        both = -upper * lower / some  # the derivative in A and C
        upper_upper, lower_lower = -upper_eta - both, -lower_eta - both

        def with_scale(to_upper, to_lower, to_eta, own) -> Slopes:
            return Slopes(to_upper, to_lower, to_eta, -own - _along(distances, to_upper, to_lower))

        seconds = (
            with_scale(upper_upper, both, upper_eta, upper),
            with_scale(both, lower_lower, lower_eta, lower),
            with_scale(upper_eta, lower_eta, eta_eta, score),
        )
        to_scale = [second.log_scale for second in seconds]
        scale = Slopes(*to_scale, -_along(distances, *to_scale[:2]))
        of_eta = parts.changes(seconds[2])
        curvature = parts.curvature(*seconds[:2], of_eta, scale)
        return -parts.gradient(first), -curvature, -of_eta

    def effect_variances(self, terms) -> np.ndarray:
        """Variances of z'b̂ - z'b at the last mode with γ known; see `variances.row_variances`."""
        none = np.zeros((len(terms[0][0]), 0))
        return row_variances(self.held.layout, self.held.rows.work, terms, none)

    def information(self, theta, gamma) -> np.ndarray:
        """Information about γ at the mode that the last call found, θ being known.

        It is the Hessian of half the penalised deviance, profiled over u: the block of γ in the
        factor of a working model whose columns are the changes of the score over the weights.
        """
        _, curvature, changes = self.derivatives_of_rows()
        if not self.terms:
            return curvature
        held = self.held.rows
        weights = np.maximum(held.eta[WEIGHT], np.finfo(np.float64).tiny)
        base = self.offset + held.basis @ gamma
        columns = np.ascontiguousarray(changes / weights[:, None])
        working = self.replaced(kind=self.kind._replace(information=EXPECTED), basis=columns)
        rows, x = working.varied.rows, np.concatenate([self.u, np.zeros(len(gamma))])
        rows.link[:] = held.link
        out, path = np.full(3, np.nan), np.empty((0, 2))
        working._pirls(self._entries(theta), x, 0.0, base, True, np.inf, path, out)
        weights = np.maximum(rows.eta[WEIGHT], np.finfo(np.float64).tiny)
        known = changes.T @ (changes / weights[:, None])
        factor = working.x_factor()
        return curvature - known + factor @ factor.T


def _distances(rows: Working) -> list[np.ndarray]:
    """A - η and C - η, zero where the threshold is infinite."""
    eta, ends = rows.eta[AT], (rows.link[UPPER], rows.link[LOWER])
    return [np.where(np.isfinite(end), end - eta, 0.0) for end in ends]


def _along(distances, upper, lower) -> np.ndarray:
    """(A - η) upper + (C - η) lower, where infinite thresholds do not count."""
    return distances[0] * upper + distances[1] * lower
