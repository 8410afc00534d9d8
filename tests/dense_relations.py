"""Models with known covariances, evaluated with dense matrices as the formulas stand."""

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.special import gammaln


def marginal(m, theta, sigma2=1.0):
    """V/σ² of the rows: W⁻¹ + Σ Z (K ⊗ λλ') Z'."""
    n = m.nobs
    w = np.ones(n) if m.frame.weights is None else m.frame.weights
    V, at = np.diag(1 / w), 0
    for term in m.reterms:
        own = theta[at : at + term.structure.size]
        at += term.structure.size
        lam = term.structure.matrix(own)
        K = np.eye(term.nlevels) if term.relation is None else term.relation.covariance
        V = V + K[np.ix_(term.refs, term.refs)] * (term.z.T @ lam @ lam.T @ term.z)
    return sigma2 * V


def criterion(m, theta, reml):
    """-2 log-likelihood or the REML criterion, σ profiled out."""
    X, y = m.frame.X[:, m.feterm.kept], m.frame.y
    if m.frame.offset is not None:
        y = y - m.frame.offset
    V = marginal(m, np.asarray(theta, float))
    factor = cho_factor(V, lower=True)
    XV = cho_solve(factor, X)
    beta = np.linalg.solve(X.T @ XV, XV.T @ y)
    r = y - X @ beta
    d = len(y) - (X.shape[1] if reml else 0)
    s2 = r @ cho_solve(factor, r) / d
    value = d * (1 + np.log(2 * np.pi * s2)) + 2 * np.log(np.diag(factor[0])).sum()
    return value + (np.linalg.slogdet(X.T @ XV)[1] if reml else 0.0)


def at_estimates(m):
    """BLUPs of all levels and their conditional variances given β, term by term."""
    theta, s2, n = m.theta, m.sigma**2, m.nobs
    V = marginal(m, theta, s2)
    X, y = m.frame.X[:, m.feterm.kept], m.frame.y
    y = y if m.frame.offset is None else y - m.frame.offset
    inverse = np.linalg.inv(V)
    r = y - X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)
    effects, variances, at = [], [], 0
    for term in m.reterms:
        lam = term.structure.matrix(theta[at : at + term.structure.size])
        at += term.structure.size
        K = np.eye(term.nlevels) if term.relation is None else term.relation.covariance
        prior = s2 * np.kron(K, lam @ lam.T)
        Z = np.zeros((n, term.nlevels * term.p))
        for i in range(n):
            Z[i, term.refs[i] * term.p : (term.refs[i] + 1) * term.p] = term.z[:, i]
        effects.append((prior @ Z.T @ inverse @ r).reshape(term.nlevels, term.p))
        C = prior - prior @ Z.T @ inverse @ Z @ prior
        blocks = C.reshape(term.nlevels, term.p, term.nlevels, term.p)
        variances.append(np.array([blocks[j, :, j] for j in range(term.nlevels)]))
    return effects, variances


def row_variances(m):
    """Variances of Xβ̂ + Zb̂ - Zb at the rows, and leverages."""
    X, s2 = m.frame.X[:, m.feterm.kept], m.sigma**2
    V = marginal(m, m.theta, s2)
    w = np.ones(m.nobs) if m.frame.weights is None else m.frame.weights
    R, inverse = s2 * np.diag(1 / w), np.linalg.inv(V)
    phi, G = np.linalg.inv(X.T @ inverse @ X), V - R
    P = inverse - inverse @ X @ phi @ X.T @ inverse
    cross = X @ phi @ X.T @ inverse @ G
    of_rows = X @ phi @ X.T + G - G @ P @ G - cross - cross.T
    return np.diag(of_rows), np.diag(np.eye(m.nobs) - R @ P)


def laplace(m, beta, theta):
    """The Laplace approximation of -2 log-likelihood: canonical Poisson or Bernoulli."""
    X, y, parts, at = m.frame.X, m.frame.y, [], 0
    for term in m.reterms:
        lam = term.structure.matrix(theta[at : at + term.structure.size])
        at += term.structure.size
        Z = np.zeros((m.nobs, term.nlevels * term.p))
        for i, level in enumerate(term.refs):
            Z[i, level * term.p : (level + 1) * term.p] = term.z[:, i]
        K = np.eye(term.nlevels) if term.relation is None else term.relation.covariance
        values, vectors = np.linalg.eigh(K)
        parts.append(Z @ np.kron(vectors * np.sqrt(np.maximum(values, 0)), lam))
    Z = np.hstack(parts)
    u, poisson = np.zeros(Z.shape[1]), m.family == "poisson"
    for _ in range(100):
        eta = X @ beta + Z @ u
        mu = np.exp(eta) if poisson else 1 / (1 + np.exp(-eta))
        H = Z.T @ ((mu if poisson else mu * (1 - mu))[:, None] * Z) + np.eye(len(u))
        step = np.linalg.solve(H, Z.T @ (y - mu) - u)
        if np.abs(step).max() < 1e-13:
            break
        u = u + step / max(1.0, np.abs(step).max())
    rest = -mu - gammaln(y + 1) if poisson else -np.log1p(np.exp(eta))
    return -2 * np.sum(y * eta + rest) + u @ u + np.linalg.slogdet(H)[1]


def relationship(q, rng, depth=3):
    """A positive definite relationship matrix of q levels."""
    L = np.tril(rng.normal(size=(q, q)) * (rng.random((q, q)) < depth / q)) + np.eye(q)
    K = L @ L.T
    return K / np.mean(np.diag(K))


def data_of(K, labels, rng, n=120, slope=0.0, scale=1.0):
    """Rows of levels with this covariance, and of a second factor crossed with them."""
    g = rng.integers(0, len(K), n)
    h = rng.integers(0, 7, n)
    x = rng.normal(size=n)
    L = np.linalg.cholesky(K + 1e-9 * np.eye(len(K)) * np.trace(K) / len(K)) / np.sqrt(scale)
    u = L @ rng.normal(size=(len(K), 2))
    y = 1 + 0.5 * x + u[g, 0] + slope * x * u[g, 1] + rng.normal(size=7)[h] * 0.7
    y += rng.normal(size=n) * 0.8
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "g": np.asarray(labels, dtype=object)[g],
            "h": h.astype(str),
            "w": rng.uniform(0.5, 2, n),
        }
    )
