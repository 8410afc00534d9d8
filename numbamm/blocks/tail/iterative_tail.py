"""`IterativeTail`: conjugate gradients instead of a factor, and random probes instead of traces.

Estimates at a θ are exact to the tolerance of the solutions, and so are β's standard errors. What
is estimated by probes, log|Ω| and its derivatives, has a Monte-Carlo error, and with it θ̂: probes
and their seed are fixed, so that the score is a smooth function of θ, whose root is found by
Newton's method; see `iterative_search` and `approximation`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.layout import (
    CROSS,
    DIAG,
    FIRST_DENSE,
    LAMBDA,
    NESTED,
    NLEVEL,
    NORMAL,
    NSPARSE,
    NX,
    ORDER,
    TAIL,
    P,
    Pattern,
    build_layout,
)
from numbamm.blocks.tail import probes
from numbamm.blocks.tail.approximation import MOST_ITERATIONS, Approximation
from numbamm.blocks.tail.conjugate_gradients import NoConvergence
from numbamm.blocks.tail.iterative_forms import MOST_FORMS, chosen_variances, forms_of_rows
from numbamm.blocks.tail.protocol import (
    CrossProduct,
    Prediction,
    Request,
    Solution,
    Tail,
    UnsuitedTail,
)
from numbamm.blocks.tail.schur import Design

#: A term of at most so many random effects is not left to conjugate gradients: what converges
#: slowly is eliminated exactly.
FEW = 60
#: Tolerances of solutions: of D's columns, of probes during a search, and at estimates.
TOLERANCE, ROUGH, FINE = 1e-8, 1e-6, 1e-12
#: Those of D's columns and of probes, and the greatest number of iterations, where a search only
#: looks for a start of another.
COARSE, SOON = (1e-4, 1e-3), 25
#: Multiplications a second of products with the tail, about, on one thread; and how many products
#: an evaluation takes, about.
RATE, PRODUCTS = 1e9, 12
#: Length of the step by which the score's derivative is measured, in standard errors.
STEP = 0.02
#: How many arrays of all columns of S an evaluation holds, about.
BUFFERS = 10


class MonteCarlo(NamedTuple):
    """The Monte-Carlo error of a fit.

    Attributes
    ----------
    probes, seed : int
        Number of probes, and what they were drawn from.
    length : int
        Of a probe.
    share : float
        The greatest Monte-Carlo error of a θ, as a share of its standard error.
    doubt : float
        By how much it may be larger, since few probes know their spread badly.
    theta : ndarray, shape (probes, number of θ)
        For each probe, how θ̂ would differ if all probes were as it is.
    sigma, gamma : ndarray, shape (number of θ,) and (nx, number of θ)
        Derivatives of log σ̂ and of γ̂, in the units of A, by θ.
    objectives : ndarray, shape (probes,)
        The criterion by each probe.
    """

    probes: int
    seed: int
    length: int
    share: float
    doubt: float
    theta: np.ndarray
    sigma: np.ndarray
    gamma: np.ndarray
    objectives: np.ndarray


class IterativeTail(Tail):
    """Conjugate gradients on what the head leaves; nothing of its size is ever factored."""

    name = "iterative"
    is_exact = False
    evaluations = 6
    most_dense = FEW

    def __init__(self, terms, xy, sqrtw=None, layout=None, request=Request(), gap=0) -> None:  # noqa: B008
        suits = layout is not None and self.can_hold(layout)
        if isinstance(xy, CrossProduct):
            if not suits:
                raise UnsuitedTail("the cross-product is laid out for another tail")
        elif not suits:
            layout = Pattern.of(terms, most_dense=FEW).layout(xy.shape[1] - 1)
        super().__init__(terms, xy, sqrtw, layout, request, gap)
        self._terms = terms
        self.probes = self.request.probes or probes.FEWEST
        self.seed = 0 if self.request.seed is None else int(self.request.seed)
        self._is_coarse = False
        self._drop_rows()  # the largest designs have them
        self._design = Design(self.layout, self.A)

    @staticmethod
    def can_hold(layout) -> bool:
        """Whether a cross-product laid out so serves the tail."""
        return _dense_order(layout) <= FEW and not _has_no_sparse_term(layout)

    @classmethod
    def predict(cls, layout, terms, asked: bool = False, factors: int = 1) -> Prediction | str:
        table, nhead = layout.table, layout.nhead
        if layout.nterm == nhead:
            return "the elimination level by level leaves nothing to iterate on"
        if not asked and _has_no_sparse_term(layout) and _dense_order(layout) <= FEW:
            return "what the elimination level by level leaves is small"
        if not all(term.structure.is_free for term in terms):
            return "a covariance structure has parameters that are not entries of λ"
        sizes = table[1 : 1 + layout.nterm, P] * table[1 : 1 + layout.nterm, NLEVEL]
        first = int(table[0, FIRST_DENSE])
        wide = sizes[first:][sizes[first:] > FEW].sum()  # dense only in other tails' layouts
        order, nd = int(table[0, ORDER]), int(_dense_order(layout) - wide + table[0, NX] + 1)
        pairs_of = probes.FEWEST + int(table[1 + nhead : 1 + layout.nterm, P].sum())
        columns = pairs_of + nd
        pairs = float(np.sum(table[1 : 1 + layout.nterm, NSPARSE] * table[1 : 1 + layout.nterm, P]))
        pairs += float(wide * sizes[:first].sum())
        if not pairs:
            pairs = float(layout.size_a)
        kept = int(table[0, TAIL])  # the head's part of the factor
        buffers = order * (BUFFERS * columns + 2 * pairs_of)
        size = factors * (layout.size_a + kept) + buffers
        return Prediction(2 * PRODUCTS * columns * pairs / RATE, 8.0 * size)

    @property
    def operations(self) -> float:
        """Multiplications of one evaluation, about."""
        return self.predict(self.layout, self._terms).seconds * RATE

    def kinds(self) -> list[list[str]]:
        """Storage of each block of A; of L there are the head's blocks alone."""
        return [[kind.partition("/")[0] for kind in row] for row in super().kinds()]

    def new_response(self, y) -> None:
        super().new_response(y)
        self._design.new_response()

    # ---- evaluations ----------------------------------------------------------------------------

    def raise_probes(self, number: int, seed: int | None = None) -> None:
        """Take more probes from now on; the former ones are among them, unless from a new seed."""
        self.probes, self.seed = number, self.seed if seed is None else seed
        self._drop_buffers()

    @property
    def _effort(self) -> tuple:
        """Tolerances of solutions, and the greatest number of iterations, during a search."""
        if self._is_coarse:
            return COARSE, SOON
        return (TOLERANCE, ROUGH), MOST_ITERATIONS

    def _evaluation(self, entries, fine: bool = False) -> Approximation:
        """The calling thread's evaluation at entries of λ, computed unless it is there already."""
        entries = np.ascontiguousarray(entries, dtype=np.float64)
        kept = getattr(self._local, "kept", None)
        if kept is not None and kept[1] == fine and np.array_equal(kept[0], entries):
            return kept[2]
        design, (tolerance, most) = self._design, self._effort
        self._local.kept = kept = None  # its memory is needed
        if fine:  # exact estimates need no probes
            Z, tolerance, most = np.zeros((design.order, 0)), (FINE, FINE), 3 * most
        else:
            Z = probes.draw(design.order, self.probes, self.seed)
        try:
            found = Approximation(design, entries, Z, tolerance, most)
        except NoConvergence:
            raise UnsuitedTail(self._slow) from None
        self._local.kept = entries, fine, found
        return found

    @property
    def _slow(self) -> str:
        groups = " and ".join(f"'{t.group}'" for t in self._terms)
        return (
            f"conjugate gradients need too many iterations: {groups} are nearly nested, or few "
            "rows connect their levels"
        )

    def objective(self, theta, degrees, constant: float, sigma: float) -> float:
        try:
            found = self._evaluation(self.joint.entries(theta))
        except FloatingPointError:
            return np.nan
        return float(found.objectives(degrees, constant, sigma).mean())

    def objective_gradient(self, theta, degrees, constant: float, sigma: float):
        """The objective and its gradient, both estimated by the same probes."""
        value = self.objective(theta, degrees, constant, sigma)
        if not np.isfinite(value):
            return value, np.full(len(theta), np.nan)
        entries = self.joint.entries(theta)
        found = self._evaluation(entries)
        if found.differentiated != (*degrees, sigma):
            self._differentiate(found, entries, degrees, sigma)
        slopes = self._of_entries([G[:, :, None] for G in self._local.slopes])[:, 0]
        return value, self.joint.slopes(theta, slopes)

    def _differentiate(self, found, entries, degrees, sigma: float) -> None:
        """Keep N of the terms, the slopes, and what each probe adds to these."""
        normals = found.normals(lambda: self._head_normals(entries), degrees, sigma)
        lam = [found.schur.lam(k) for k in range(self.layout.nterm)]
        self._local.normals = [N for N, _ in normals]
        self._local.slopes = [2.0 * N @ l for (N, _), l in zip(normals, lam, strict=True)]
        self._local.deviations = [
            2.0 * np.einsum("abr,bc->acr", pairs, l)
            for (_, pairs), l in zip(normals, lam, strict=True)
        ]
        found.differentiated = (*degrees, sigma)

    def _of_entries(self, blocks) -> np.ndarray:
        """Matrices (p, p, columns) of the terms in the table's order, as rows of entries of λ."""
        by_given = [blocks[k] for k in np.argsort(self.layout.order)]
        rows = [
            block.reshape(-1, block.shape[2])[structure.entries]
            for block, structure in zip(by_given, self.joint.structures, strict=True)
        ]
        return np.concatenate(rows)

    def gradient_blocks(self) -> list[np.ndarray]:
        return [self._local.slopes[k].copy() for k in np.argsort(self.layout.order)]

    def normal_blocks(self) -> list[np.ndarray]:
        return [self._local.normals[k].copy() for k in np.argsort(self.layout.order)]

    def information(self, entries, degrees, sigma: float) -> np.ndarray:
        found, ((tolerance, _), most) = self._local.kept[2], self._effort
        try:
            value, _, _ = found.information(entries, degrees, sigma, tolerance, most)
        except NoConvergence:
            raise UnsuitedTail(self._slow) from None
        return value

    def search(self, theta, degrees, constant: float, sigma: float, ftol_abs, ftol_rel):
        from numbamm.blocks.tail.iterative_search import IterativeSearch

        return IterativeSearch(self, theta, (degrees, constant, sigma), ftol_abs)

    def rough_end(self, theta, degrees, constant: float, sigma: float, ftol_abs):
        """Where a search by coarse solutions ends, with its last step not evaluated.

        Returns
        -------
        ndarray, shape (number of θ,), or None
            None if the search fails.
        """
        self._is_coarse = True
        return self.search(theta, degrees, constant, sigma, ftol_abs, 0.0).end()

    # ---- estimates -------------------------------------------------------------------------------

    def factorize(self, theta) -> None:
        """Hold solutions at θ of the greatest exactness."""
        self._evaluation(self.joint.entries(theta), fine=True)

    @property
    def _held(self) -> Approximation:
        return self._local.kept[2]

    def effects(self) -> tuple[np.ndarray, np.ndarray]:
        """u and b in the table's order, then γ, then -1 for y, from this thread's solutions."""
        return self._held.solution()

    def solve(self) -> Solution:
        u, b = self.effects()
        by_term = self.layout.by_term
        return Solution(by_term(u), by_term(b), gamma=b[self.layout.nranef : -1])

    def residual_norm(self) -> float:
        return float(np.sqrt(self._held.r2))

    def x_factor(self) -> np.ndarray:
        nx = self.nx
        return self._held.factor[-1 - nx : -1, -1 - nx : -1].copy()

    def monte_carlo(
        self, theta, degrees, constant: float, sigma: float, measured: bool = False
    ) -> MonteCarlo:
        """The Monte-Carlo error of a fit that ended at θ, in scaled columns.

        θ̂ moves by the inverse Hessian times what a probe adds to the score. The average information
        is a rough Hessian where a term has few levels: if one θ has by far the largest error, even
        a small wrong entry gives others a wrong share of it. If `measured`, the Hessian is
        therefore corrected along the direction of the largest error, by one more evaluation.
        """
        theta, criterion = np.ascontiguousarray(theta, dtype=np.float64), (degrees, constant, sigma)
        _, score = self.objective_gradient(theta, *criterion)
        found, entries = self._held, self._entries
        try:
            information, slope, gamma = found.information(
                entries, degrees, sigma, TOLERANCE, 3 * MOST_ITERATIONS
            )
        except NoConvergence:
            raise UnsuitedTail(self._slow) from None
        jacobian = self._jacobian(theta)  # of the entries, in the order of `entries`
        hessian = information + self._curvature_of_normals(entries)
        hessian = jacobian.T @ hessian @ jacobian
        scores = self._of_entries(self._local.deviations)[entries[3]].T @ jacobian
        objectives = found.objectives(*criterion)
        inverse, standard = _inverse(hessian)
        deviations = -scores @ inverse
        if measured and standard.any():
            sizes = np.where(standard > 0, standard, np.inf)
            along = np.linalg.svd(deviations / sizes)[2][0] * standard
            move = STEP * along / np.abs(along / sizes).max()
            value, moved = self.objective_gradient(theta + move, *criterion)
            if np.isfinite(value):
                hessian = _corrected(hessian, move, moved - score, standard)
                deviations = -scores @ _inverse(hessian)[0]
        errors = probes.standard_error(deviations)
        share = np.divide(errors, standard, out=np.zeros_like(errors), where=standard > 0)
        by_sigma = np.zeros(len(theta)) if sigma > 0 else -(slope / found.r2) @ jacobian
        return MonteCarlo(
            self.probes,
            self.seed,
            self._design.order,
            float(share.max(initial=0.0)),
            probes.doubt(self.probes),
            deviations,
            by_sigma,
            gamma @ jacobian,
            objectives,
        )

    @property
    def _entries(self) -> np.ndarray:
        return entries_of(self.joint, self.layout)

    def _jacobian(self, theta) -> np.ndarray:
        """Derivatives of the entries of every λ by θ, in the order of `_entries`."""
        from scipy.linalg import block_diag

        joint = self.joint
        pairs = zip(joint.structures, joint.split(theta), strict=True)
        whole = block_diag(*(structure.jacobian(own) for structure, own in pairs))
        return whole[self._entries[3]]

    def _curvature_of_normals(self, entries) -> np.ndarray:
        """I ⊗ 2N between entries of λ."""
        term, row, column, _ = entries
        out = np.zeros((len(term),) * 2)
        for s in range(len(term)):
            same = np.flatnonzero((term == term[s]) & (column == column[s]))
            out[s, same] = 2.0 * self._local.normals[term[s]][row[s], row[same]]
        return out

    # ---- what takes a factor ---------------------------------------------------------------------

    def leverage(self) -> np.ndarray:
        np.asarray(self.refs)  # another error where the rows are not in memory
        raise self.cannot("leverages of all rows")

    def row_variances(self, terms, x, cov=None) -> np.ndarray:
        """Variances over σ² of x'γ̂ + z'b̂ - z'b, by solutions for each row."""
        refused = self.cannot(f"variances of {len(x)} rows") if len(x) > MOST_FORMS else None
        if refused:
            raise refused
        return forms_of_rows(self._held, [terms[k] for k in self.layout.order], x, cov)

    def conditional_variances(self) -> list[np.ndarray]:
        parts = self.variances_of({})
        return [parts[k] for k in range(len(parts))]

    def variances_of(self, levels: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        found = chosen_variances(self._held, self._terms, self.layout.order, levels)
        if isinstance(found, int):
            raise self.cannot(f"conditional variances of {found} random effects")
        return found

    # ---- the head alone --------------------------------------------------------------------------

    def _head_normals(self, entries) -> list[np.ndarray]:
        """N of the head's terms where there is no tail, in the table's order."""
        nhead, order = self.layout.nhead, self.layout.order
        parts = np.split(entries, np.cumsum([len(s.entries) for s in self.joint.structures])[:-1])
        if nhead == 1:
            p, nlevel = self.layout.table[1, [P, NLEVEL]]
            start, lam = self.layout.table[1, DIAG], np.zeros(p * p)
            A = self.A[start : start + p * p * nlevel].reshape(-1, p, p)
            lam[self.joint.structures[order[0]].entries] = parts[order[0]]
            lam = lam.reshape(p, p)
            return [np.linalg.solve(np.eye(p) + A @ (lam @ lam.T), A).sum(axis=0)]
        layout, A, work, adjoint = self._head
        theta = np.concatenate([parts[k] for k in order[:nhead]])
        arrays = layout.table, layout.index, A, work, adjoint
        # of a y that nothing explains, with d = 0 and σ = 1, nothing enters the derivatives
        none, slopes = np.array([0, 0], dtype=np.int64), np.empty(len(theta))
        objective_gradient(theta, *arrays, none, 0.0, 1.0, slopes)
        rows = layout.table[1 : 1 + nhead]
        starts = layout.table[0, NORMAL] + rows[:, LAMBDA]
        return [
            adjoint[at : at + p * p].reshape(p, p).copy()
            for at, p in zip(starts, rows[:, P], strict=True)
        ]

    @cached_property
    def _head(self) -> tuple:
        """Layout, A, and buffers of the head's terms alone, with a y that they do not explain."""
        nhead, order, of = self.layout.nhead, self.layout.order, self.layout.table
        covered = self._terms if self.product is None else self.product.covered
        terms = [replace(covered[k], structure=self._terms[k].structure) for k in order[:nhead]]
        layout = build_layout(terms, 0)
        A, own = np.zeros(layout.size_a), layout.table
        A[own[0, CROSS]] = 1.0
        for k in range(nhead):
            width = int(own[1 + k, P] * own[1 + k, NLEVEL])
            blocks = [(own[1 + k, DIAG], of[1 + k, DIAG], width * int(own[1 + k, P]))]
            for i in range(k + 1, nhead):
                to, source = 1 + nhead + k * nhead + i, 1 + self.layout.nterm + k * nhead + i
                size = width * int(own[1 + i, P])
                blocks.append((own[to, NESTED], of[source, NESTED], size))
            for at, start, size in blocks:
                A[at : at + size] = self.A[start : start + size]
        return layout, A, np.full(layout.size_work, np.nan), np.full(layout.size_adjoint, np.nan)


def _has_no_sparse_term(layout) -> bool:
    """Whether all of the tail's terms are dense."""
    return bool(layout.table[0, FIRST_DENSE] == layout.nhead)


def _dense_order(layout) -> int:
    """Number of random effects of the layout's dense terms."""
    rows = layout.table[1 + layout.table[0, FIRST_DENSE] : 1 + layout.nterm]
    return int((rows[:, P] * rows[:, NLEVEL]).sum())


def _inverse(hessian) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of a Hessian where that is positive, and standard errors of θ; 0 elsewhere."""
    values, vectors = np.linalg.eigh(hessian)
    live = values > 1e-10 * max(values[-1], 0.0)
    inverse = (vectors[:, live] / values[live]) @ vectors[:, live].T
    return inverse, np.sqrt(2.0 * np.diag(inverse))


def _corrected(hessian, move, change, sizes) -> np.ndarray:
    """The symmetric matrix nearest to a Hessian that gives the change of the gradient along a move.

    Nearest in units of `sizes`; of parameters whose size is 0 nothing is corrected (Powell 1970).
    """
    live = sizes > 0
    units = sizes[live]
    H = units[:, None] * hessian[np.ix_(live, live)] * units
    s = move[live] / units
    rest = units * change[live] - H @ s
    s2 = s @ s
    both = np.outer(rest, s)
    H += (both + both.T) / s2 - (rest @ s) * np.outer(s, s) / s2**2
    out = hessian.copy()
    out[np.ix_(live, live)] = H / np.outer(units, units)
    return out


def entries_of(joint, layout) -> np.ndarray:
    """Term, row and column of the entries of every λ, term by term of the table, and which.

    Returns
    -------
    ndarray of int64, shape (4, number of entries)
    """
    parts, structures = [], joint.structures
    starts = np.cumsum([0, *(len(s.entries) for s in structures)])
    for k, given in enumerate(layout.order):
        row, column = np.divmod(structures[given].entries, structures[given].p)
        at = starts[given] + np.arange(len(row))
        parts.append(np.stack([np.full(len(row), k), row, column, at]))
    return np.concatenate(parts, axis=1).astype(np.int64)
