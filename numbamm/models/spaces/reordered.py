"""`straightened`: columns of random effects in an order in which λ has no curved valley.

Where a leading entry of a triangular λ nearly vanishes, as that of an intercept that hardly varies,
and one below it does not, as that of a slope, the entries of the slope's row say the same all along
a circle, but for what little they have to do with the intercept. A search creeps along that valley,
or ends on its way. With the columns in the order of a Cholesky factorisation with pivoting, each
entry on the diagonal is the largest that is left, and there is no such valley.
"""

from __future__ import annotations

import numpy as np

from numbamm.design.scaling import Scaling

#: A valley is curved where an entry below the diagonal is so many times that on it.
CURVED = 10.0


def straightened(model) -> list[Scaling | None] | None:
    """Scalings of a model's terms with their columns reordered; None if no valley is curved.

    Parameters
    ----------
    model : MixedModel
        At its current θ.
    """
    if all(term.p == 1 for term in model.reterms):
        return None
    scaled, scalings, changed = model.scaled, list(model.scaled.scalings), False
    theta = scaled.structure.split(scaled.to_scaled(model.theta))
    for k, (term, size) in enumerate(zip(model.reterms, scaled.sizes, strict=True)):
        lam = size[:, None] * term.structure.matrix(theta[k])
        order = np.arange(term.p)
        for block in term.structure.unrestricted:
            own = lam[np.ix_(block, block)]
            if _is_curved(own):
                order[block] = np.take(block, _pivots(own @ own.T))
        if (order != np.arange(term.p)).any():
            scalings[k], changed = _reordered(term, scalings[k], order), True
    return scalings if changed else None


def _is_curved(lam) -> bool:
    """Whether an entry below the diagonal is much larger than that above it on the diagonal."""
    return bool((CURVED * np.abs(np.diag(lam)) < np.abs(np.tril(lam, -1)).max(axis=0)).any())


def _pivots(P) -> list[int]:
    """The order of a Cholesky factorisation of P that takes the largest variance that is left."""
    order = []
    for _ in range(len(P)):
        variance = np.diag(P).copy()
        variance[order] = -np.inf
        k = int(np.argmax(variance))
        order.append(k)
        if variance[k] > 0:
            P = P - np.outer(P[:, k], P[k]) / variance[k]
    return order


def _reordered(term, scaling: Scaling | None, order) -> Scaling:
    T, z = (np.eye(term.p), term.z) if scaling is None else (scaling.T, scaling.z)
    return Scaling(T[order], np.asfortranarray(z[order]), term.structure)
