"""`SparseTail`: the factor whose tail is sparse, in an order by CHOLMOD; exact.

It suits crossed factors most of whose pairs of levels never meet, not even through others: workers
who seldom change firms, pupils who move between schools, regions. The head is eliminated level by
level, as ever. What it leaves, T, has a sparse part and a dense border: dense terms, X and y.

    L_ss L_ss' = Ω_ss        L_ds' = L_ss⁻¹Ω_sd        L_dd L_dd' = Ω_dd - L_ds L_ds'
    Q = Ω_ss⁻¹Ω_sd           S_dd = L_dd⁻ᵀ W_d L_dd⁻¹    S_sd = -Q S_dd    S_ss = Ω_ss⁻¹ + Q S_dd Q'

The gradient needs S_ss only on the pattern of T, for which the selected inverse gives Ω_ss⁻¹.

The file is long because a tail answers all that a model asks of its factor.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack, solve_triangular

from numbamm.blocks.cholesky import DEGREES, REML
from numbamm.blocks.information import NO_CHANGES
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.layout import (
    DIAG,
    FIRST_DENSE,
    GRADIENT,
    LAMBDA,
    ND,
    NHEAD,
    NLEVEL,
    NORMAL,
    NTHETA,
    ORDER,
    ROW,
    SCRATCH,
    SPARE,
    TAIL,
    TAIL_C,
    THETA,
    P,
)
from numbamm.blocks.moments import squares
from numbamm.blocks.search.led import step
from numbamm.blocks.tail import cholmod
from numbamm.blocks.tail.protocol import Prediction, Solution, Tail
from numbamm.blocks.tail.selected_inverse import invert_on_pattern, scratch_size
from numbamm.blocks.tail.sparse_gradient import head_gradient, selected_s, tail_u
from numbamm.blocks.tail.sparse_pattern import (
    SparsePattern,
    estimated_nonzeros,
    order_of_sparse_part,
    pattern_of,
)
from numbamm.blocks.tail.sparse_schur import eliminate, scale_by_lambda
from numbamm.blocks.tail.sparse_solutions import (
    complete_effects,
    forms_on_pattern,
    head_information,
    tail_directions,
    tail_vectors,
)
from numbamm.blocks.tail.supernodes import (
    Supernodes,
    count_columns,
    factor,
    find_rows,
    merge_columns,
    parents_and_counts,
    places,
    solve_lower,
    solve_upper,
    supernodes_of,
    update_size,
)
from numbamm.memory import SHARE, available

#: Multiplications a second, about, on one thread: of the factor and its inverse, and of the head.
RATE, HEAD_RATE = 2.5e10, 5e8
#: With more non-zeros in T than this share of its triangle, nearly all of the factor fills in.
MOST_FILLED = 0.02
EMPTY = np.zeros(0, dtype=np.int32)
#: Bytes that a non-zero of T takes while the pattern is found.
PER_NONZERO = 48
#: Null directions of λ are filled with this share of the size at which they would matter.
NUDGE = 1e-5
#: Rows whose forms are computed at once by solves.
BATCH = 256

#: Kernels that every fit needs.
KERNELS = (
    *(eliminate, scale_by_lambda, factor, solve_lower, solve_upper, invert_on_pattern),
    *(selected_s, tail_u, head_gradient),
    *(
        head_information,
        tail_directions,
        complete_effects,
        count_columns,
        merge_columns,
        find_rows,
        step,
    ),
)


class Symbolic:
    """What does not depend on θ: the pattern, the order of elimination, the supernodes.

    Attributes
    ----------
    pattern : SparsePattern
    order : int
        Number of rows of the sparse part.
    P : ndarray of int32
        The order in which they are eliminated.
    counts : ndarray of int64
        Non-zeros of the factor's columns.
    """

    def __init__(self, layout) -> None:
        self.pattern = pattern_of(layout)
        self.order = order_of_sparse_part(layout)
        self._arrays = self.pattern.colptr, self.pattern.rows
        self.P = cholmod.fill_reducing_order(*self._arrays) if self.order else EMPTY
        self._parent, self.counts = parents_and_counts(*self._arrays, self.P)

    @classmethod
    def of(cls, layout) -> Symbolic:
        """That of a layout, which keeps it."""
        found = vars(layout).get("_sparse")
        if found is None:
            found = vars(layout)["_sparse"] = cls(layout)
        return found

    @classmethod
    def share(cls, layout, other) -> None:
        """Let a layout of the same terms, with other columns of X, have that of `layout`."""
        vars(other)["_sparse"] = cls.of(layout)

    @cached_property
    def nodes(self) -> Supernodes:
        """The supernodes of the factor."""
        return supernodes_of(*self._arrays, self.P, self._parent, self.counts)

    @cached_property
    def where(self) -> np.ndarray:
        """Places of the pattern's entries in the factor's buffer."""
        at = np.empty(self.order, dtype=np.int64)
        at[self.P] = np.arange(self.order)
        row = at[self.pattern.rows]
        column = at[np.repeat(np.arange(self.order), np.diff(self.pattern.colptr))]
        return places(self.nodes, np.maximum(row, column), np.minimum(row, column))

    @property
    def scratch_size(self) -> int:
        """Number of floats that the factorisation, or the selected inverse, needs besides."""
        return max(update_size(self.nodes), scratch_size(self.nodes))

    @property
    def touched_scratch(self) -> float:
        """How much of it takes memory: of a symmetric matrix the lower triangle."""
        height = np.diff(self.nodes.rowptr).astype(float)
        below = height - np.diff(self.nodes.first)
        return self.scratch_size - below.max(initial=0.0) ** 2 / 2

    @cached_property
    def multiplications(self) -> float:
        """Those of one factorisation of the sparse part."""
        return float((self.counts.astype(float) ** 2).sum())


class Factor:
    """The buffers of one thread, and the factor at the θ that it evaluated last.

    Attributes
    ----------
    theta : ndarray or None
        Entries of λ of the factor; None if there is none.
    work, adjoint : ndarray
        As for the dense tail, without the regions of the tail; see `_table`.
    T, border, corner : ndarray
        T before λ: the sparse part on its pattern, (rows, nd) and (nd, nd).
    omega, L : ndarray
        Ω of the sparse part on the pattern, and its factor in the supernodes' buffer.
    half, L_dd : ndarray
        L_ds, in the order of elimination, and L_dd.
    held : ndarray or None
        Entries of λ at which L is as it is, although there is no whole factor.
    logdet, logdet_sparse : float
        log|L_Z|², and the share of L.
    G, N : list of ndarray or None
        Of each term, in the table's order; N is complete only if it was asked for.
    """

    def __init__(self, table, size_work: int, size_adjoint: int, symbolic: Symbolic) -> None:
        order, nd, nonzeros = symbolic.order, int(table[1, ND]), len(symbolic.pattern.rows)
        self.theta = self.held = self.criterion = self.N = self.Q = self.inverse = None
        self.logdet_sparse = np.nan
        self.work, self.adjoint = np.zeros(size_work), np.zeros(size_adjoint)
        self.T, self.omega = np.zeros(nonzeros), np.zeros(nonzeros)
        self.border, self.corner = np.zeros((order, nd)), np.zeros((nd, nd))
        self.L = np.zeros(symbolic.nodes.start[-1])
        self.scratch = np.empty(symbolic.scratch_size)


class OfLogdet(NamedTuple):
    """U = Λ(Λ'Z'ZΛ + I)⁻¹Λ', the derivative of log|L_Z|² in Z'Z.

    Attributes
    ----------
    U : ndarray
        Of the sparse part, on the pattern.
    border, corner : ndarray, shape (order of the sparse part, nd) and (nd, nd)
        Of its rows behind the sparse part, and of the dense terms; zero for X and y.
    adjoint : ndarray
        Of the head's levels, at the places of A; this thread's next gradient overwrites it.
    """

    U: np.ndarray
    border: np.ndarray
    corner: np.ndarray
    adjoint: np.ndarray


class SparseTail(Tail):
    """What the head leaves as a sparse matrix, factored by supernodes; exact."""

    name = "sparse"

    # ---- before a tail is built ---------------------------------------------------------------

    @classmethod
    def predict(cls, layout, terms, asked: bool = False, factors: int = 1) -> Prediction | str:
        if not cholmod.is_installed():
            return cholmod.MISSING
        if layout.table[0, FIRST_DENSE] == 0:  # no head, and a tail that is dense
            return "all effects of the model meet each other, so that nothing in it is sparse"
        order = order_of_sparse_part(layout)
        nonzeros = estimated_nonzeros(layout)
        if not asked and nonzeros > MOST_FILLED * order**2 / 2:
            return "its factor would fill in"
        if PER_NONZERO * nonzeros > SHARE * available():
            return Prediction(math.inf, PER_NONZERO * nonzeros)
        symbolic = Symbolic.of(layout)
        nonzeros, nd = len(symbolic.pattern.rows), int(layout.table[1, ND])
        inner = 3 * symbolic.multiplications + 2 * nd * symbolic.counts.sum() + nd**3
        head = layout.operations - int(layout.table[0, ORDER]) ** 3 / 3 + nd * nonzeros
        seconds = inner / RATE + 3 * head / HEAD_RATE
        # A; the head in two buffers; L and its inverse; T and Ω; and scratch
        kept = layout.size_a + 2 * layout.table[0, TAIL] + 2 * symbolic.nodes.start[-1]
        kept += symbolic.touched_scratch + 2 * nonzeros + 3 * nd * order
        # U, while it is needed; and the pattern
        once = 3 * nonzeros + 4 * nd * order + 6 * nd**2
        floats = factors * kept + once
        return Prediction(float(seconds), 8.0 * float(floats))

    def __init__(self, terms, xy, sqrtw=None, layout=None, **options) -> None:
        compile_ahead(*KERNELS)
        super().__init__(terms, xy, sqrtw, layout, **options)
        self._symbolic = Symbolic.of(self.layout)
        self._table, self._sizes = _table(self.layout)

    @property
    def operations(self) -> float:
        return self._symbolic.multiplications + self.layout.operations - self.order**3 / 3

    def kinds(self) -> list[list[str]]:
        """Storage of the blocks: those of sparse terms stay sparse in L."""
        rows, table = self.layout.kinds(), self.layout.table
        at = np.argsort(self.layout.order)
        for i, row in enumerate(rows[:-1]):
            for j, kind in enumerate(row):
                if max(at[i], at[j] if j < len(at) else 0) < table[0, FIRST_DENSE]:
                    row[j] = kind.replace("Sparse/Dense", "Sparse").replace("/Dense", "/Sparse")
        return rows

    # ---- the factor ---------------------------------------------------------------------------

    @property
    def _factor(self) -> Factor:
        if not hasattr(self._local, "factor"):
            self._local.factor = Factor(self._table, *self._sizes, self._symbolic)
        return self._local.factor

    def _terms(self, first: int, stop: int):
        """Of the tail's terms from one to another: rows in the tail, p, and their number."""
        for k in range(first, stop):
            p, nlevel, row = (int(v) for v in self._table[1 + k, [P, NLEVEL, ROW]])
            yield k, p, slice(row, row + p * nlevel)

    def _lambda(self, f: Factor, k: int) -> np.ndarray:
        p, at = int(self._table[1 + k, P]), int(self._table[1 + k, LAMBDA])
        return f.work[at : at + p * p].reshape(p, p)

    def _times_lambda(self, f: Factor, M, part: str, transposed: bool = True) -> np.ndarray:
        """λ' (or λ) times every level's rows of M: the rows of ``sparse`` or of ``dense`` terms."""
        table, out = self._table, M.copy()
        nhead, middle, d0 = int(table[0, NHEAD]), int(table[0, FIRST_DENSE]), self._symbolic.order
        if out.size == 0:
            return out
        sparse = part == "sparse"
        first, stop = (nhead, middle) if sparse else (middle, self.layout.nterm)
        for k, p, rows in self._terms(first, stop):
            lam = self._lambda(f, k)
            own = slice(rows.start, rows.stop) if sparse else slice(rows.start - d0, rows.stop - d0)
            levels = M[own].reshape(-1, p, M.shape[1])
            out[own] = np.matmul(lam.T if transposed else lam, levels).reshape(-1, M.shape[1])
        return out

    def _at(self, entries) -> Factor:
        """This thread's factor at entries of λ; its ``theta`` is None if there is none."""
        f = self._factor
        if f.theta is not None and np.array_equal(f.theta, entries):
            return f
        f.theta, f.criterion, f.Q, f.N = None, None, None, None
        pattern, table = self._symbolic.pattern, self._table
        entries = np.ascontiguousarray(entries, dtype=np.float64)
        arrays = pattern, f.T, f.border.reshape(-1), f.corner.reshape(-1)
        f.logdet = eliminate(entries, table, self.layout.index, self.A, f.work, *arrays)
        held, f.held = f.held is not None and np.array_equal(f.held, entries), None
        if not np.isfinite(f.logdet) or not self._factor_tail(f, held):
            return f
        f.theta = entries.copy()
        return f

    def _factor_tail(self, f: Factor, held: bool) -> bool:
        """Factor the tail; whether it is positive definite. L may be `held` as it is."""
        table, order = self._table, self._symbolic.order
        nd = f.corner.shape[0]
        C = np.tril(f.corner.T)  # kernels fill the lower triangle, column-major
        f.corner_full = C + np.tril(C, -1).T
        B = self._times_lambda(f, f.border, "sparse")
        B = self._times_lambda(f, np.ascontiguousarray(B.T), "dense").T
        K = self._times_lambda(f, self._times_lambda(f, f.corner_full, "dense").T, "dense")
        nz = nd - 1 - self.nx
        K[np.arange(nz), np.arange(nz)] += 1.0
        if order:
            symbolic = self._symbolic
            if not held:
                scale_by_lambda(table, f.work, symbolic.pattern, f.T, f.omega)
                of_relations = self._add_relations(f)
                if not np.isfinite(f.omega).all():
                    return False
                arrays = f.omega, symbolic.where, f.L, f.scratch
                f.logdet_sparse = factor(symbolic.nodes, *arrays) + of_relations
            f.logdet += f.logdet_sparse
            if not np.isfinite(f.logdet):
                return False
            f.half = self._solve(f, solve_lower, B.T[:, symbolic.P])
            K -= f.half @ f.half.T
        else:
            f.half = np.zeros((nd, 0))
        f.L_dd, info = lapack.dpotrf(K, lower=1, clean=1)
        if info != 0 or not np.isfinite(f.L_dd).all():
            return False
        f.logdet += 2.0 * np.log(np.diag(f.L_dd)[:nz]).sum()
        return True

    def _add_relations(self, f: Factor) -> float:
        """Change Ω = Λ'TΛ + I for known covariances of levels, of which there are none.

        Returns what they add to log|L_Z|².
        """
        return 0.0

    def factorize(self, theta) -> None:
        self.hold(self.joint.entries(theta))

    def hold(self, entries) -> None:
        """As `factorize`, at entries of every λ."""
        if self._at(entries).theta is None:
            raise FloatingPointError(f"the Cholesky factorisation fails at theta = {entries}")

    @property
    def pattern(self) -> SparsePattern:
        """Where the sparse part has non-zeros."""
        return self._symbolic.pattern

    def new_cross_product(self, only_response: bool = False) -> None:
        """Forget this thread's factor, since A has changed, perhaps in the response alone."""
        f = self._factor
        f.held, f.theta = f.theta if only_response else None, None

    @property
    def work(self) -> np.ndarray:
        """The calling thread's head of the factor, and λ; see `blocks.layout`."""
        return self._factor.work

    @property
    def logdet(self) -> float:
        """log|L_Z|² of this thread's factor."""
        return float(self._factor.logdet)

    def penalty(self, u) -> float:
        """What effects cost, in the table's order: |u|², since they are independent."""
        return float(u @ u)

    def related(self, k: int, values) -> np.ndarray:
        """Columns of the levels of a term times their covariance, the identity."""
        return values

    def least_pivot(self) -> float:
        """The smallest pivot of Z's rows in this thread's factor."""
        f, table, least = self._factor, self._table, [np.inf]
        for k in range(int(table[0, NHEAD])):
            p, nlevel, at = (int(v) for v in table[1 + k, [P, NLEVEL, DIAG]])
            blocks = f.work[at : at + p * p * nlevel].reshape(nlevel, p, p)
            least.append(np.diagonal(blocks, axis1=1, axis2=2).min())
        symbolic = self._symbolic
        least.append(f.L[symbolic.where[symbolic.pattern.colptr[:-1]]].min(initial=np.inf))
        least.append(np.diag(f.L_dd)[: -1 - self.nx].min(initial=np.inf))
        return float(min(least)) ** 2

    def _q(self, f: Factor) -> np.ndarray:
        """Q = Ω_ss⁻¹Ω_sd, shape (order of the sparse part, nd)."""
        if f.Q is None:
            f.Q = np.empty(f.half.shape[::-1])
            if len(f.Q):
                f.Q[self._symbolic.P] = self._solve(f, solve_upper, f.half).T
        return f.Q

    def _solve(self, f: Factor, kernel, rows) -> np.ndarray:
        """L⁻¹ or L⁻ᵀ of the sparse part times vectors, a row each, in the order of elimination."""
        x = np.array(rows, order="C")
        kernel(self._symbolic.nodes, f.L, x.reshape(-1), len(x), np.empty(x.size))
        return x

    # ---- the objective ------------------------------------------------------------------------

    def objective(self, theta, degrees, constant: float, sigma: float) -> float:
        return self._criterion(self._at(self.joint.entries(theta)), degrees, constant, sigma)

    def _criterion(self, f: Factor, degrees, constant: float, sigma: float) -> float:
        if f.theta is None:
            return np.nan
        d, logdet, diagonal = degrees[DEGREES], f.logdet, np.diag(f.L_dd)
        if degrees[REML] != 0:
            logdet += 2.0 * np.log(diagonal[-1 - self.nx : -1]).sum()
        r2 = diagonal[-1] ** 2
        if sigma > 0.0:
            return logdet + r2 / sigma**2 + d * math.log(2.0 * math.pi * sigma**2) + constant
        return logdet + d * (1.0 + math.log(2.0 * math.pi * r2 / d)) + constant

    def objective_gradient(
        self, theta, degrees, constant: float, sigma: float
    ) -> tuple[float, np.ndarray]:
        entries = self.joint.entries(theta)
        f = self._at(entries)
        value = self._criterion(f, degrees, constant, sigma)
        out = np.full(len(entries), np.nan)
        if np.isfinite(value):
            self._differentiate(f, degrees, sigma)
            start = self._table[0, THETA]
            at = self.layout.index[start : start + self._table[0, NTHETA]]
            out = f.adjoint[self._table[0, GRADIENT] + at]
        return value, self.joint.slopes(theta, out)

    def gradient_blocks(self) -> list[np.ndarray]:
        return self._in_order(self._factor.G)

    def normal_blocks(self) -> list[np.ndarray]:
        f = self._factor
        if f.N is None:
            f.N = self._normal(f)
        return self._in_order(f.N)

    def _in_order(self, blocks) -> list[np.ndarray]:
        """Blocks of the terms in the table's order, as the caller gave the terms."""
        return [blocks[k].copy() for k in np.argsort(self.layout.order)]

    def _of_adjoint(self, f: Factor, region: int) -> list[np.ndarray]:
        table, found = self._table, []
        for k in range(self.layout.nterm):
            p, at = int(table[1 + k, P]), int(table[0, region] + table[1 + k, LAMBDA])
            found.append(f.adjoint[at : at + p * p].reshape(p, p).copy())
        return found

    def _weights(self, f: Factor, degrees, sigma: float) -> np.ndarray:
        """Diagonal of W_d: 1 for random effects, 0 or 1 for X, and that of y."""
        w = np.ones(len(f.L_dd))
        w[-1 - self.nx : -1] = degrees[REML]
        w[-1] = f.L_dd[-1, -1] ** 2 / sigma**2 if sigma > 0 else degrees[DEGREES]
        return w

    def _inverse_of_sparse_part(self, f: Factor) -> np.ndarray:
        """The selected inverse of Ω_ss, in the order of `Symbolic.nodes`."""
        if f.inverse is None:
            f.inverse = np.empty_like(f.L)  # kept, since fresh memory takes as long as the copy
        Z = f.inverse
        np.copyto(Z, f.L)
        invert_on_pattern(self._symbolic.nodes, Z, f.scratch)
        return Z

    def _u(self, f: Factor, S_dd, G) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U = ΛSΛ': on the pattern, of the border's rows, and of the corner; see the module.

        Products with T are added to `G`, in which the terms stand as their λ in ``work``.
        """
        table, pattern = self._table, self._symbolic.pattern
        Q = self._q(f)
        QS = Q @ S_dd
        U = np.empty(len(pattern.rows))
        if self._symbolic.order:
            Z = self._inverse_of_sparse_part(f)
            selected_s(pattern, Z, self._symbolic.where, QS.reshape(-1), Q.reshape(-1), U)
            tail_u(table, f.work, pattern, f.T, U, G)
        SL = self._times_lambda(f, np.ascontiguousarray(-QS.T), "dense", transposed=False).T
        LS = self._times_lambda(f, -QS, "sparse", transposed=False)
        corner = self._times_lambda(f, S_dd, "dense", transposed=False)  # Λ S_dd
        self._add_border_gradient(f, SL, LS, corner, G)
        border = self._times_lambda(f, np.ascontiguousarray(SL), "sparse", transposed=False)
        corner = self._times_lambda(f, np.ascontiguousarray(corner.T), "dense", transposed=False)
        return U, border, np.ascontiguousarray(corner)

    def _add_border_gradient(self, f: Factor, SL, LS, LS_dd, G) -> None:
        """Add the border's and the corner's share to G = 2 Σ_levels [TΛS]_jj of the tail's terms.

        SL = S_sd Λ_d', LS = Λ_s S_sd, and LS_dd = Λ_d S_dd.
        """
        table, d0 = self._table, self._symbolic.order
        nhead, middle = int(table[0, NHEAD]), int(table[0, FIRST_DENSE])
        first = int(table[1, LAMBDA])
        for k, p, rows in self._terms(nhead, self.layout.nterm):
            at = int(table[1 + k, LAMBDA]) - first
            own = G[at : at + p * p].reshape(p, p)
            if k < middle:
                left, right = f.border[rows], SL[rows]
                both = left.reshape(-1, p, left.shape[1]), right.reshape(-1, p, right.shape[1])
                own += 2.0 * np.einsum("lad,lbd->ab", *both, optimize=True)
                continue
            cut = slice(rows.start - d0, rows.stop - d0)
            for left, right in (
                (f.border[:, cut], LS[:, cut]),
                (f.corner_full[:, cut], LS_dd[:, cut]),
            ):
                shape = len(left), left.shape[1] // p, p
                both = left.reshape(shape), right.reshape(shape)
                own += 2.0 * np.einsum("sla,slb->ab", *both, optimize=True)

    def _differentiate(self, f: Factor, degrees, sigma: float) -> None:
        """Fill ``adjoint`` with G, and with N of the head's terms."""
        if f.criterion != (degrees[DEGREES], degrees[REML], sigma):
            self._u_and_gradient(f, degrees, sigma, False)

    def differentiate_logdet(self) -> OfLogdet:
        """Derivatives of log|L_Z|² alone, at this thread's factor; they include U."""
        f, none = self._factor, np.zeros(2, dtype=np.int64)
        return OfLogdet(*self._u_and_gradient(f, none, 0.0, True), f.adjoint)

    def _u_and_gradient(self, f: Factor, degrees, sigma: float, keep_u: bool):
        """Fill ``adjoint`` with G, N of the head's terms, and U; return U of the tail."""
        criterion = (degrees[DEGREES], degrees[REML], sigma)
        table, index = self._table, self.layout.index
        inverse = solve_triangular(f.L_dd, np.eye(len(f.L_dd)), lower=True)
        S_dd = inverse.T @ (self._weights(f, degrees, sigma)[:, None] * inverse)
        total = int(sum(table[1 : 1 + self.layout.nterm, P] ** 2))
        at = int(table[0, GRADIENT] + table[1, LAMBDA])
        G = f.adjoint[at : at + total]
        G[:] = 0.0
        U, border, corner = self._u(f, S_dd, G)
        arrays = U, border.reshape(-1), corner.reshape(-1)
        head = table, index, self.A, f.adjoint, f.work, self._symbolic.pattern
        head_gradient(*head, *arrays, keep_u)
        f.G, f.N, f.criterion = self._of_adjoint(f, GRADIENT), None, criterion
        return U, border, corner

    def _normal(self, f: Factor) -> list[np.ndarray]:
        """N of every term: of the tail's from G = 2Nλ, where λ is regular.

        Where it is not, G is that of a λ whose null directions are filled a little: N depends on
        λλ' smoothly, and G is proportional to what fills them, so that no digits are lost.
        """
        N, nhead, lams, nudged = self._of_adjoint(f, NORMAL), int(self._table[0, NHEAD]), [], False
        own = squares(self.layout, self.A)
        for k in range(self.layout.nterm):
            lam = self._lambda(f, k).copy()
            if k >= nhead:
                lam, changed = _regular(lam, np.diag(own[k]) / self._table[1 + k, NLEVEL])
                nudged |= changed
            lams.append(lam)
        G = f.G
        if nudged:
            d, reml, sigma = f.criterion
            kept = f.G
            given = zip(np.argsort(self.layout.order), self.joint.structures, strict=True)
            entries = np.concatenate([lams[k].ravel()[s.entries] for k, s in given])
            f = self._at(entries)
            self._differentiate(f, np.array([d, reml]), sigma)
            G, f.G = f.G, kept
        for k in range(nhead, self.layout.nterm):
            half = np.linalg.solve(lams[k].T, G[k].T).T / 2.0
            N[k] = (half + half.T) / 2.0
        return N

    # ---- curvature ----------------------------------------------------------------------------

    def information(self, entries, degrees, sigma: float) -> np.ndarray:
        f, n = self._factor, entries.shape[1]
        table, m = self._table, self.order
        nhead, d0 = int(table[0, NHEAD]), self._symbolic.order
        u, b = self._effects(f)
        inner, slope, tail = np.zeros((n, n)), np.zeros(n), np.zeros(m * n)
        arrays = table, self.layout.index, self.A, f.work
        head_information(*arrays, entries, NO_CHANGES, u, b, inner, slope, tail)
        tail, h = tail.reshape(n, m), np.zeros((n, m))
        of_tail = np.flatnonzero(entries[0] >= nhead)
        if len(of_tail):
            c = -self._times_t(f, b[len(b) - m :][:, None])[:, 0]
            own = u[len(u) - m :].copy()
            self._directions(f, entries, own, c, slope, h)
            tail[of_tail] = self._times_t(f, h[of_tail].T).T
            inner[of_tail] += h[of_tail] @ tail.T
        R = np.ascontiguousarray(tail.T)
        top = self._times_lambda(f, R[:d0], "sparse")
        rest = self._times_lambda(f, R[d0:], "dense")[:-1]
        inner -= self._gram(f, top, rest)
        inner = np.tril(inner) + np.tril(inner, -1).T
        d = degrees[DEGREES]
        s2 = sigma**2 if sigma > 0.0 else f.L_dd[-1, -1] ** 2 / d
        information = inner / s2
        if sigma == 0.0:
            information -= 4.0 * np.outer(slope, slope) / (d * s2**2)
        return information

    def _directions(self, f: Factor, entries, u, c, slope, h) -> None:
        """Fill h and add to `slope`; see `sparse_solutions.tail_directions`."""
        tail_directions(self._table, f.work, entries, NO_CHANGES, u, c, slope, h)

    def _times_t(self, f: Factor, x) -> np.ndarray:
        """T x, for columns x of the tail."""
        d0 = self._symbolic.order
        top, rest = x[:d0], x[d0:]
        out = np.empty((self.order, x.shape[1]))
        out[d0:] = f.border.T @ top + f.corner_full @ rest
        if d0:
            pattern = self._symbolic.pattern
            lower = sp.csc_array((f.T, pattern.rows, pattern.colptr), shape=(d0, d0))
            diagonal = lower.diagonal()[:, None]
            out[:d0] = lower @ top + lower.T @ top - diagonal * top + f.border @ rest
        return out

    def _forward(self, f: Factor, top, rest) -> tuple[np.ndarray, np.ndarray]:
        """L⁻¹ of columns: the sparse part in the order of elimination, the dense rows as given."""
        if len(top):
            top = self._solve(f, solve_lower, top[self._symbolic.P].T).T
        count = len(rest)
        rest = rest - f.half[:count] @ top
        return top, solve_triangular(f.L_dd[:count, :count], rest, lower=True) if count else rest

    def _gram(self, f: Factor, top, rest) -> np.ndarray:
        """Inner products of columns in Ω⁻¹."""
        top, rest = self._forward(f, top, rest)
        return top.T @ top + rest.T @ rest

    # ---- estimates ----------------------------------------------------------------------------

    def _effects(self, f: Factor) -> tuple[np.ndarray, np.ndarray]:
        """u and b in the table's order, then β and -1, as `solve.solve` gives them."""
        table, m, d0 = self._table, self.order, self._symbolic.order
        nhead = int(table[0, NHEAD])
        head = int((table[1 : 1 + nhead, P] * table[1 : 1 + nhead, NLEVEL]).sum())
        u, b = np.zeros(head + m), np.zeros(head + m)
        v = -np.ones(len(f.L_dd))
        if len(v) > 1:
            v[:-1] = solve_triangular(f.L_dd[:-1, :-1], f.L_dd[-1, :-1], lower=True, trans=1)
        u[head : head + d0] = -self._q(f) @ v
        u[head + d0 :] = v
        b[len(b) - 1 - self.nx :] = v[len(v) - 1 - self.nx :]
        complete_effects(table, self.layout.index, f.work, u, b)
        return u, b

    def effects(self) -> tuple[np.ndarray, np.ndarray]:
        """u and b in the table's order, then γ, then -1 for y, from this thread's factor."""
        return self._effects(self._factor)

    def solve(self) -> Solution:
        u, b = self.effects()
        by_term = self.layout.by_term
        return Solution(by_term(u), by_term(b), gamma=u[self.layout.nranef : -1])

    def residual_norm(self) -> float:
        return float(self._factor.L_dd[-1, -1])

    def x_factor(self) -> np.ndarray:
        L = self._factor.L_dd
        stop = len(L) - 1
        return L[stop - self.nx : stop, stop - self.nx : stop].copy()

    # ---- variances ----------------------------------------------------------------------------

    def leverage(self) -> np.ndarray:
        V = self._variance(self._factor, np.eye(self.nx))
        refs = np.asarray(self.refs)  # an error where the rows are not in memory
        return self._forms(self._factor, V, refs, self.z, self.xy)

    def conditional_variances(self) -> list[np.ndarray]:
        f, table, nterm = self._factor, self.layout.table, self.layout.nterm
        V, parts = self._variance(f, np.zeros((self.nx, self.nx))), []
        starts = np.concatenate([[0], np.cumsum(table[1 : 1 + nterm, P])])
        for k in np.argsort(self.layout.order):
            p, nlevel = (int(v) for v in table[1 + k, [P, NLEVEL]])
            refs = np.full((nterm, nlevel), -1, dtype=np.int32)
            refs[k] = np.arange(nlevel)
            z, x = np.zeros((nlevel, starts[-1])), np.zeros((nlevel, self.nx))

            def form(direction, refs=refs, z=z, x=x, at=slice(starts[k], starts[k] + p)):
                z[:, at] = direction
                return self._forms(f, V, refs, z, x)

            unit, out = np.eye(p), np.empty((nlevel, p, p))
            for a in range(p):
                out[:, a, a] = form(unit[a])
            for a in range(p):
                for c in range(a):  # by polarisation
                    both = form(unit[a] + unit[c])
                    out[:, a, c] = out[:, c, a] = (both - out[:, a, a] - out[:, c, c]) / 2
            parts.append(out)
        return parts

    def row_variances(self, terms, x, cov=None) -> np.ndarray:
        f = self._factor
        terms = [terms[k] for k in self.layout.order]
        refs = np.ascontiguousarray([refs for refs, _ in terms], dtype=np.int32)
        z = np.concatenate([z for _, z in terms]).T.copy()
        x = np.ascontiguousarray(x, dtype=np.float64)
        of_x = np.eye(self.nx)
        if cov is not None:  # in place of that which follows from Ω
            L_x = self.x_factor()
            of_x = L_x.T @ cov @ L_x
        out = self._forms(f, self._variance(f, of_x), refs, z, x)
        others = np.flatnonzero(np.isnan(out))  # levels that do not meet in the data
        for start in range(0, len(others), BATCH):
            rows = others[start : start + BATCH]
            parts = (np.ascontiguousarray(a) for a in (refs[:, rows], z[rows], x[rows]))
            out[rows] = self._solved_forms(f, *parts, of_x)
        return out

    def _variance(self, f: Factor, of_x):
        """ΛL⁻ᵀWL⁻¹Λ' of the tail: on the pattern, of the border and of the corner.

        W is one, but for X, where it is `of_x`, and y, where it is zero.
        """
        inverse = solve_triangular(f.L_dd, np.eye(len(f.L_dd)), lower=True)
        weighted, x = inverse.copy(), slice(len(inverse) - 1 - self.nx, -1)
        weighted[x] = of_x @ inverse[x]
        weighted[-1] = 0.0
        S_dd = inverse.T @ weighted
        return self._u(f, S_dd, np.zeros(int((self._table[1:, P] ** 2).sum()) + 1))

    def _forms(self, f: Factor, V, refs, z, x) -> np.ndarray:
        """Quadratic forms of rows; see `sparse_solutions.forms_on_pattern`."""
        table, out, m = self._table, np.empty(len(z)), self.order
        nhead = int(table[0, NHEAD])
        e = np.zeros((table[1 : 1 + nhead, P] * table[1 : 1 + nhead, NLEVEL]).sum())
        arrays = table, self.layout.index, f.work, self._symbolic.pattern
        forms_on_pattern(refs, z, x, *arrays, *V, e, np.zeros(m), out)
        return out

    def _solved_forms(self, f: Factor, refs, z, x, of_x) -> np.ndarray:
        """The same by solves, for any combinations of levels."""
        table, out, m, d0 = self._table, np.empty(len(z)), self.order, self._symbolic.order
        nhead, t = int(table[0, NHEAD]), np.zeros((len(z), m))
        e = np.zeros((table[1 : 1 + nhead, P] * table[1 : 1 + nhead, NLEVEL]).sum())
        tail_vectors(refs, z, x, table, self.layout.index, f.work, e, t, out)
        R = np.ascontiguousarray(t.T)
        top = self._times_lambda(f, R[:d0], "sparse")
        rest = self._times_lambda(f, R[d0:], "dense")[:-1]
        top, rest = self._forward(f, top, rest)
        nz = len(rest) - self.nx
        forms = np.einsum("ij,ik,kj->j", rest[nz:], of_x, rest[nz:])
        return out + (top**2).sum(axis=0) + (rest[:nz] ** 2).sum(axis=0) + forms


def _regular(lam, sizes) -> tuple[np.ndarray, bool]:
    """λ with its null directions filled, and whether there were any.

    Parameters
    ----------
    lam : ndarray, shape (p, p)
    sizes : ndarray, shape (p,)
        Mean squares of Z_j of a level, by which λ is measured.
    """
    size = np.sqrt(np.where(sizes > 0, sizes, 1.0))
    scaled = size[:, None] * lam
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    null = values < NUDGE**2
    if not null.any():
        return lam, False
    filled = vectors[:, null] @ vectors[:, null].T * NUDGE**2 + scaled @ scaled.T
    return np.linalg.cholesky(filled) / size[:, None], True


def _table(layout) -> tuple[np.ndarray, tuple[int, int]]:
    """The layout's table for buffers without a dense tail, and their sizes."""
    table, nterm = layout.table.copy(), layout.nterm
    nd, at = int(table[1, ND]), int(layout.table[0, TAIL])
    scratch = layout.size_work - int(layout.table[0, SCRATCH])
    table[0, SCRATCH] = at
    head, total = int(layout.table[0, TAIL_C]), int((table[1 : 1 + nterm, P] ** 2).sum())
    table[0, GRADIENT] = head - table[1, LAMBDA]
    table[0, NORMAL] = head + total - table[1, LAMBDA]
    table[0, SPARE] = head + 2 * total
    widest = int(table[1 : 1 + nterm, P].max())
    return table, (at + scratch + nd, head + 2 * total + 5 * widest**2)
