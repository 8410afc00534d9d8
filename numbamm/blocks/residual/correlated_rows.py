"""`CorrelatedRows`: the rows of a model with Cov(ε) = σ²R(φ), and A(φ) = [Z X y]'R⁻¹[Z X y].

With R = DCD, D of the rows' standard deviations and C block diagonal over groups of rows,

    f(θ, φ) = the objective with A(φ) + log|R|
    ∂f/∂φ   = Σ tr(∂Q M) + tr(Q ∂C) + 2 Σ_s (1 - (QM)_ss) ∂log d_s

where Q = C⁻¹ and M holds v_s'U v_t of the rows v of D⁻¹[Z X y]; see `forms` and `blocks.gradient`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from numbamm.blocks.known.roots import Roots
from numbamm.blocks.layout import (
    CROSS,
    LAMBDA,
    NHEAD,
    NLEVEL,
    NTERM,
    NX,
    ROW,
    TAIL_U,
    P,
    build_layout,
)
from numbamm.blocks.residual.forms import eliminate, objective_gradient, pair_forms
from numbamm.blocks.residual.group_products import crossprod, transposed_products
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.protocol import CrossProduct
from numbamm.blocks.threads import ThreadLocal
from numbamm.blocks.variances import tail_block

#: Rounding errors of the objective are about so many units of precision times y'R⁻¹y over σ².
UNITS = 5 * np.finfo(float).eps


class CorrelatedRows(ThreadLocal):
    """The rows, sorted by groups, and what follows from them at any φ.

    Parameters
    ----------
    terms : sequence of ReMat
        In scaled columns, in the caller's order of rows.
    xy : ndarray, shape (n, nx + 1)
        ``[X | y]``, times the square root of the weights.
    sqrtw : ndarray, shape (n,), or None
    rows : ndarray of int64, shape (n,)
        The order in which the rows of a group are neighbours.
    scales : Scales
        Of the rows in that order; its φ come first.
    correlations : Correlations
    """

    def __init__(self, terms, xy, sqrtw, rows, scales, correlations) -> None:
        self.rows, self.scales, self.correlations = rows, scales, correlations
        self.size = scales.size + correlations.size
        start = correlations.start
        groups = np.empty(len(rows), dtype=np.int64)
        groups[rows] = np.repeat(np.arange(len(start) - 1), np.diff(start))
        self.terms, self.sqrtw = list(terms), sqrtw
        self.layout = build_layout(terms, xy.shape[1] - 1, groups=groups)
        self.roots = Roots(self.layout, terms)
        ordered = [terms[k] for k in self.layout.order]
        n = len(rows)
        self.refs = np.array([t.refs[rows] for t in ordered], dtype=np.int32).reshape(-1, n)
        z = [t.z.T[rows] for t in ordered]
        self.z = np.concatenate(z, axis=1) if z else np.zeros((n, 0))
        if sqrtw is not None:
            self.z = self.z * sqrtw[rows, None]
        self.z, self.xy = np.ascontiguousarray(self.z), np.ascontiguousarray(xy[rows])
        super().__init__()

    def new_response(self, y) -> None:
        """Replace y (times the square root of the weights)."""
        self._drop_buffers()
        self.xy[:, -1] = y[self.rows]

    def at(self, phi) -> RowsAt | None:
        """What follows from φ, kept for the thread; None where R is not positive definite."""
        phi = np.array(phi, dtype=np.float64)
        known = getattr(self._local, "at", None)
        if known is None or not np.array_equal(known[0], phi):
            known = self._local.at = phi, self._computed(phi)
        return known[1]

    def _computed(self, phi) -> RowsAt | None:
        with np.errstate(over="ignore", invalid="ignore"):
            log_sd = self.scales.values(phi[: self.scales.size])
            root = np.exp(-log_sd)
        if not (np.isfinite(root).all() and (root > 0).all()):
            return None
        matrices = self.correlations.at(phi[self.scales.size :])
        return None if matrices is None else RowsAt(self, phi, log_sd, root, matrices)


class RowsAt:
    """The rows at one φ: A(φ) and its factor, the objective and its derivatives.

    Attributes
    ----------
    of : CorrelatedRows
    phi : ndarray, shape (size,)
    log_sd : ndarray, shape (n,)
        log d of the sorted rows.
    logdet : float
        log|R|, but for the weights.
    tail : DenseTail
        A(φ), and what follows from it at any θ.
    """

    def __init__(self, of: CorrelatedRows, phi, log_sd, root, matrices) -> None:
        self.of, self.phi = of, phi
        self._keep(log_sd, root, matrices)
        self.logdet = self._logdet()
        product = CrossProduct(of.layout, self._crossprod(), None)
        self.tail = self._tail_of(product)

    def _keep(self, log_sd, root, matrices) -> None:
        self.log_sd, self.root, self.matrices = log_sd, root, matrices

    def _tail_of(self, product: CrossProduct) -> DenseTail:
        of = self.of
        if not of.roots:
            return DenseTail(of.terms, product)
        from numbamm.blocks.known.rotated import RotatedTail

        return RotatedTail.of_roots(of.terms, product, of.roots)

    @cached_property
    def z(self) -> np.ndarray:
        """The terms' columns of the sorted rows, over d."""
        return self.of.z * self.root[:, None]

    @cached_property
    def xy(self) -> np.ndarray:
        """X and y of the sorted rows, over d."""
        return self.of.xy * self.root[:, None]

    def _logdet(self) -> float:
        return 2 * float(self.log_sd.sum()) + self.matrices.logdet

    def _crossprod(self) -> np.ndarray:
        of, correlations, matrices = self.of, self.of.correlations, self.matrices
        table, A = of.layout.table, np.empty(of.layout.size_a)
        zq = correlations.product(matrices.Q, self.z)
        xyq = correlations.product(matrices.Q, self.xy)
        places = matrices.Q, correlations.offset, correlations.start, correlations.band
        crossprod(of.refs, self.z, zq, self.xy, xyq, *places, table, A)
        nxy = int(table[0, NX]) + 1
        A[table[0, CROSS] : table[0, CROSS] + nxy**2] = (xyq.T @ self.xy).ravel()
        return of.roots.to_held(A)

    # ---- R, of the rows in the order of the data ----------------------------------------------

    @property
    def inverse_sd(self) -> np.ndarray:
        """√w / d of the sorted rows."""
        of = self.of
        return self.root if of.sqrtw is None else self.root * of.sqrtw[of.rows]

    def _unsorted(self, values) -> np.ndarray:
        out = np.empty_like(values)
        out[..., self.of.rows, :] = values
        return out

    def solve(self, M) -> np.ndarray:
        """R⁻¹M, shape (n, columns)."""
        root = self.inverse_sd[:, None]
        inner = self.of.correlations.product(self.matrices.Q, M[self.of.rows] * root)
        return self._unsorted(inner * root)

    def times(self, M) -> np.ndarray:
        """RM, shape (n, columns)."""
        root = self.inverse_sd[:, None]
        return self._unsorted(self.matrices.times(M[self.of.rows] / root) / root)

    def moves(self, M) -> np.ndarray:
        """Ṙ_jM for each φ, shape (size, n, columns)."""
        of, root = self.of, self.inverse_sd[:, None]
        r = M[of.rows] / root
        omega = of.scales.slopes(self.phi[: of.scales.size])[:, :, None]
        Cr = self.matrices.times(r)
        by_sd = [w * Cr + self.matrices.times(w * r) for w in omega]
        by_correlation, _ = self.matrices.moves(Cr, r)
        both = np.array([*by_sd, *by_correlation]).reshape(of.size, *M.shape)
        return self._unsorted(both / root)

    # ---- the objective ------------------------------------------------------------------------

    def objective(self, theta, degrees, constant: float, sigma: float) -> float:
        """As `Tail.objective`, with log|R|."""
        return self.tail.objective(theta, degrees, constant + self.logdet, sigma)

    def rounding(self, degrees, sigma: float) -> float:
        """About the rounding error of the objective, after it was computed.

        The residual sum of squares r² is what is left of y'R⁻¹y, which is huge beside it where R
        is nearly singular and random effects explain what its small variances do not.
        """
        table, nxy = self.of.layout.table, self.tail.nx + 1
        whole = self.tail.A[table[0, CROSS] + nxy**2 - 1]
        rest = sigma if sigma > 0 else self.tail.residual_norm() / np.sqrt(degrees[0])
        return float(UNITS * (np.sqrt(whole) / rest) ** 2)

    def objective_gradient(self, theta, degrees, constant: float, sigma: float):
        """The objective, and its gradient in φ and θ."""
        layout, tail, entries = self.of.layout, self.tail, self.tail.joint.entries(theta)
        arrays = layout.table, layout.index, tail.A, tail.work, tail.adjoint
        slopes, constant = np.full(len(entries), np.nan), constant + self.logdet
        value = objective_gradient(entries, *arrays, degrees, constant, sigma, slopes)
        own = self._slopes() if np.isfinite(value) else np.full(self.of.size, np.nan)
        return value, np.concatenate([own, tail.joint.slopes(theta, slopes)])

    def _slopes(self) -> np.ndarray:
        """The gradient in φ, from U."""
        M, diagonal = self._forms()
        self._by_log_sd = 2 * (1 - diagonal)
        return np.concatenate([self._sd_slopes() @ self._by_log_sd, self.matrices.slopes(M)])

    def _sd_slopes(self) -> np.ndarray:
        """Derivatives of log d by φ, a column for each entry of `_by_log_sd`."""
        scales = self.of.scales
        return scales.slopes(self.phi[: scales.size])

    def _forms(self) -> tuple[np.ndarray, np.ndarray]:
        """M and the diagonal of QM, from U; see `forms`."""
        of, tail, correlations = self.of, self.tail, self.of.correlations
        table, m, nxy = of.layout.table, tail.order, tail.nx + 1
        at, adjoint = table[0, TAIL_U], tail.adjoint
        if of.roots:
            adjoint = of.roots.of_levels(adjoint)
        square = adjoint[at : at + m * m].reshape(m, m)[m - nxy :, m - nxy :]
        U = np.triu(square) + np.triu(square, 1).T
        M, diagonal = np.zeros(correlations.length), np.empty(len(self.root))
        places = self.matrices.Q, correlations.offset, correlations.start, correlations.band
        rows = of.refs, self.z, self.xy, self.xy @ U
        pair_forms(*rows, *places, table, adjoint, M, diagonal)
        return M, diagonal

    def leverage(self, theta) -> np.ndarray:
        """Diagonal of the hat matrix at θ, of the rows in the order of the data, shape (n,).

        It is that of QM, where U has no part of y.
        """
        of = self.of
        none = np.array([0, 1]), 0.0, 1e150  # an infinite σ leaves y without weight
        self.objective_gradient(theta, *none)
        out = np.empty(len(self.root))
        out[of.rows] = self._forms()[1]
        return out

    # ---- average information ------------------------------------------------------------------

    def information(self, theta, degrees, sigma: float) -> np.ndarray:
        """The average information in φ and θ, after `objective_gradient` at θ.

        For V = σ²(R + ZΛΛ'Z') and V̇_t its derivative, AI_st = y'PV̇_sPV̇_tPy/σ²: a Gram matrix.
        """
        inner, slopes, self._bend = self._gram(theta)
        variance = sigma**2 if sigma > 0 else self.tail.residual_norm() ** 2 / degrees[0]
        H = inner / variance
        if sigma == 0:
            H -= np.outer(slopes, slopes) / (degrees[0] * variance**2)
        return (H + H.T) / 2

    def exact_part(self, shift) -> np.ndarray:
        """What second derivatives of V add to the Hessian, after `information`.

        In θ as in `blocks.search.structured`. In log d it is exact for rows that are not
        correlated: where a standard deviation goes to zero, it is all that bounds a step.

        Parameters
        ----------
        shift : ndarray, shape (size,)
            Derivatives by φ of a common log d that changes nothing: zero, or those of the mean if
            σ is estimated, and random effects are relative to a typical row.
        """
        k, few = self.of.size, self.of.scales.size
        moves = self._sd_slopes() - shift[:few, None]
        out = np.zeros((k + len(self._bend),) * 2)
        out[:few, :few] = 2 * (moves * self._by_log_sd) @ moves.T
        out[k:, k:] = self._bend
        return out

    def _gram(self, theta):
        """y'PV̇_sPV̇_tPy and y'PV̇_tPy with σ = 1, and the part of N."""
        F, G, r, bend = self._moved(theta)
        return F.T @ G - self._explained(G), F.T @ r, bend

    def _moved(self, theta):
        """V̇_t Py and R⁻¹ of them, shape (n, parameters), R⁻¹e, and the part of N."""
        of, tail, nscale = self.of, self.tail, self.of.scales.size
        e, r, N = self._residuals(), None, tail.normal_blocks()
        r = of.correlations.product(self.matrices.Q, e[:, None])[:, 0]
        moved = of.scales.slopes(self.phi[:nscale]).T
        direct, through = moved * e[:, None], moved * r[:, None]
        F = [direct + self.matrices.times(through)]
        G = [of.correlations.product(self.matrices.Q, direct) + through]
        f, g = self.matrices.moves(e[:, None], r[:, None])
        F, G = [*F, f[:, :, 0].T], [*G, g[:, :, 0].T]
        by_term, bend = self._of_effects(theta, r, N)
        F, G = [*F, by_term], [*G, of.correlations.product(self.matrices.Q, by_term)]
        return np.concatenate(F, axis=1), np.concatenate(G, axis=1), r, bend

    def _residuals(self) -> np.ndarray:
        """y - Xγ - Zb, divided by the standard deviations."""
        of, solution = self.of, self.tail.solve()
        e = self.xy[:, -1] - self.xy[:, :-1] @ solution.gamma
        at = 0
        for k, given in enumerate(of.layout.order):
            b = solution.b[given]
            e -= np.einsum("np,np->n", self.z[:, at : at + b.shape[1]], b[of.refs[k]])
            at += b.shape[1]
        return e

    def _of_effects(self, theta, r, N):
        """ZΓ_sZ'r of each θ, with Γ = λλ', shape (n, number of θ); and tr(NΓ_st)."""
        of, joint = self.of, self.tail.joint
        out, bend = np.zeros((len(r), joint.size)), np.zeros((joint.size, joint.size))
        parts, places = joint.split(theta), joint.split(np.arange(joint.size))
        at = 0
        for k, given in enumerate(of.layout.order):
            s, own, here, term = (
                joint.structures[given],
                parts[given],
                places[given],
                of.terms[given],
            )
            z, refs = self.z[:, at : at + s.p], of.refs[k]
            c = np.stack([np.bincount(refs, z[:, a] * r, term.nlevels) for a in range(s.p)], axis=1)
            c = of.roots.related(k, c)
            for j, move in zip(here, s.covariance_slopes(own), strict=True):
                out[:, j] = np.einsum("np,np->n", z, (c @ move)[refs])
            bend[np.ix_(here, here)] = s.bend(own, N[given])
            at += s.p
        return out, bend

    def _explained(self, G) -> np.ndarray:
        """G'[Z X]Ω⁻¹[Z X]'G."""
        of, tail = self.of, self.tail
        table, m, nx = of.layout.table, tail.order, tail.nx
        widths = table[1 : 1 + of.layout.nhead, [P, NLEVEL]].prod(axis=1)
        head, below = np.zeros((int(widths.sum()), G.shape[1])), np.zeros((m, G.shape[1]))
        transposed_products(of.refs, self.z, np.ascontiguousarray(G), table, head, below)
        below[m - 1 - nx : m - 1] += self.xy[:, :-1].T @ G
        return self._solved(head, of.roots.right_sides(below))

    def _solved(self, head, below) -> np.ndarray:
        """r'Ω⁻¹r of right-hand sides r in the rows of the head and of the tail, which change."""
        head, below = self.halves(head, below)
        return head.T @ head + below.T @ below

    def halves(self, head, below) -> tuple[np.ndarray, np.ndarray]:
        """L⁻¹Λ'r of right-hand sides r in the rows of the head and of the tail, which change."""
        of, tail, count = self.of, self.tail, head.shape[1]
        table, m = of.layout.table, tail.order
        head, below = np.ascontiguousarray(head.T), np.ascontiguousarray(below.T)
        widths = table[1 : 1 + of.layout.nhead, [P, NLEVEL]].prod(axis=1)
        starts = np.cumsum(widths) - widths
        eliminate(starts, table, of.layout.index, tail.work, head, below)
        head, below = head.T, below.T.copy()
        for row in table[1 + table[0, NHEAD] : 1 + table[0, NTERM]]:
            lam = tail.work[row[LAMBDA] : row[LAMBDA] + row[P] ** 2].reshape(row[P], row[P])
            here = slice(row[ROW], row[ROW] + row[P] * row[NLEVEL])
            own = below[here].reshape(-1, row[P], count)
            below[here] = np.einsum("ab,lak->lbk", lam, own).reshape(-1, count)
        L = tail_block(of.layout, tail.work, slice(m - 1))
        return head, solve_triangular(L, below[:-1], lower=True) if m > 1 else below[:0]
