"""Kenward and Roger's tests: an adjusted covariance of β, and a scaled F."""

from __future__ import annotations

import numpy as np

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError
from numbamm.inference.covariance import directions
from numbamm.inference.ddf import active_note, quadratic_form


class KenwardRoger:
    """Φ_A = Φ + 2Φ{ΣΣ w_st (Q_st - P_sΦP_t)}Φ, w = 2 [tr(PV_sPV_t)]⁻¹, and F tests with it.

    V is linear in the directions that are used, so that second derivatives of V do not enter,
    and the result is that for variances and covariances as parameters, whatever the directions.
    On a singular fit they are those along which V can move.

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
        with blas_threads(config.get("threads")):
            moving = directions(model)
        self.beta, to_beta = model.estimates.beta, model.feterm.to_basis
        self.to_basis, phi, self.P = to_beta, moving.phi, moving.P
        self.phi = phi
        self.w = 2 * np.linalg.inv(moving.reml_traces)
        bias = np.einsum("st,stxy->xy", self.w, moving.Q)
        bias -= np.einsum("st,sxy,yz,tzv->xv", self.w, self.P, phi, self.P, optimize=True)
        adjusted = phi + 2 * phi @ bias @ phi
        self.vcov = to_beta @ (adjusted + adjusted.T) / 2 @ to_beta.T
        self.notes = active_note(model, moving)

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t, shape (rows,)."""
        return np.array([self._scaled(row[None])[1] for row in L])

    def joint(self, L, rhs) -> tuple[float, float]:
        """Scaled F statistic of Lβ = rhs, and its denominator degrees of freedom."""
        scale, df = self._scaled(L)
        return scale * quadratic_form(L, self.beta, self.vcov, rhs) / len(L), df

    def _scaled(self, L) -> tuple[float, float]:
        """The scale of F, and its denominator degrees of freedom: two moments are matched."""
        l, rows = len(L), L @ self.to_basis
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows)
        half = theta @ self.phi @ self.P @ self.phi  # ΘΦP_sΦ
        traces = np.einsum("sxx->s", half)
        a1 = traces @ self.w @ traces
        a2 = np.einsum("st,sxy,tyx->", self.w, half, half, optimize=True)
        if a2 == 0:  # nothing about the covariance was estimated
            return 1.0, np.inf
        b = (a1 + 6 * a2) / (2 * l)
        g = ((l + 1) * a1 - (l + 4) * a2) / ((l + 2) * a2)
        c1, c2, c3 = np.array([g, l - g, l + 2 - g]) / (3 * l + 2 * (1 - g))
        expected = 1 / (1 - a2 / l)
        variance = 2 / l * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
        rho = variance / (2 * expected**2)
        df = 4 + (l + 2) / (l * rho - 1)
        return df / (expected * (df - 2)), df
