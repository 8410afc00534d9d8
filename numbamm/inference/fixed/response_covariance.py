"""`Directions`: derivatives of the covariance of the response, and products with them.

V = σ²(W⁻¹ + Z(I ⊗ Γ)Z'), with Γ = λλ' the relative covariance matrix of each term, is linear in σ²
and σ²Γ. Its directions, the derivatives by these parameters, are V itself (for σ²) and
V_s = σ² Z(I ⊗ E)Z', with an indicator matrix E for each free entry of a Γ. Unlike derivatives by
θ, they are not zero where λ is singular. So no result here depends on whether an estimate is
exactly zero or merely close to it.

Small-sample inference needs products such as tr(P V_s P V_t) and X'V⁻¹V_sV⁻¹V_tV⁻¹X. All of them
are computed from

    M = Z'V⁻¹Z,   B = Z'V⁻¹X,   c = Z'V⁻¹(y - Xβ),

whose order is q, the number of random effects, not n. M is block diagonal: a block is a group of
levels that rows connect. So a model with one factor, or with nested ones, has only small blocks.

See docs/mathematics.md, "After the fit".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from scipy.linalg import block_diag, lapack
from scipy.sparse.csgraph import connected_components

from numbamm.blocks.layout import ROTATED_WAY, SPARSE_WAY
from numbamm.blocks.maps.products import products
from numbamm.design import directions as design
from numbamm.design.remat import ReMat
from numbamm.memory import refuse_beyond

#: Directions are linearly dependent along eigenvectors of their scaled inner products with
#: eigenvalues below this.
DEPENDENT = 1e-10
#: Largest number of entries of the matrices that are computed in one batch.
BATCH = 2**22
#: Copies of a component's matrix that exist at once.
HELD = 6
#: What one can do where they do not fit into memory.
REMEDY = 'use ddf="satterthwaite", unless the fit is singular, or ddf="wald"'


@dataclass
class Directions:
    """Products with the directions of V. X is the model's basis, see `FeMat`.

    The parameters are log σ², unless σ is given, and the free entries of Γ for scaled columns.
    If random effects are redundant, V does not depend on some combinations of the parameters.
    The r directions are linearly independent and span the same space as the derivatives by all
    parameters. They are found from the inner products tr(WV_sWV_t), which depend on the design
    alone.

    Attributes
    ----------
    combinations : ndarray, shape (parameters, r)
        Each direction as a combination of the parameters.
    coordinates : ndarray, shape (r, parameters)
        The derivative of V by each parameter, as a combination of the directions.
    phi : ndarray, shape (rank, rank)
        (X'V⁻¹X)⁻¹.
    P : ndarray, shape (r, rank, rank)
        X'V⁻¹V_sV⁻¹X.
    Q : ndarray, shape (r, r, rank, rank)
        X'V⁻¹V_sV⁻¹V_tV⁻¹X.
    traces : ndarray, shape (r, r)
        tr(V⁻¹V_sV⁻¹V_t).
    squares : ndarray, shape (r, r)
        y'PV_sPV_tPy.
    slopes : list of ndarray, shape (p, p)
        ∂(-2 log-likelihood)/∂Γ of each term; zero unless λ is singular.
    terms : list of ReMat
        The random effects with scaled columns.
    lambdas : list of ndarray, shape (p, p)
        Their λ.
    sizes : list of ndarray, shape (p,)
        Root mean squares of the scaled columns.
    reml : bool
    bend : ndarray, shape (parameters before Γ, the same), or zero
        What second derivatives of V by the parameters before Γ add to the Hessian.
    known : list of str
        Parameters before Γ that are taken as known, since V hardly depends on them.
    """

    combinations: np.ndarray
    coordinates: np.ndarray
    phi: np.ndarray
    P: np.ndarray
    Q: np.ndarray
    traces: np.ndarray
    squares: np.ndarray
    slopes: list[np.ndarray]
    terms: list[ReMat]
    lambdas: list[np.ndarray]
    sizes: list[np.ndarray]
    reml: bool
    bend: np.ndarray | float = 0.0
    known: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list:
        """Number of rows, for each term."""
        return [len(term.refs) for term in self.terms]

    @property
    def nlevels(self) -> list:
        """Number of levels of each term."""
        return [term.nlevels * getattr(term.structure, "times", 1) for term in self.terms]

    @property
    def redundant(self) -> int:
        """Number of parameters minus number of independent directions."""
        rows, columns = self.combinations.shape
        return rows - columns - len(self.known)

    def along(self, combinations, coordinates) -> Directions:
        """The products with linear combinations of these directions."""
        C = combinations
        return replace(
            self,
            combinations=self.combinations @ C,
            coordinates=coordinates @ self.coordinates,
            P=np.tensordot(C.T, self.P, 1),
            Q=np.einsum("sa,stxy,tb->abxy", C, self.Q, C, optimize=True),
            traces=C.T @ self.traces @ C,
            squares=C.T @ self.squares @ C,
        )

    @property
    def reml_traces(self) -> np.ndarray:
        """tr(PV_sPV_t), P = V⁻¹ - V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹."""
        half = self.phi @ self.P
        return (
            self.traces
            - 2 * np.einsum("xy,styx->st", self.phi, self.Q)
            + np.einsum("sxy,tyx->st", half, half)
        )

    @property
    def expected(self) -> np.ndarray:
        """Expected second derivatives of -2 log-likelihood (restricted under REML)."""
        return self.reml_traces if self.reml else self.traces

    @property
    def observed(self) -> np.ndarray:
        """Second derivatives of -2 log-likelihood (restricted under REML)."""
        return 2 * self.squares - self.expected


def directions_of(model) -> Directions:
    """The independent directions of a fitted linear model whose residuals are independent.

    Raises
    ------
    DataError
        A group of connected levels is too large for dense matrices of its order.
    """
    terms = model.scaled.terms
    parts = model.scaled.structure.split(model.scaled.to_scaled(model.theta))
    for term, theta in zip(terms, parts, strict=True):
        term.theta = theta
    sums = _Sums(model, terms)
    metric = design.inner_products(terms, sums.A)[1:, 1:]
    return sums.directions().along(*independent(metric, model.estimates.sigma_given))


def independent(products, sigma_given: bool) -> tuple[np.ndarray, np.ndarray]:
    """Linearly independent combinations of the directions, and the coordinates of all in them.

    Parameters
    ----------
    products : ndarray, shape (entries, entries)
        The inner products tr(WV_sWV_t) of the directions of Γ.
    sigma_given : bool
        Whether σ is given. If not, V itself is one more direction, independent of the others.
    """
    size = np.sqrt(np.diag(products))
    unit = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    values, vectors = np.linalg.eigh(products * np.outer(unit, unit))
    active = values > DEPENDENT
    if active.all():  # do not mix directions: V⁻¹ may give them very different sizes
        combinations, coordinates = np.diag(unit), np.diag(size)
    else:
        combinations = unit[:, None] * vectors[:, active] / np.sqrt(values[active])
        coordinates = combinations.T @ products
    if sigma_given:
        return combinations, coordinates
    return block_diag(1.0, combinations), block_diag(1.0, coordinates)


class _Sums:
    """Sums over the components, and the products with the directions of all parameters.

    D has the matrix σ²E of each direction. E_s is block diagonal with the D of direction s for
    every level, so that V_s = Z E_s Z'.
    """

    def __init__(self, model, terms) -> None:
        self.model, self.terms, self.sigma2 = model, terms, model.sigma**2
        self.A, Zxy, xy = products(model.layout, model.blocks.A)
        root = _root(model, terms)
        if root is not None:  # independent levels, of columns ZR
            self.A, Zxy = sp.csr_array(root.T @ self.A @ root), root.T @ Zxy
        self.F, self.XX = Zxy[:, :-1].copy(), xy[:-1, :-1].copy()
        self.lam = sp.block_diag([sp.kron(sp.eye_array(t.nlevels), t.lambda_) for t in terms])
        self.lam = sp.csr_array(self.lam)
        model.blocks.factorize(model.scaled.to_scaled(model.theta))
        at = model.blocks.solution_as_held()
        b = np.concatenate([effects.ravel() for effects in at.b])
        if root is not None:
            b = np.linalg.solve(root.toarray(), b)
        residual = Zxy[:, -1] - self.F @ at.gamma - self.A @ b  # Z'W(y - Xβ - Zb), scaled as y is
        self.c = model.scaled_response.scale * residual / self.sigma2
        self.D = [self.sigma2 * E for E in design.units(terms)]
        self._add_components()

    def _add_components(self) -> None:
        """Add up the terms with M, B and c, component by component."""
        x, r = self.F.shape[1], len(self.D[0])
        sizes = [t.p for t in self.terms]
        self.first = np.zeros((r, x + 1, x + 1))  # [B c]'E_s[B c]
        self.second = np.zeros((r, r, x + 1, x + 1))  # [B c]'E_s M E_t[B c]
        self.diagonal = [np.zeros((p, p)) for p in sizes]  # Σ M_jj over levels
        self.outer = [np.zeros((p, p, x + 1, x + 1)) for p in sizes]  # Σ [B c]_j [B c]_j'
        self.pairs = {  # Σ M_jm M_jm over pairs of levels
            (k, l): np.zeros((sizes[k], sizes[l], sizes[k], sizes[l]))
            for k in range(len(sizes))
            for l in range(len(sizes))
        }
        for columns, counts in _components(self.terms, self.A):
            self._add(columns, counts)

    def _add(self, columns, counts) -> None:
        """Add components of the same shape.

        Parameters
        ----------
        columns : ndarray of int64, shape (components, order)
            Columns of Z of each component.
        counts : ndarray, shape (terms,)
            Levels of each term in one component.
        """
        n, q = columns.shape
        M, BC = self._products(columns)
        places = np.cumsum([0, *(t.p * j for t, j in zip(self.terms, counts, strict=True))])
        parts = [slice(a, b) for a, b in pairwise(places)]
        E_BC = np.empty((n, q, len(self.D[0]), BC.shape[2]))
        for k, (term, part) in enumerate(zip(self.terms, parts, strict=True)):
            of_term = BC[:, part].reshape(n, counts[k], term.p, BC.shape[2])
            product = np.einsum("sab,njbx->njasx", self.D[k], of_term)
            E_BC[:, part] = product.reshape(E_BC[:, part].shape)
            self.outer[k] += np.einsum("njax,njby->abxy", of_term, of_term, optimize=True)
            levels = M[:, part, part].reshape(n, counts[k], term.p, counts[k], term.p)
            self.diagonal[k] += np.einsum("njajb->ab", levels)
        self.first += np.einsum("nqx,nqsy->sxy", BC, E_BC)
        M_E_BC = (M @ E_BC.reshape(n, q, E_BC.shape[2] * E_BC.shape[3])).reshape(E_BC.shape)
        self.second += np.einsum("nqsx,nqty->stxy", E_BC, M_E_BC, optimize=True)
        for (k, l), total in self.pairs.items():
            a, b = self.terms[k].p, self.terms[l].p
            block = M[:, parts[k], parts[l]].reshape(n, counts[k], a, counts[l], b)
            flat = block.transpose(0, 1, 3, 2, 4).reshape(-1, a * b)
            total += (flat.T @ flat).reshape(total.shape)

    def _products(self, columns) -> tuple[np.ndarray, np.ndarray]:
        """M and [B c] of n components of order q, shapes (n, q, q) and (n, q, rank + 1).

        With A = Z'WZ, F = Z'WX, T = Λ'A and Ω = TΛ + I, as V⁻¹ = (W - WZΛ Ω⁻¹ Λ'Z'W)/σ²:
        M = (A - T'Ω⁻¹T)/σ² and B = (F - T'Ω⁻¹Λ'F)/σ². From X'V⁻¹X, F'Λ Ω⁻¹ Λ'F/σ² is subtracted.
        """
        n, q = columns.shape
        flat = columns.ravel()
        A, lam = self.A[flat][:, flat], self.lam[flat][:, flat]
        T = sp.csr_array(lam.T @ A)

        def stacked(sparse, dense):  # a block-diagonal matrix times the blocks of all components
            return (sparse @ dense.reshape(n * q, -1)).reshape(n, q, -1)

        inverse = _inverses(_blocks_of(T @ lam, n, q))
        half = stacked(T.T, inverse)
        M = (_blocks_of(A, n, q) - stacked(T.T, half.transpose(0, 2, 1))) / self.sigma2
        F = self.F[flat].reshape(n, q, -1)
        projected = stacked(lam.T, F)
        self.XX -= np.einsum("nqx,nqy->xy", projected, inverse @ projected)
        B = (F - half @ projected) / self.sigma2
        return M, np.concatenate([B, self.c[columns][:, :, None]], axis=2)

    def directions(self) -> Directions:
        """The products with all directions; V itself comes first if σ is estimated."""
        model, X = self.model, slice(-1)
        phi_inverse = self.XX / self.sigma2
        phi = np.linalg.inv(phi_inverse)
        reml = model.estimates.reml
        along_v = [] if model.estimates.sigma_given else [phi_inverse]
        r, v, x = len(self.D[0]), len(along_v), len(phi)

        out = Directions(
            combinations=np.eye(v + r),
            coordinates=np.eye(v + r),
            phi=phi,
            P=np.concatenate([np.reshape(along_v, (v, x, x)), self.first[:, X, X]]),
            Q=np.zeros((v + r, v + r, x, x)),
            traces=np.zeros((v + r, v + r)),
            squares=np.zeros((v + r, v + r)),
            slopes=self._slopes(phi if reml else np.zeros_like(phi)),
            terms=self.terms,
            lambdas=[t.lambda_ for t in self.terms],
            sizes=[t.root_mean_squares(model.scaled.root) for t in self.terms],
            reml=reml,
        )
        out.Q[v:, v:] = self.second[:, :, X, X]
        across = self.first[:, -1, X]
        out.squares[v:, v:] = self.second[:, :, -1, -1] - across @ phi @ across.T
        for (k, l), S in self.pairs.items():
            out.traces[v:, v:] += np.einsum(
                "sab,tcd,bcad->st", self.D[k], self.D[l], S, optimize=True
            )
        if v:
            out.Q[0] = out.Q[:, 0] = out.P
            out.traces[0, 0], out.squares[0, 0] = model.nobs, model.nobs - reml * x
            out.traces[0, v:] = out.traces[v:, 0] = sum(
                np.einsum("sab,ab->s", D, M) for D, M in zip(self.D, self.diagonal, strict=True)
            )
            out.squares[0, v:] = out.squares[v:, 0] = self.first[:, -1, -1]
        return out

    def _slopes(self, phi) -> list[np.ndarray]:
        """∂(-2 log-likelihood)/∂Γ of each term; phi is zero under maximum likelihood."""
        return [
            self.sigma2 * (M - np.einsum("abxy,xy->ab", S[..., :-1, :-1], phi) - S[..., -1, -1])
            for M, S in zip(self.diagonal, self.outer, strict=True)
        ]


def _root(model, terms) -> sp.csr_array | None:
    """R ⊗ I with RR' = K of all terms, where a sparse tail has related levels; else None.

    Raises
    ------
    DataError
        There are too many for dense matrices of their order.
    """
    if not model.layout.related:
        return None
    order = sum(term.nranef for term in terms)
    refuse_beyond(
        (HELD + 2) * 8 * order**2,
        f"small-sample degrees of freedom with known covariances of {order} random effects",
        REMEDY,
    )
    parts = []
    for term in terms:
        R = sp.eye_array(term.nlevels) if term.relation is None else term.relation.root
        parts.append(sp.kron(R, sp.eye_array(term.p)))
    return sp.csr_array(sp.block_diag(parts))


def _components(terms, A) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Columns of Z by groups of connected levels, in batches of groups of the same shape.

    Parameters
    ----------
    terms : list of ReMat
    A : sparse array
        Z'WZ, which says what is connected where columns are rotated.

    Yields
    ------
    columns : ndarray of int64, shape (groups, order)
        Positions in Z, sorted by term and level.
    counts : ndarray, shape (terms,)
        Number of levels of each term in one group.
    """
    starts = np.cumsum([0, *(t.nlevels for t in terms)])
    term = np.repeat(np.arange(len(terms)), np.diff(starts))
    sizes = np.array([t.p for t in terms])
    if any(t.way in (ROTATED_WAY, SPARSE_WAY) for t in terms):
        level = np.repeat(np.arange(starts[-1]), sizes[term])
        ends = tuple(level[effects] for effects in A.nonzero())
    else:
        nodes = [t.meeting_refs + start for t, start in zip(terms, starts, strict=False)]
        ends = np.tile(nodes[0], len(nodes)), np.concatenate(nodes)
    graph = sp.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(starts[-1], starts[-1]))
    number, group = connected_components(graph, directed=False)
    counts = np.zeros((number, len(terms)), dtype=np.int64)
    np.add.at(counts, (group, term), 1)
    order = int((counts @ sizes).max())
    refuse_beyond(
        HELD * 8 * order**2,
        f"small-sample degrees of freedom where rows connect {order} random effects",
        REMEDY,
    )
    first = np.cumsum([0, *(t.nranef for t in terms)])[term]
    first = first + (np.arange(starts[-1]) - starts[term]) * sizes[term]  # of each level
    shapes, shape = np.unique(counts, axis=0, return_inverse=True)
    levels = np.lexsort((term, group, shape.ravel()[group]))  # groups of the same shape together
    position = 0
    for i, count in enumerate(shapes):
        groups = int((shape.ravel() == i).sum())
        members = levels[position : position + groups * count.sum()].reshape(groups, -1)
        position += members.size
        width = np.repeat(sizes, count)
        columns = np.repeat(first[members], width, axis=1)
        columns += np.concatenate([np.arange(p) for p in width])
        step = max(1, BATCH // columns.shape[1] ** 2)
        for start in range(0, groups, step):
            yield columns[start : start + step], count


def _blocks_of(matrix, n: int, q: int) -> np.ndarray:
    """The diagonal blocks of a sparse block-diagonal matrix, shape (n, q, q)."""
    matrix = sp.coo_array(matrix)
    row, column = matrix.coords
    out = np.zeros((n, q, q))
    out[row // q, row % q, column % q] = matrix.data
    return out


def _inverses(omega) -> np.ndarray:
    """(I + Ω)⁻¹ for each block Ω; the blocks are overwritten."""
    q = omega.shape[1]
    omega[:, np.arange(q), np.arange(q)] += 1.0
    if len(omega) > 1:
        return np.linalg.inv(omega)
    lower, _ = lapack.dpotrf(omega[0].T, lower=1, overwrite_a=1)  # zeros above the diagonal
    lower, _ = lapack.dpotri(lower, lower=1, overwrite_c=1)
    inverse = lower + lower.T
    inverse[np.arange(q), np.arange(q)] /= 2
    return inverse[None]
