"""`ResidualShare`: what correlated or unequal residuals add to predictions of a linear model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numbamm.inference.prediction.model_rows import ModelRows


def borrows(model, re_form, newdata) -> bool:
    """Whether predictions have a share in the residuals of the fit: with all random effects."""
    side = model.residual_side
    if side is None or side.texts.residual is None or newdata is None:
        return False
    return re_form is None or (isinstance(re_form, str | bool) and re_form in (True, "all"))


@dataclass
class ResidualShare:
    """The residuals of rows to predict.

    Attributes
    ----------
    model : LinearMixedModel
        With a residual side.
    rows : ModelRows
    mean : ndarray, shape (n,)
        Linear predictors without a share in residuals; NaN where a value is missing.
    borrows : bool
        Whether the residuals of the fit are made use of.
    """

    model: Any
    rows: ModelRows
    mean: np.ndarray
    borrows: bool

    def means(self) -> np.ndarray:
        """Means of the residuals, given those of the fit, shape (n,)."""
        own, out = self.rows.residuals, np.full(len(self.mean), np.nan)
        fit = self.model.estimates.fitted
        out[own.rows] = own.borrowed(self.model.frame.y - fit, self._deviations())
        return out

    def error_variances(self, known) -> np.ndarray:
        """Variances of x'β̂ + z'b̂ + w'ε̂ - z'b - w'ε, where w'ε̂ is borrowed; shape (n,).

        Parameters
        ----------
        known : list of (refs, z)
            Levels of the fit and columns of each term, as for `model.row_variances`.
        """
        from scipy.sparse import diags_array

        from numbamm.blocks.residual.borrowed import borrowed_variances

        model, own = self.model, self.rows.residuals
        if not self.borrows:
            return model.row_variances(self.rows.X, known)
        at, here = model.residual_side.at(model.residual_side.phi), own.rows
        x, terms = model.rows_in_scaled_columns(self.rows.X, known)
        terms = [(refs[here], z[:, here]) for refs, z in terms]
        at.tail.factorize(model.scaled.to_scaled(model.theta))
        shares = diags_array(self._deviations() / np.sqrt(own.w)) @ own.shares[0]
        out = np.full(len(self.mean), np.nan)
        out[here] = model.sigma**2 * borrowed_variances(at, terms, x[here], shares)
        return out

    def open_variances(self) -> np.ndarray:
        """Variances of the residuals of new observations, given what is borrowed; shape (n,)."""
        model, own = self.model, self.rows.residuals
        if own is None:  # the rows of the fit
            w = 1.0 if self.rows.weights is None else self.rows.weights
            return model.sigma**2 * model.residual_side.deviations() ** 2 / w
        rest = own.shares[1] if self.borrows else 1.0
        out = np.full(len(self.mean), np.nan)
        out[own.rows] = model.sigma**2 * self._deviations() ** 2 * rest / own.w
        return out

    def _deviations(self) -> np.ndarray:
        own = self.rows.residuals
        return own.deviations(self.mean[own.rows])
