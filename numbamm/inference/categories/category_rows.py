"""`CategoryRows`: probabilities of the categories in rows of the fit or new ones, with errors.

A function g of the coefficients ψ and the random effects b varies about its prediction by
g_b (b̂ - b), given ψ, and by the error of ψ̂, with which b̂ moves, too:

    Var = (g_ψ + g_b db̂/dψ) Cov(ψ̂) (g_ψ + g_b db̂/dψ)' + g_b Var(b | y) g_b'
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from numbamm.inference.prediction.model_rows import ModelRows


class CategoryRows:
    """The rows of a prediction from a model with thresholds.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    rows : ModelRows
        With the parts of the model; linear predictors alone need none.
    chosen : list of ndarray of bool, shape (p,)
        The random effects that are included, term by term.
    effects : list of ndarray, shape (levels, p)
        Random effects of each term, those of new levels included.
    psi : ndarray, optional
        Coefficients of all parts; the estimates, if not given.

    Attributes
    ----------
    eta : ndarray, shape (n,)
        Linear predictors; NaN where a value is missing.
    """

    def __init__(self, model, rows: ModelRows, chosen, effects, psi=None) -> None:
        self.model, self.rows, self._chosen = model, rows, chosen
        self._columns = columns = model.columns
        self._location = columns.location_of(rows.X)
        self._nominal, self._scale = columns.parts_of(rows.parts, len(rows.X))
        psi = model.estimates.parts if psi is None else psi
        effects = [
            b if used.any() else np.zeros_like(b) for b, used in zip(effects, chosen, strict=True)
        ]
        self.eta = rows.linear_predictor(columns.location_coefficients(psi), effects)
        self._psi = psi

    @cached_property
    def _thresholds(self) -> tuple[np.ndarray, np.ndarray]:
        return self._columns.thresholds_at(self._psi, self._nominal, self._scale)

    @property
    def alpha(self) -> np.ndarray:
        """Thresholds of the rows, shape (n, K - 1)."""
        return self._thresholds[0]

    @property
    def log_scale(self) -> np.ndarray:
        """log s of the rows, shape (n,)."""
        return self._thresholds[1]

    @property
    def scores(self) -> np.ndarray:
        """(α - η) / s, shape (n, K - 1)."""
        return (self.alpha - self.eta[:, None]) / np.exp(self.log_scale)[:, None]

    def cumulative(self) -> np.ndarray:
        """P(y ≤ k) of all categories but the last, shape (n, K - 1)."""
        scores = self.scores
        F = self.model.link_record.mean(scores.ravel()).reshape(scores.shape)
        return np.where(np.isnan(scores), np.nan, F)

    def probabilities(self) -> np.ndarray:
        """P(y = k), shape (n, K)."""
        family, link = self.model.family_record, self.model.link_record
        p = family.probabilities(link, self.alpha, self.eta, self.log_scale)
        return np.where(np.isnan(self.scores[:, :1]), np.nan, p)

    # ---- errors -------------------------------------------------------------------------------

    def score_errors(self) -> tuple[np.ndarray, np.ndarray]:
        """How the scores vary: along independent directions of ψ, and with b given ψ.

        Returns
        -------
        of_parameters : ndarray, shape (size, n, K - 1)
            Change of the scores with each of independent unit errors of ψ̂.
        of_effects : ndarray, shape (n, K - 1)
            Standard deviation due to b̂ - b; all scores of a row move together.
        """
        rate = np.exp(-self.log_scale)[:, None]
        of_effects = rate * self.effect_sd()[:, None] * np.ones(self.alpha.shape[1])
        return self.changes(covariance_root(self.model.parts_covariance)), of_effects

    def changes(self, root) -> np.ndarray:
        """Changes of the scores with each column of coefficients, shape (columns, n, K - 1)."""
        to_alpha, to_log_scale = self._columns.threshold_slopes(self._nominal, self._scale, root)
        rate = np.exp(-self.log_scale)[:, None]
        return np.array(
            [
                rate * (a - e[:, None]) - self.scores * s[:, None]
                for a, e, s in zip(to_alpha, self.eta_slopes(root), to_log_scale, strict=True)
            ]
        )

    def eta_errors(self) -> tuple[np.ndarray, np.ndarray]:
        """The same for linear predictors: shapes (size, n) and (n,)."""
        root = covariance_root(self.model.parts_covariance)
        return self.eta_slopes(root), self.effect_sd()

    def eta_slopes(self, root) -> np.ndarray:
        """Change of η with each column of a root of the covariance of ψ̂, shape (size, n)."""
        slopes = (self._location @ root[self._columns.parts.of_location]).T
        if not any(columns.any() for columns in self._chosen):
            return slopes
        out = []
        for slope, effects in zip(slopes, self.model.effects_along(root), strict=True):
            total = slope.copy()
            for term, (refs, z), columns, b in zip(
                self.model.reterms, self.rows.terms, self._chosen, effects, strict=True
            ):
                known = (refs >= 0) & (refs < term.nlevels)
                part = np.einsum("pn,np->n", z[:, known], b[refs[known]] * columns)
                total[known] += part
            out.append(total)
        return np.array(out)

    def effect_sd(self) -> np.ndarray:
        """Standard deviation of z'b̂ - z'b at known ψ, shape (n,)."""
        if not any(columns.any() for columns in self._chosen):
            return np.zeros(len(self.eta))
        known, of_new = [], np.zeros(len(self.eta))
        for term, (refs, z), columns in zip(
            self.model.reterms, self.rows.terms, self._chosen, strict=True
        ):
            z = z * columns[:, None]
            new = np.flatnonzero(refs >= term.nlevels)
            of_new[new] += ((term.lambda_.T @ z[:, new]) ** 2).sum(axis=0)
            known.append((np.where(refs < term.nlevels, refs, -1).astype(np.int32), z))
        return np.sqrt(self.model.effect_variances(known) + of_new)


def draw_codes(model, rows: ModelRows, effects, psi, rng) -> np.ndarray:
    """Numbers of categories drawn for the rows, shape (n,); NaN where a value is missing.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    rows, effects, psi
        As for `CategoryRows`.
    rng : numpy.random.Generator
    """
    every = [np.ones(term.p, dtype=bool) for term in model.reterms]
    at = CategoryRows(model, rows, every, effects, psi)
    codes = (rng.uniform(size=len(at.eta))[:, None] > at.cumulative()).sum(axis=1)
    return np.where(np.isnan(at.eta), np.nan, codes)


def covariance_root(cov) -> np.ndarray:
    """A root R of a covariance matrix, RR' = cov, which may be singular."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))
