"""`Lines`: what is kept of each fit, a line for each response."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np


class Sizes(NamedTuple):
    """Numbers of coefficients, of θ, of standard deviations and correlations, and of tests."""

    beta: int
    theta: int
    components: int
    tests: int


@dataclass
class Lines:
    """Estimates and tests of many fits; NaN where a response has none.

    Attributes
    ----------
    nobs, evaluations : ndarray of int, shape (responses,)
    objective, sigma : ndarray, shape (responses,)
    beta : ndarray, shape (responses, coefficients)
        NaN for coefficients that cannot be estimated.
    se : ndarray, of the same shape
    theta : ndarray, shape (responses, number of θ)
    components : ndarray, shape (responses, standard deviations and correlations)
    singular, converged : ndarray of bool, shape (responses,)
    estimate, error, df : ndarray, shape (responses, tests)
        Estimates of the tested combinations, their standard errors and degrees of freedom.
    failed, doubts : dict of int to str
        By the response's line: why it cannot be fitted, and what speaks against its estimates.
    """

    nobs: np.ndarray
    evaluations: np.ndarray
    objective: np.ndarray
    sigma: np.ndarray
    beta: np.ndarray
    se: np.ndarray
    theta: np.ndarray
    components: np.ndarray
    singular: np.ndarray
    converged: np.ndarray
    estimate: np.ndarray
    error: np.ndarray
    df: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)
    doubts: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, n: int, sizes: Sizes) -> Lines:
        """Lines of n responses, without numbers."""
        columns = [sizes.beta, sizes.beta, sizes.theta, sizes.components, *3 * (sizes.tests,)]
        matrices = [np.full((n, c), np.nan) for c in columns]
        vectors = [np.full(n, np.nan) for _ in range(2)]
        return cls(
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            *(vectors[0], vectors[1]),
            *(matrices[0], matrices[1], matrices[2], matrices[3]),
            np.zeros(n, dtype=bool),
            np.zeros(n, dtype=bool),
            *(matrices[4], matrices[5], matrices[6]),
        )

    def put(self, at, other: Lines) -> None:
        """Let lines at some positions be those of `other`."""
        for f in fields(self):
            if f.name not in ("failed", "doubts"):
                getattr(self, f.name)[at] = getattr(other, f.name)
        for i, position in enumerate(np.asarray(at).tolist()):
            if i in other.failed:
                self.failed[position] = other.failed[i]
            if i in other.doubts:
                self.doubts[position] = other.doubts[i]

    def put_line(self, i: int, other: Lines, beta, theta, components, tests) -> None:
        """Let line i be the only one of `other`, whose columns have these places here."""
        for name, places in (
            *((name, beta) for name in ("beta", "se")),
            ("theta", theta),
            ("components", components),
            *((name, tests) for name in ("estimate", "error", "df")),
        ):
            getattr(self, name)[i, places] = getattr(other, name)[0]
        for name in ("nobs", "evaluations", "objective", "sigma", "singular", "converged"):
            getattr(self, name)[i] = getattr(other, name)[0]
        for kept, reasons in ((self.failed, other.failed), (self.doubts, other.doubts)):
            if 0 in reasons:
                kept[i] = reasons[0]
