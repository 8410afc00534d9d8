"""log-determinants by stochastic Lanczos quadrature.

For a probe z of ±1, z'log(S)z has the expectation log|S|, and Lanczos's matrix T of S and z, which
conjugate gradients leave behind, gives it by Gauss's quadrature: |z|² e_1'log(T)e_1. If S = I + E
and E has no diagonal, z'Ez has mean zero, and leaving it out takes most of the noise away.

Source: Ubaru, Chen & Saad (2017), SIAM J. Matrix Anal. Appl. 38, 1075-1099.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh_tridiagonal

from numbamm.blocks.tail.conjugate_gradients import lanczos_matrix


def log_forms(alpha: np.ndarray, beta: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """z'log(S)z - z'Ez of each probe, shape (probes,).

    Parameters
    ----------
    alpha, beta : ndarray, shape (iterations, probes)
        Step lengths of the solutions of S x = z; see `conjugate_gradients.Solutions`.
    squares : ndarray, shape (probes,)
        |z|² of each probe.
    """
    out = np.empty(alpha.shape[1])
    for k in range(len(out)):
        diagonal, beside = lanczos_matrix(alpha[:, k], beta[:, k])
        values, vectors = eigh_tridiagonal(diagonal, beside)
        out[k] = squares[k] * (vectors[0] ** 2 @ np.log(values) - (diagonal[0] - 1.0))
    return out
