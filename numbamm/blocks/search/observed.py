"""`Traces`: tr(PV_sPV_t), by which the observed information differs from the average information.

    observed = AI + (AI - tr(PV_sPV_t))        both for Γ along Γ_s and Γ_t, with σ² = 1 in V

Where the covariances that a structure allows do not fit the data well, the average information may
be wrong by any factor, and Newton's steps are poor. The traces are cheap where the groups of
levels that rows connect are small: they take

    M = Z'V⁻¹Z = A - AΛΩ⁻¹Λ'A,    B = Z'V⁻¹X = (I - AΛΩ⁻¹Λ')Z'X,    Ω = Λ'AΛ + I

of each group. They are computed for one term, whose levels are such groups, and for more terms
where the random effects are few.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import block_diag

from numbamm.blocks.layout import NLEVEL
from numbamm.blocks.moments import dense_rows, level_pairs

#: Most random effects of models of several terms, and of operations (levels × p³) of one term.
MOST_EFFECTS, MOST_OPERATIONS = 250, 1e8


class Traces:
    """What of the design the traces take.

    Parameters
    ----------
    blocks : DenseTail
    """

    def __init__(self, blocks) -> None:
        layout = blocks.layout
        self._blocks = blocks
        self._structures = [blocks.joint.structures[k] for k in layout.order]
        sizes = [s.p for s in self._structures]
        self._levels = _levels(layout)
        if len(sizes) == 1:
            self._levels = [1]
            self._A = np.array(level_pairs(layout, blocks.A, 0, 0))
            dense = dense_rows(layout, blocks.A, 0)[:, -1 - blocks.nx : -1]
            self._F = dense.reshape(len(self._A), sizes[0], -1)
            return
        parts, at = [], 0
        z, refs = blocks.z, blocks.refs
        for p, r, levels in zip(sizes, refs, self._levels, strict=True):
            rows = np.arange(len(r))[:, None] + np.zeros(p, dtype=int)
            columns = r[:, None].astype(np.int64) * p + np.arange(p)
            entries = z[:, at : at + p].ravel(), (rows.ravel(), columns.ravel())
            parts.append(sp.csr_array(entries, shape=(len(r), p * levels)))
            at += p
        Z = sp.csr_array(sp.hstack(parts))
        self._A = (Z.T @ Z).toarray()[None]
        self._F = (Z.T @ blocks.xy[:, :-1])[None]

    @classmethod
    def of(cls, blocks) -> Traces | None:
        """None where they would take long, or need rows that are not in memory."""
        sizes = np.array([blocks.joint.structures[k].p for k in blocks.layout.order])
        levels = np.array(_levels(blocks.layout))
        if len(sizes) == 1:
            return cls(blocks) if levels[0] * sizes[0] ** 3 <= MOST_OPERATIONS else None
        few = sizes @ levels <= MOST_EFFECTS and isinstance(blocks.z, np.ndarray)
        return cls(blocks) if few else None

    def __call__(self, theta, moves: list[np.ndarray], reml: bool) -> np.ndarray:
        """The traces at the θ of the factor in the calling thread's workspace.

        Parameters
        ----------
        theta : ndarray, shape (number of θ,)
        moves : list of ndarray, shape (size, p, p)
            Γ_s of each term, in the layout's order.
        reml : bool
            Whether P leaves out the fixed effects; else it is V⁻¹.

        Returns
        -------
        ndarray, shape (parameters, parameters)
            In the order of `moves`.
        """
        order = self._blocks.layout.order
        lams = [self._blocks.joint.matrices(theta)[k] for k in order]
        Lam = block_diag(
            *(np.kron(np.eye(n), lam) for n, lam in zip(self._levels, lams, strict=True))
        )
        A, eye = self._A, np.eye(len(Lam))
        half = np.linalg.solve(Lam.T @ A @ Lam + eye, Lam.T @ A)  # Ω⁻¹Λ'A
        M = A - (A @ Lam) @ half
        E = self._expanded(moves)
        ME = np.einsum("cij,sjk->csik", M, E, optimize=True)
        n = len(E)
        flat = ME.transpose(1, 0, 2, 3).reshape(n, -1)
        out = flat @ ME.transpose(1, 0, 3, 2).reshape(n, -1).T
        if reml and self._F.shape[2]:
            B = self._F - half.transpose(0, 2, 1) @ (Lam.T @ self._F)
            L = self._blocks.x_factor()
            B = np.linalg.solve(L, B.reshape(-1, len(L)).T).T.reshape(B.shape)  # BB' is BΦB' now
            EB = np.einsum("sij,cjx->csix", E, B, optimize=True)
            out -= 2 * np.einsum("csix,cij,ctjx->st", EB, M, EB, optimize=True)
            inner = np.einsum("cix,csiy->sxy", B, EB, optimize=True)
            out += np.einsum("sxy,tyx->st", inner, inner)
        return out

    def _expanded(self, moves) -> np.ndarray:
        """Γ_s for every level of its term, zero elsewhere; shape (parameters, q, q)."""
        sizes = [n * s.p for n, s in zip(self._levels, self._structures, strict=True)]
        E, s, at = np.zeros((sum(map(len, moves)), sum(sizes), sum(sizes))), 0, 0
        for own, levels, width in zip(moves, self._levels, sizes, strict=True):
            E[s : s + len(own), at : at + width, at : at + width] = np.kron(np.eye(levels), own)
            s, at = s + len(own), at + width
        return E


def _levels(layout) -> list[int]:
    """Numbers of levels of the terms, in the layout's order."""
    return layout.table[1 : 1 + layout.nterm, NLEVEL].tolist()
