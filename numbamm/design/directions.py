"""Derivatives of the response's covariance matrix in a linear model, from the design alone.

With R = σ² and G the covariance matrix of a level's random effects, V = R W⁻¹ + Σ Z (I ⊗ G) Z' is
linear in R and, for most structures, in the free entries of each G. Its derivatives, here called
directions, are W⁻¹ and Z (I ⊗ E) Z' with an E for each entry. They depend on the design, not on any
estimate. Where G is a function of fewer parameters there is an E for each, at given values.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from numbamm.design.remat import ReMat


def units(terms: list[ReMat]) -> list[np.ndarray]:
    """∂G/∂(free entries of all terms), for the G of each term, shape (entries, p, p).

    The derivatives by a term's own entries are its `Structure.directions`; those by others are
    zero. Where G is no linear function of parameters, they are those at the term's θ.
    """
    total, at, out = sum(t.structure.size for t in terms), 0, []
    for term in terms:
        E, size = np.zeros((total, term.p, term.p)), term.structure.size
        E[at : at + size] = term.structure.directions(term.theta)
        at += size
        out.append(E)
    return out


def weighted_columns(terms: list[ReMat], sqrtw) -> sp.csr_array:
    """√W Z of all terms."""
    z = sp.hstack([t.tosparse() for t in terms], format="csr")
    return sp.csr_array(z if sqrtw is None else sp.diags_array(sqrtw) @ z)


def inner_products(terms: list[ReMat], A) -> np.ndarray:
    """tr(W V_s W V_t) of the directions, W⁻¹ itself first; shape (1 + entries, 1 + entries).

    Parameters
    ----------
    terms : list of ReMat
    A : sparse array
        Z'WZ.
    """
    E, n = units(terms), len(terms[0].refs)
    out = np.zeros((1 + len(E[0]),) * 2)
    out[0, 0] = n
    starts = np.cumsum([0, *(t.nranef for t in terms)])
    for k, a in enumerate(terms):
        rows = A[starts[k] : starts[k + 1]]
        for m, b in enumerate(terms):
            blocks = sp.bsr_array(rows[:, starts[m] : starts[m + 1]], blocksize=(a.p, b.p))
            flat = blocks.data.reshape(-1, a.p * b.p)
            S = (flat.T @ flat).reshape(a.p, b.p, a.p, b.p)  # Σ of A_jl ⊗ A_jl over levels j, l
            out[1:, 1:] += np.einsum("sab,tcd,bcad->st", E[k], E[m], S, optimize=True)
            if k == m:
                level = blocks.indices == np.repeat(np.arange(a.nlevels), np.diff(blocks.indptr))
                diagonal = flat[level].sum(axis=0).reshape(a.p, a.p)
                out[0, 1:] += np.einsum("sab,ab->s", E[k], diagonal)
    out[1:, 0] = out[0, 1:]
    return out
