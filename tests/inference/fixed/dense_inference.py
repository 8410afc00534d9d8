"""Satterthwaite's and Kenward and Roger's methods on the n × n covariance matrix of the responses.

For tests, and from the papers alone: nothing here is shared with numbamm. V is any function of
parameters t that also takes complex numbers. First derivatives are by complex steps, which have no
rounding error to speak of; second ones are differences of these.

Sources: Kenward & Roger, 1997, Biometrics 53, 983, whose names the code has (Φ, P, Q, R, W, Θ, A₁,
A₂, ρ*, λ*); Fai & Cornelius, 1996.
"""

from __future__ import annotations

import numpy as np

COMPLEX_STEP, STEP = 1e-30, 1e-4


class DenseInference:
    """Everything at one t, which has to be an optimum for the observed information.

    Parameters
    ----------
    covariance : callable
        V(t), shape (n, n).
    t : array-like
        The estimated covariance parameters, all of them, σ² included.
    X : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    observed : bool
        Whether W is from the observed information; else from the expected one.
    second : bool
        Whether Kenward and Roger's matrix has the term R of second derivatives, which depends on
        the parametrisation.
    reml : bool
    """

    def __init__(self, covariance, t, X, y, *, observed=False, second=False, reml=True) -> None:
        self.t, self.reml = np.asarray(t, dtype=float), reml
        V, m = covariance(self.t), len(self.t)
        self.V, inverse = V, np.linalg.inv(V)
        self.phi = np.linalg.inv(X.T @ inverse @ X)
        self.beta = self.phi @ X.T @ inverse @ y
        project = inverse - inverse @ X @ self.phi @ X.T @ inverse
        self.project, self.residual = project, project @ y
        slopes = self.slopes = self._slopes(covariance, self.t)
        WX = inverse @ X
        self.P = np.array([-WX.T @ d @ WX for d in slopes])
        self.Q = np.array([[WX.T @ a @ inverse @ b @ WX for b in slopes] for a in slopes])
        within = project if reml else inverse
        self.expected = np.array(
            [[0.5 * np.trace(within @ a @ within @ b) for b in slopes] for a in slopes]
        )
        bends = np.zeros((m, m, *V.shape))
        if observed or second:
            bends = self._bends(covariance)
        e = self.residual
        self.observed = np.array(
            [
                [
                    e @ a @ project @ b @ e
                    - self.expected[i, j]
                    + 0.5 * np.sum(within * bends[i, j])
                    - 0.5 * e @ bends[i, j] @ e
                    for j, b in enumerate(slopes)
                ]
                for i, a in enumerate(slopes)
            ]
        )
        self.W = np.linalg.inv(self.observed if observed else self.expected)
        R = np.zeros_like(self.Q)
        if second:
            R = np.array([[WX.T @ b @ WX for b in row] for row in bends])
        total = np.zeros_like(self.phi)
        for i in range(m):
            for j in range(m):
                inner = self.Q[i, j] - self.P[i] @ self.phi @ self.P[j] - R[i, j] / 4
                total += self.W[i, j] * inner
        self.adjusted = self.phi + 2 * self.phi @ total @ self.phi

    @staticmethod
    def _slopes(covariance, t) -> np.ndarray:
        """∂V/∂t, shape (parameters, n, n)."""
        steps = 1j * COMPLEX_STEP * np.eye(len(t))
        return np.array([covariance(t + step).imag / COMPLEX_STEP for step in steps])

    def _bends(self, covariance) -> np.ndarray:
        """∂²V/∂t∂t, shape (parameters, parameters, n, n)."""
        h = STEP * np.maximum(np.abs(self.t), 1e-2)
        moves = np.diag(h)
        out = [
            (self._slopes(covariance, self.t + move) - self._slopes(covariance, self.t - move))
            / (2 * move.sum())
            for move in moves
        ]
        return (np.array(out) + np.swapaxes(out, 0, 1)) / 2

    def criterion(self, covariance, t, X, y) -> float:
        """-2 log-likelihood at other parameters, restricted under REML, without constants."""
        V = covariance(np.asarray(t, dtype=float))
        inverse = np.linalg.inv(V)
        information = X.T @ inverse @ X
        beta = np.linalg.solve(information, X.T @ inverse @ y)
        value = np.linalg.slogdet(V)[1] + (y - X @ beta) @ inverse @ (y - X @ beta)
        return value + (np.linalg.slogdet(information)[1] if self.reml else 0.0)

    def satterthwaite(self, l) -> float:
        """Degrees of freedom of l'β."""
        variance = l @ self.phi @ l
        slope = np.array([-l @ self.phi @ P @ self.phi @ l for P in self.P])
        return 2 * variance**2 / (slope @ self.W @ slope)

    def kenward_roger(self, L) -> tuple[float, float]:
        """λ*, by which F is multiplied, and its degrees of freedom, for Lβ = 0."""
        L = np.atleast_2d(L)
        l = len(L)
        theta = L.T @ np.linalg.inv(L @ self.phi @ L.T) @ L
        half = [theta @ self.phi @ P @ self.phi for P in self.P]
        traces = np.array([np.trace(x) for x in half])
        a1 = traces @ self.W @ traces
        a2 = sum(
            self.W[i, j] * np.trace(a @ b) for i, a in enumerate(half) for j, b in enumerate(half)
        )
        b = (a1 + 6 * a2) / (2 * l)
        g = ((l + 1) * a1 - (l + 4) * a2) / ((l + 2) * a2)
        c1 = g / (3 * l + 2 * (1 - g))
        c2 = (l - g) / (3 * l + 2 * (1 - g))
        c3 = (l + 2 - g) / (3 * l + 2 * (1 - g))
        mean = 1 / (1 - a2 / l)
        variance = 2 / l * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
        rho = variance / (2 * mean**2)
        df = 4 + (l + 2) / (l * rho - 1)
        return df / (mean * (df - 2)), df

    def f_test(self, L) -> tuple[float, float]:
        """The scaled F statistic of Lβ = 0 with the adjusted covariance matrix, and its df."""
        L = np.atleast_2d(L)
        scale, df = self.kenward_roger(L)
        value = L @ self.beta
        return scale * value @ np.linalg.solve(L @ self.adjusted @ L.T, value) / len(L), df
