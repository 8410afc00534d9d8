"""The model by dense matrices, as plainly as it can be written: the reference for the blocks."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from numbamm.design.remat import ReMat, order_terms
from numbamm.structures.diag import Diag
from numbamm.structures.joined import Joined
from numbamm.structures.us import Us


def dense_lambda(terms, theta) -> np.ndarray:
    """The whole Λ(θ)."""
    blocks, at = [], 0
    for term in terms:
        lam = term.structure.matrix(theta[at : at + term.structure.size])
        at += term.structure.size
        blocks.append(np.kron(np.eye(term.nlevels), lam))
    return block_diag(*blocks)


class dense_model:
    """The profiled objective through V = I + ZΛΛ'Z', and what follows from it."""

    def __init__(self, terms, xy, theta, reml=False, sigma=None):
        Z, self.X, y = np.hstack([t.toarray() for t in terms]), xy[:, :-1], xy[:, -1]
        lam = dense_lambda(terms, theta)
        self.ZL = Z @ lam
        V = np.eye(len(y)) + self.ZL @ self.ZL.T
        VX = np.linalg.solve(V, self.X)
        XVX = self.X.T @ VX
        self.beta = np.linalg.solve(XVX, VX.T @ y)
        r = y - self.X @ self.beta
        Vr = np.linalg.solve(V, r)
        logdet = np.linalg.slogdet(V)[1] + (np.linalg.slogdet(XVX)[1] if reml else 0.0)
        r2, d = r @ Vr, len(y) - (self.X.shape[1] if reml else 0)
        if sigma is None:
            self.objective = logdet + d * (1 + np.log(2 * np.pi * r2 / d))
        else:
            self.objective = logdet + d * np.log(2 * np.pi * sigma**2) + r2 / sigma**2
        self.u = self.ZL.T @ Vr
        self.b = lam @ self.u
        self.lam = lam
        # The derivative of the objective in V, and with it N_k = ∂objective/∂(λ_k λ_k').
        slope = np.linalg.inv(V) - np.outer(Vr, Vr) * (d / r2 if sigma is None else sigma**-2)
        if reml:
            slope -= VX @ np.linalg.solve(XVX, VX.T)
        P = np.linalg.inv(V) - VX @ np.linalg.solve(XVX, VX.T)
        self._for_curvature = terms, Z, lam, P, y, r2, d, sigma
        self.normal, at, lams = [], 0, []
        whole = Z.T @ slope @ Z
        for t in terms:
            levels = [slice(at + j * t.p, at + (j + 1) * t.p) for j in range(t.nlevels)]
            self.normal.append(sum(whole[level, level] for level in levels))
            lams.append(lam[levels[0], levels[0]])
            at += t.nranef
        self.gradient = np.concatenate(
            [
                (2 * N @ one).ravel()[t.structure.entries]
                for N, one, t in zip(self.normal, lams, terms, strict=True)
            ]
        )

    @property
    def curvature(self):
        """Average information, and what the gradient 2Nλ changes by when N stays."""
        terms, Z, lam, P, y, r2, d, sigma = self._for_curvature
        s2 = r2 / d if sigma is None else sigma**2
        changes, columns, start = [], [], 0
        for k, t in enumerate(terms):
            for entry in t.structure.entries:
                change = np.zeros((t.p, t.p))
                change.ravel()[entry] = 1.0
                whole = np.zeros(lam.shape)
                whole[start : start + t.nranef, start : start + t.nranef] = np.kron(
                    np.eye(t.nlevels), change
                )
                changes.append(whole)
                columns.append((k, *divmod(entry, t.p)))
            start += t.nranef
        nθ = len(changes)
        Vdots = [Z @ (D @ lam.T + lam @ D.T) @ Z.T for D in changes]
        g = np.array([y @ P @ D @ P @ y for D in Vdots])
        out = np.empty((nθ, nθ))
        for s in range(nθ):
            for t in range(nθ):
                out[s, t] = y @ P @ Vdots[s] @ P @ Vdots[t] @ P @ y / s2
                if sigma is None:
                    out[s, t] -= g[s] * g[t] / (d * s2**2)
                if columns[s][0] == columns[t][0] and columns[s][2] == columns[t][2]:
                    out[s, t] += 2 * self.normal[columns[s][0]][columns[s][1], columns[t][1]]
        return out

    @property
    def leverage(self):
        """Diagonal of the hat matrix of the penalised least-squares problem."""
        return self.row_variance(self.ZL, self.X)

    def row_variance(self, ZL, X):
        """Of x'β̂ + z'b̂ - z'b at σ = 1, by the inverse of Henderson's equations."""
        columns = np.hstack([self.ZL, self.X])
        omega = columns.T @ columns
        omega[: len(self.u), : len(self.u)] += np.eye(len(self.u))
        a = np.hstack([ZL, X])
        return np.einsum("ij,ji->i", a, np.linalg.solve(omega, a.T))

    @property
    def conditional_variance(self):
        """Λ (Λ'Z'ZΛ + I)⁻¹ Λ': of b given y, at known β and σ = 1."""
        omega = self.ZL.T @ self.ZL + np.eye(len(self.u))
        return self.lam @ np.linalg.solve(omega, self.lam.T)


def term(group: str, refs, *columns, structure=None) -> ReMat:
    """A term with the given columns and, if not given, a full λ."""
    levels, refs = np.unique(refs, return_inverse=True)
    z = np.vstack(columns)
    return ReMat(group, refs, levels, [f"c{j}" for j in range(len(z))], z, structure)


def structures(n: int = 120, seed: int = 1) -> dict[str, list[ReMat]]:
    """Small models that between them have every kind of block, with and without fill-in."""
    rng = np.random.default_rng(seed)
    one, x, w = np.ones(n), rng.normal(size=n), rng.normal(size=n)
    few, some = rng.integers(0, 6, n), rng.integers(0, 20, n)
    many, other, third = (rng.integers(0, k, n) for k in (60, 50, 28))
    terms = {
        "scalar": [term("a", some, one)],
        "vector": [term("a", some, one, x)],
        "diagonal template": [term("a", some, one, x, structure=Diag(2))],
        "patterned template": [term("a", some, one, x, w, structure=Joined((Us(1), Us(2))))],
        "crossed densely": [term("a", some, one), term("b", few, one)],
        "crossed densely, vectors": [term("a", some, one, x), term("b", few, one, w)],
        "crossed sparsely": [term("a", many, one), term("b", other, one)],
        "crossed sparsely, vectors": [term("a", many, one, x), term("b", other, one, w)],
        "partly crossed, mixed widths": [
            term("a", many, one, x),
            term("b", other, one, w, x),
            term("c", few, one),
            term("d", other // 2, one, x),
        ],
        "three crossed sparsely": [
            term("a", many, one),
            term("b", other, x),
            term("c", third, one, w),
        ],
        "nested": [
            term("a", many, one, x),
            term("b", many // 4, one),
            term("c", many // 20, one, w),
        ],
        "nested and crossed densely": [
            term("a", many, one, x),
            term("b", many // 4, one, w),
            term("c", few, one),
        ],
        "nested and crossed sparsely": [
            term("a", many, one, x),
            term("b", many // 2, one),
            term("c", third, one),
        ],
        "nested in a chain, crossed twice": [
            term("a", many, one),
            term("b", many // 2, one, x),
            term("c", many // 4, one),
            term("d", third % 14, one, w),
            term("e", few, x),
        ],
        "one factor twice": [term("a", some, one), term("a", some, x)],
        "six columns": [term("a", few, one, x, w, x * w, x**2, w**2)],
    }
    return {name: order_terms(given) for name, given in terms.items()}


def random_theta(terms, seed: int = 0) -> np.ndarray:
    """A θ with positive diagonals and whatever below."""
    rng = np.random.default_rng(seed)
    parts = [
        np.where(
            t.structure.is_scale,
            rng.uniform(0.3, 2, t.structure.size),
            rng.normal(0, 0.5, t.structure.size),
        )
        for t in terms
    ]
    return np.concatenate(parts)


def rows(n: int = 120, nx: int = 3, seed: int = 2) -> np.ndarray:
    """[X | y] with a constant first column."""
    rng = np.random.default_rng(seed)
    return np.column_stack([np.ones((n, min(nx, 1))), rng.normal(size=(n, max(nx, 1)))])
