"""`Approximation`: the criterion, its derivatives and the estimates of an iterative tail at one θ.

All follow from solutions with S̃ (`schur`), whose right-hand sides are the columns of D and the
probes. With T = S̃⁻¹Φ'C_SD, what the elimination of S leaves of D is M = C_DD - C_DS ΦT. It is
factored as it is, L_D L_D' = Λ_D'MΛ_D + I, so that β, its covariance, r² and the dense terms are
exact to the tolerance of the solutions. The tail's U = Λ̃(Ω⁻¹ with weights)Λ̃' is

    U_SS = ΦS̃⁻¹Φ' + ΦT Q T'Φ'      U_SD = -ΦT Q      U_DD = Q = Λ_D L_D⁻ᵀ diag(w) L_D⁻¹Λ_D'

in which probes z stand in for S̃⁻¹: its expectation is that of (S̃⁻¹z) z'. Where S̃ has a few small
eigenvalues, they make most of the noise, and of known ones the share is known: with orthonormal W
that span them, S̃⁻¹ is S̃⁻¹W W' + S̃⁻¹(I - WW'), and probes are needed for the second part alone. W is
about the effects that are equal in all levels of a term, which the levels of the others explain
nearly as well. N of a term of S is
Σ_levels (C - CUC)_jj. With C_o = C_SS without its blocks C_d on the diagonal,

    (C ΦS̃⁻¹Φ' C)_jj = (C_d ΦΦ' C_d + g S̃⁻¹ g')_jj      g = (I - C_d ΦΦ') C_o Φ

so that probes estimate only what is of second order in C_o. Nothing is divided by λ.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import solve_triangular

from numbamm.blocks.cholesky import DEGREES, REML
from numbamm.blocks.information import NO_CHANGES
from numbamm.blocks.layout import NHEAD, NLEVEL, ROW, P
from numbamm.blocks.tail import conjugate_gradients
from numbamm.blocks.tail.head_normals import head_normals
from numbamm.blocks.tail.lanczos import log_forms
from numbamm.blocks.tail.schur import Schur
from numbamm.blocks.tail.sparse_solutions import complete_effects, head_information
from numbamm.blocks.threads import run_parts

#: Conjugate gradients that need more iterations than this are given up.
MOST_ITERATIONS = 200
#: Tolerance of solutions for quadratic forms, whose errors are of second order.
FORM_TOLERANCE = 1e-7


class Approximation:
    """What follows from the solutions at one θ.

    Parameters
    ----------
    design : Design
    entries : ndarray
        The entries of every λ.
    Z : ndarray, shape (order of S, probes)
        The probes; there may be none.
    tolerance : (float, float)
        Of solutions that enter exactly, and of those of the probes; see
        `conjugate_gradients.solve`.
    most : int
        Greatest number of its iterations.

    Attributes
    ----------
    schur : Schur
    iterations : int
        Those of conjugate gradients.
    logdets : ndarray, shape (probes,)
        Estimates of log|S̃|.
    factor : ndarray
        L_D.
    r2 : float
        The penalised residual sum of squares.
    differentiated : tuple or None
        The degrees and σ for which the tail has derivatives from here.
    """

    def __init__(self, design, entries, Z, tolerance, most: int = MOST_ITERATIONS) -> None:
        self.design, self.schur = design, Schur(design, entries)
        nd, schur = design.order_d, self.schur
        W = schur.leading() if Z.shape[1] else Z
        #: Columns whose sum stands for a part of S̃⁻¹, and then those whose mean does for the rest.
        self._probes, self._known = np.column_stack([W, Z - W @ (W.T @ Z)]), W.shape[1]
        right = np.column_stack([schur.scaled(schur.mixed), self._probes])
        right = np.ascontiguousarray(right)
        exact, rough = tolerance
        tolerance = np.repeat([exact, rough], [nd + self._known, Z.shape[1]])
        self._first: np.ndarray | None = None
        self.differentiated: tuple | None = None

        def times(X, out):
            Y = schur.product(schur.unscaled(X))
            if self._first is None:
                self._first = Y[:, nd:].copy()
            schur.complete(X, Y, out)

        found = conjugate_gradients.solve(times, right, tolerance, most)
        self.iterations, self._x = found.iterations, found.x
        self.b = schur.unscaled(found.x)
        self._y = schur.product(self.b).copy()
        norms = np.einsum("ij,ij->j", self._probes, self._probes)
        forms = log_forms(found.alpha[:, nd:], found.beta[:, nd:], norms)
        self.logdets = forms[self._known :] + forms[: self._known].sum()
        left = np.empty_like(found.x)
        schur.complete(found.x, self._y, left)
        T, B = found.x[:, :nd], right[:, :nd]
        # of second order in the solutions' errors
        M = schur.corner - B.T @ T - T.T @ (B - left[:, :nd])
        self.M = (M + M.T) / 2
        self._factor_corner()

    # ---- D ------------------------------------------------------------------------------------

    def _factor_corner(self) -> None:
        """Compute Λ_D, L_D and r²."""
        design, nd = self.design, self.design.order_d
        self.lam_d, penalty = np.eye(nd), np.zeros(nd)
        for k in design.dense:
            lam, row = self.schur.lam(k), design.table[1 + k]
            start = row[ROW] - design.order
            for at in range(start, start + row[P] * row[NLEVEL], row[P]):
                self.lam_d[at : at + row[P], at : at + row[P]] = lam
                penalty[at : at + row[P]] = 1.0
        try:
            self.factor = np.linalg.cholesky(self.lam_d.T @ self.M @ self.lam_d + np.diag(penalty))
        except np.linalg.LinAlgError:
            raise FloatingPointError("the Cholesky factorisation fails") from None
        self.r2 = float(self.factor[-1, -1] ** 2)

    @property
    def _nx(self) -> int:
        return self.design.nx

    def objectives(self, degrees, constant: float, sigma: float) -> np.ndarray:
        """The criterion from each probe, shape (probes,)."""
        diagonal, nx, d = np.diag(self.factor), self._nx, degrees[DEGREES]
        counted = diagonal[:-1] if degrees[REML] else diagonal[: -1 - nx]
        exact = self.schur.logdet + 2.0 * np.log(counted).sum() + constant
        if sigma > 0:
            exact += self.r2 / sigma**2 + d * math.log(2 * math.pi * sigma**2)
        else:
            exact += d * (1.0 + math.log(2 * math.pi * self.r2 / d))
        return exact + self.logdets

    def weights(self, degrees, sigma: float) -> np.ndarray:
        """diag(w) of D's rows."""
        w = np.ones(self.design.order_d)
        w[len(w) - 1 - self._nx : -1] = float(degrees[REML] != 0)
        w[-1] = self.r2 / sigma**2 if sigma > 0 else degrees[DEGREES]
        return w

    # ---- N --------------------------------------------------------------------------------------

    def normals(self, head_normal, degrees, sigma: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """N of every term in the table's order, and what each probe adds to it.

        Parameters
        ----------
        head_normal : callable
            N of the head's terms from the head alone.
        degrees, sigma

        Returns
        -------
        list of (N, pairs)
            Symmetric, shape (p, p); and of shape (p, p, probes), with mean zero.
        """
        back = solve_triangular(self.factor, self.lam_d.T, lower=True)  # L_D⁻¹Λ_D'
        Q = back.T @ (self.weights(degrees, sigma)[:, None] * back)
        head = self._head_normals(head_normal, Q)
        return [*head, *self._sparse_normals(Q), *self._dense_normals(Q)]

    def _sparse_normals(self, Q):
        design, schur, nd = self.design, self.schur, self.design.order_d
        z = schur.unscaled(self._probes)
        c = schur.mixed - self._y[:, :nd]
        for k, own, phi in zip(
            design.sparse, design.blocks(schur.own), design.blocks(schur.phi), strict=True
        ):
            V = phi @ phi.transpose(0, 2, 1)
            shrink = own @ V  # C_d ΦΦ'

            def off(product, columns, k=k, own=own, shrink=shrink):
                beside = design.levels(product, k) - own @ design.levels(columns, k)
                return beside - shrink @ beside

            x, y = off(self._y[:, nd:], self.b[:, nd:]), off(self._first, z)
            pairs = np.einsum("jar,jbr->abr", x, y)
            c_k = design.levels(c, k)
            N = (own - shrink @ own).sum(axis=0) - np.einsum("jai,jbi->ab", c_k @ Q, c_k)
            yield self._combined(N, pairs)

    def _dense_normals(self, Q):
        left = self.M - self.M @ Q @ self.M
        for k in self.design.dense:
            row = self.design.table[1 + k]
            start, p = row[ROW] - self.design.order, row[P]
            N = sum(
                left[at : at + p, at : at + p] for at in range(start, start + p * row[NLEVEL], p)
            )
            yield self._combined(N, np.zeros((p, p, self._probes.shape[1])))

    def _head_normals(self, head_normal, Q):
        design, schur, nd = self.design, self.schur, self.design.order_d
        table, R, nhead = design.table, self._probes.shape[1], design.table[0, NHEAD]
        V = np.ascontiguousarray(
            np.column_stack([self.b[:, nd:], schur.unscaled(self._probes), -self.b[:, :nd]])
        )
        first = design.table[1, P] * design.table[1, NLEVEL]
        later = np.zeros((max(design.head_order - first, 0), V.shape[1]))
        U = self._squares()
        own, out = head_normal(), [None] * nhead
        parts = len(design.bounds) - 1
        for k in range(nhead - 1, -1, -1):
            p, last = int(table[1 + k, P]), k == nhead - 1
            pairs, fixed = np.zeros((parts, p * p, R)), np.zeros((parts, 2, p * p))

            def one(part, k=k, pairs=pairs, fixed=fixed, last=last):
                start, stop = design.bounds[part : part + 2, k]
                arrays = table, design.index, design.A, schur.work
                places = design.local, design.place
                head_normals(
                    k,
                    start,
                    stop,
                    *arrays,
                    V,
                    R,
                    Q,
                    later,
                    pairs[part],
                    fixed[part],
                    last,
                    U,
                    *places,
                )

            run_parts(one, parts)
            known = fixed.sum(axis=(0, 1)).reshape(p, p)
            out[k] = self._combined(own[k] - known, pairs.sum(axis=0).reshape(p, p, R))
        return out

    def for_rows(self) -> tuple:
        """What the quadratic forms of rows need, without X: see `glm.tails.row_forms.row_forms`.

        Returns
        -------
        V, shares, Q, U
        """
        nd, nx, schur = self.design.order_d, self._nx, self.schur
        terms = nd - 1 - nx
        drawn = self._probes.shape[1] - self._known
        V = np.column_stack([self.b[:, nd:], schur.unscaled(self._probes), -self.b[:, :terms]])
        shares = np.repeat([1.0, 1.0 / max(drawn, 1)], [self._known, drawn])
        factor, lam = self.factor[:terms, :terms], self.lam_d[:terms, :terms]
        back = solve_triangular(factor, lam.T, lower=True) if terms else np.zeros((0, 0))
        return np.ascontiguousarray(V), shares, back.T @ back, self._squares()

    def _squares(self) -> np.ndarray:
        """ΦΦ' of every level, in a flat array."""
        U = np.empty_like(self.schur.phi)
        pairs = zip(self.design.blocks(self.schur.phi), self.design.blocks(U), strict=True)
        for phi, u in pairs:
            u[:] = phi @ phi.transpose(0, 2, 1)
        return U

    def _combined(self, N, pairs) -> tuple[np.ndarray, np.ndarray]:
        """N less what the columns of W and the mean probe give, and each probe's deviation."""
        pairs = (pairs + pairs.transpose(1, 0, 2)) / 2
        known, drawn = pairs[:, :, : self._known], pairs[:, :, self._known :]
        mean = drawn.mean(axis=2) if drawn.shape[2] else np.zeros_like(N)
        N = N - known.sum(axis=2) - mean
        return (N + N.T) / 2, mean[:, :, None] - drawn

    # ---- estimates -------------------------------------------------------------------------------

    def solution(self) -> tuple[np.ndarray, np.ndarray]:
        """u and b of every term in the table's order, then β, then -1 for y."""
        design, nd = self.design, self.design.order_d
        u, b = (np.zeros(design.head_order + design.order + nd) for _ in range(2))
        last = np.append(
            solve_triangular(self.factor[:-1, :-1], self.factor[-1, :-1], lower=True, trans=1), -1.0
        )
        v = self.lam_d @ last
        tail = slice(design.head_order, design.head_order + design.order)
        u[tail.stop :], b[tail.stop :] = last, v
        b[tail] = -self.b[:, :nd] @ v
        c = self._score(v)
        for k in design.sparse:
            row = design.table[1 + k]
            at = design.head_order + row[ROW]
            c_k = design.levels(c[:, None], k)[:, :, 0]
            u[at : at + c_k.size] = (c_k @ self.schur.lam(k)).ravel()
        complete_effects(design.table, design.index, self.schur.work, u, b)
        return u, b

    def _score(self, v) -> np.ndarray:
        """c = Z'Py of S's rows, for the solution v of D's rows."""
        nd = self.design.order_d
        return -(self.schur.mixed @ v - self._y[:, :nd] @ v)

    def forms(self, T, cov=None) -> np.ndarray:
        """Quadratic forms a'Ω⁻¹a of rows a; less e'e; from the rows as the tail sees them.

        Parameters
        ----------
        T : ndarray, shape (rows, m)
            From `sparse_solutions.tail_vectors`.
        cov : ndarray, shape (nx, nx), optional
            Covariance of γ̂ that replaces the one which follows from Ω.
        """

        design, schur, nx = self.design, self.schur, self._nx
        ns, nd = design.order, design.order_d
        right = schur.scaled(np.ascontiguousarray(T[:, :ns].T))
        found = conjugate_gradients.solve(schur.times, right, FORM_TOLERANCE, MOST_ITERATIONS)
        left = np.empty_like(right)
        schur.times(found.x, left)
        x = found.x
        out = np.einsum("ij,ij->j", right, x) + np.einsum("ij,ij->j", x, right - left)
        rest = self.lam_d.T @ (T[:, ns:].T - self._x[:, :nd].T @ right)
        forward = solve_triangular(self.factor[:-1, :-1], rest[:-1], lower=True)
        z, w = forward[: len(forward) - nx], forward[len(forward) - nx :]
        out += (z**2).sum(axis=0)
        if cov is None:
            return out + (w**2).sum(axis=0)
        g = solve_triangular(self._x_factor, w, lower=True, trans=1)  # γ's part of Ω⁻¹a
        LX = self._x_factor
        information = LX @ LX.T
        return out + np.einsum("ij,ij->j", information @ g, cov @ information @ g)

    @property
    def _x_factor(self) -> np.ndarray:
        nx = self._nx
        return self.factor[-1 - nx : -1, -1 - nx : -1]

    def information(
        self, entries, degrees, sigma: float, tolerance: float, most: int = MOST_ITERATIONS
    ):
        """Average information of entries of λ, and slopes.

        Parameters
        ----------
        entries : int64, shape (4, n)
            Term, row and column in λ.
        degrees, sigma
        tolerance : float
            Of the solutions.
        most : int
            Greatest number of iterations.

        Returns
        -------
        information : ndarray, shape (n, n)
        slopes : ndarray, shape (n,)
            Half the derivative of -r² by each entry.
        gamma : ndarray, shape (nx, n)
            Derivatives of β.
        """
        design, schur, nd = self.design, self.schur, self.design.order_d
        m, n, ns = design.order + nd, entries.shape[1], design.order
        u, b = self.solution()
        inner, slope, tail = np.zeros((n, n)), np.zeros(n), np.zeros(m * n)
        arrays = design.table, design.index, design.A, schur.work
        entries = np.ascontiguousarray(entries)
        head_information(*arrays, entries, NO_CHANGES, u, b, inner, slope, tail)
        inner = np.tril(inner)
        r = tail.reshape(n, m).T
        u, b = u[design.head_order :], b[design.head_order :]
        c = np.append(self._score(b[ns:]), -(self.M @ b[ns:]))
        in_tail = np.flatnonzero(entries[0] >= design.table[0, NHEAD])
        h = np.zeros((m, n))
        for t in in_tail:
            k, row, column = entries[:3, t]
            lam, at, p = schur.lam(k), design.table[1 + k, ROW], design.table[1 + k, P]
            here = slice(at, at + p * design.table[1 + k, NLEVEL])
            c_k, u_k = c[here].reshape(-1, p), u[here].reshape(-1, p)
            own = np.outer(c_k[:, row], lam[:, column])
            own[:, row] += u_k[:, column]
            h[here, t] = own.ravel()
            slope[t] += c_k[:, row] @ u_k[:, column]
        if len(in_tail):
            moved = np.ascontiguousarray(h[:, in_tail])
            r[:ns, in_tail] += schur.product(moved[:ns]) + schur.mixed @ moved[ns:]
            r[ns:, in_tail] += schur.mixed.T @ moved[:ns] + schur.corner @ moved[ns:]
            both = h.T @ r
            inside = np.isin(np.arange(n), in_tail)
            among = both[np.ix_(in_tail, in_tail)]
            inner[np.ix_(in_tail, in_tail)] += np.tril(among)
            others = np.flatnonzero(~inside)
            for s in in_tail:
                for t in others:
                    inner[max(s, t), min(s, t)] += both[s, t]
        right = schur.scaled(np.ascontiguousarray(r[:ns]))
        found = conjugate_gradients.solve(schur.times, right, tolerance, most)
        left = np.empty_like(right)
        schur.times(found.x, left)
        T = self._x[:, :nd]
        inner -= np.tril(right.T @ found.x + found.x.T @ (right - left))
        rest = self.lam_d.T @ (r[ns:] - T.T @ right)
        forward = solve_triangular(self.factor[:-1, :-1], rest[:-1], lower=True)
        inner -= np.tril(forward.T @ forward)
        inner = inner + np.tril(inner, -1).T
        d = degrees[DEGREES]
        s2 = sigma**2 if sigma > 0 else self.r2 / d
        value = inner / s2
        if sigma == 0:
            value -= 4.0 * np.outer(slope, slope) / (d * s2**2)
        nx = self._nx
        gamma = -solve_triangular(self._x_factor, forward[len(forward) - nx :], lower=True, trans=1)
        return value, slope, gamma
