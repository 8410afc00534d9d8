"""Random probes: columns of ±1, with which the traces of matrices are estimated.

For z of independent ±1 and any matrix S, E z'Sz = tr S, and E (Sz)_j z_j' is the jth block on the
diagonal. What the first order of S contributes to z'Sz is known to have mean zero, and is left out.

Sources: Hutchinson (1990), Commun. Stat. Simul. Comput. 19, 433-450.
"""

from __future__ import annotations

import numpy as np

#: Number of probes with which a fit begins, and the most that it takes by itself.
FEWEST, MOST = 8, 1024
#: The Monte-Carlo error of an estimate is at most this share of its standard error.
SHARE = 0.01
#: Quantiles of `standard_error` and `doubt`.
COVERED, DOUBTED = 0.975, 0.95


def draw(rows: int, probes: int, seed: int) -> np.ndarray:
    """Probes of ±1, shape (rows, probes); the first ones do not depend on how many there are."""
    Z = np.empty((rows, probes))
    for k in range(probes):
        generator = np.random.default_rng([seed, k])
        Z[:, k] = np.where(generator.integers(0, 2, rows, dtype=np.int8) == 1, 1.0, -1.0)
    return Z


def standard_error(deviations) -> np.ndarray:
    """Standard errors of means over probes, from the probes' deviations, shape (probes, ...).

    Few probes know their own spread badly: the errors are larger by the factor by which the t
    distribution's quantiles exceed the normal ones, so that two errors cover in 95 of 100 fits.
    """
    from scipy.special import ndtri, stdtrit

    n = len(deviations)
    usual = np.sqrt(np.mean(np.square(deviations), axis=0) / max(n - 1, 1))
    return usual * stdtrit(max(n - 1, 1), COVERED) / ndtri(COVERED)


def doubt(probes: int) -> float:
    """By how much the true error may exceed the estimated one, in 19 of 20 cases."""
    from scipy.special import chdtri

    degrees = max(probes - 1, 1)
    return float(np.sqrt(degrees / chdtri(degrees, DOUBTED)))


def enough(probes: int, share: float) -> int:
    """How many probes are needed, if with some the error may be this share of the standard error.

    The error falls with the root of the number. They are at least doubled, in steps of eight.
    """
    needed = 1.2 * probes * (share / SHARE) ** 2
    return int(min(MOST, 8 * np.ceil(max(2 * probes, needed) / 8)))
