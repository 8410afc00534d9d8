"""Kenward and Roger's tests: an adjusted covariance matrix of β and a scaled F.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError
from numbamm.inference.fixed.parameter_covariance import by_expected, by_observed
from numbamm.inference.fixed.wald import INFINITE, directions_of, notes, quadratic_form

#: Degrees of freedom from which both moments of F are matched; at 2 and below it has none.
MATCHED = 2.5
#: Smallest denominator degrees of freedom: below, nothing is known about the covariance.
LEAST = 0.1


class KenwardRoger:
    """Φ_A = Φ + 2Φ{ΣΣ w_st (Q_st - P_sΦP_t)}Φ, w = 2 E[H]⁻¹, and F tests with it.

    H is the Hessian of the restricted -2 log-likelihood by variances and covariances. V is linear
    in these, so that its second derivatives do not enter. All variances and covariances count as
    estimated, even those that are zero.

    References
    ----------
    Kenward & Roger, 1997, Biometrics 53, 983; Halekoh & Højsgaard, 2014, J. Stat. Softw. 59(9).
    """

    title = "Kenward–Roger"

    def __init__(self, model) -> None:
        if not model.estimates.reml:
            raise OptionError(
                'ddf="kenward-roger" is for fits by REML: refit(reml=True), '
                'or take ddf="satterthwaite"'
            )
        with blas_threads():
            directions = directions_of(model)
        self.beta, to_beta = model.estimates.beta, model.feterm.to_basis
        self.to_basis, phi, self.P = to_beta, directions.phi, directions.P
        self.phi = phi
        self.w = self._varcov(directions, model.at_bounds)
        bias = np.einsum("st,stxy->xy", self.w, directions.Q)
        bias -= np.einsum("st,sxy,yz,tzv->xv", self.w, self.P, phi, self.P, optimize=True)
        adjusted = phi + 2 * phi @ bias @ phi
        self.vcov = to_beta @ (adjusted + adjusted.T) / 2 @ to_beta.T
        self.notes = notes(model, directions, boundary=self._boundary)

    #: Whether variances that are zero count as known.
    _boundary = False

    @staticmethod
    def _varcov(directions, at_bounds) -> np.ndarray:
        """Covariance of the covariance parameters, along the directions."""
        return by_expected(directions)

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t, shape (rows,)."""
        return np.array([self._scaled(row[None])[1] for row in L])

    def joint(self, L, rhs) -> tuple[float, float]:
        """Scaled F statistic of Lβ = rhs, and its denominator degrees of freedom."""
        scale, df = self._scaled(L)
        return scale * quadratic_form(L, self.beta, self.vcov, rhs) / len(L), df

    def _scaled(self, L) -> tuple[float, float]:
        """The scale of F and its denominator degrees of freedom, from two matched moments."""
        l, rows = len(L), L @ self.to_basis
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows)
        half = theta @ self.phi @ self.P @ self.phi  # ΘΦP_sΦ
        traces = np.einsum("sxx->s", half)
        a1 = traces @ self.w @ traces
        a2 = np.einsum("st,sxy,tyx->", self.w, half, half, optimize=True)
        if a2 < 2 * l / INFINITE:  # F does not depend on estimated covariance parameters
            return 1.0, np.inf
        return _scale_and_df(l, a1, a2)


def _scale_and_df(l: int, a1: float, a2: float) -> tuple[float, float]:
    """The scale and the denominator df of F, from Kenward and Roger's A₁ and A₂ of l rows.

    They match the mean 1/e and the variance 2v₀/(l v₁²v₂) to those of a scaled F(l, df). This is
    exact in the two cases from which v₀, v₁ and v₂ were derived, F tests of balanced designs and
    Hotelling's T², where e = v₁. As df decreases to 2, e and v₁ go to 0, and for smaller df F has
    no moments. For e = v₁ the limits of the formulas are exact in both cases, too. In other cases
    e is moved towards v₁ below df = 2.5, so that the result is continuous and not a quotient of
    two small numbers.
    """
    b = (a1 + 6 * a2) / (2 * l)
    g = ((l + 1) * a1 - (l + 4) * a2) / ((l + 2) * a2)
    d = 3 * l + 2 * (1 - g)
    v0, v1, v2 = 1 + b * g / d, 1 - b * (l - g) / d, 1 - b * (l + 2 - g) / d
    limit = d / b + 2 - l + g
    if limit <= 2 + 1e-6:
        df = max(limit, LEAST)
        return df * b / d, df
    share = min((limit - 2) / (MATCHED - 2), 1.0) ** 2
    e = v1 + share * (1 - a2 / l - v1)
    df = 4 + (l + 2) * v2 / ((e / v1) ** 2 * v0 - v2)
    return df * e / (df - 2), df


class KenwardRogerObserved(KenwardRoger):
    """Kenward and Roger's tests with w = 2 H⁻¹ for the observed Hessian H; see `by_observed`.

    This is the default of SAS's ``DDFM=KR``. On a singular fit variances of zero count as known.
    """

    title = "Kenward–Roger by the observed information"
    _boundary = True

    @staticmethod
    def _varcov(directions, at_bounds) -> np.ndarray:
        return by_observed(directions, at_bounds)
