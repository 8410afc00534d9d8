"""A small irregular design with correlated residuals, and its criterion by dense matrices."""

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.residual.correlated_rows import CorrelatedRows
from numbamm.blocks.residual.correlations import Chains, Patterns
from numbamm.blocks.residual.scales import LogLinear, Scales
from numbamm.design.remat import ReMat, order_terms

TIMES = 6


class Powers:
    """ρ to the power of the lag, ρ = sin φ; no structure's, so that tests need none."""

    size = 1

    def values(self, phi):
        return np.sin(phi[0]) ** np.arange(TIMES)

    def slopes(self, phi):
        k = np.arange(TIMES)
        return (np.cos(phi[0]) * k * np.sin(phi[0]) ** np.maximum(k - 1, 0))[None]


@dataclass
class Design:
    """Rows in any order: subjects with some of six times each, items crossed, sites above."""

    terms: list
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    subject: np.ndarray
    time: np.ndarray
    W: np.ndarray

    @property
    def nphi(self):
        return self.W.shape[1] + 1


def some_design(which, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (g, t)
        for g in range(14)
        for t in rng.choice(TIMES, rng.integers(1, TIMES + 1), replace=False)
    ]
    g, t = rng.permutation(rows).T
    n = len(g)
    item, x = np.unique(rng.integers(0, 7, n), return_inverse=True)[1], rng.normal(size=n)
    one, pair = np.ones((1, n)), np.array([np.ones(n), x])
    all_terms = {
        "subject": ReMat("subject", g, np.arange(14), ["1", "x"], pair),
        "site": ReMat("site", g // 3, np.arange(5), ["1"], one),
        "item": ReMat("item", item, np.arange(item.max() + 1), ["1"], one),
        "list": ReMat("list", (item + t) % 4, np.arange(4), ["1", "x"], pair),
        "row": ReMat("row", np.arange(n), np.arange(n), ["1"], one),
    }
    y = rng.normal(size=n) + rng.normal(size=14)[g] + x
    X, w = np.column_stack([np.ones(n), x, t]), rng.uniform(0.5, 2, n)
    W = np.column_stack([x, t == 2]).astype(float)
    terms = order_terms([all_terms[name] for name in which])
    return Design(terms, X, y, w, g, t, W)


def correlated_rows(design, by_chains):
    """`CorrelatedRows` of a design."""
    rows = np.lexsort((design.time, design.subject))
    g, t = design.subject[rows], design.time[rows]
    start = np.r_[0, np.flatnonzero(np.diff(g)) + 1, len(g)]
    if by_chains:
        correlations = Chains(Powers(), start, np.maximum(np.diff(t, prepend=0), 0))
    else:
        found, pattern, codes = {}, [], []
        for own in np.split(t, start[1:-1]):
            if tuple(own) not in found:
                found[tuple(own)] = len(codes)
                codes.append(np.abs(np.subtract.outer(own, own)))
            pattern.append(found[tuple(own)])
        correlations = Patterns(Powers(), start, np.array(pattern), codes)
    root = np.sqrt(design.w)
    xy = np.column_stack([design.X, design.y]) * root[:, None]
    scales = Scales([LogLinear(design.W[rows])], len(rows))
    return CorrelatedRows(design.terms, xy, root, rows, scales, correlations)


def residual_matrix(design, phi):
    """R, of the rows in the order of the data."""
    d = np.exp(design.W @ phi[:-1]) / np.sqrt(design.w)
    lag = np.abs(np.subtract.outer(design.time, design.time))
    same = np.equal.outer(design.subject, design.subject)
    return np.outer(d, d) * np.where(same, np.sin(phi[-1]) ** lag, 0.0)


def marginal(design, z):
    """V / σ² at z = (φ, θ)."""
    phi, theta = np.split(z, [design.nphi])
    V, at = residual_matrix(design, phi), 0
    for term in design.terms:
        own = theta[at : at + term.structure.size]
        at += term.structure.size
        Z = np.zeros((len(design.y), term.nlevels * term.p))
        for a in range(term.p):
            Z[np.arange(len(Z)), term.refs * term.p + a] = term.z[a]
        Z = Z @ np.kron(np.eye(term.nlevels), term.structure.matrix(own))
        V += Z @ Z.T
    return V


def criterion(design, z, reml, sigma=0.0):
    """-2 log-likelihood or the REML criterion."""
    V, X, y = marginal(design, z), design.X, design.y
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    e = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    d = len(y) - reml * X.shape[1]
    value = np.linalg.slogdet(V)[1]
    value += reml * np.linalg.slogdet(information)[1]
    r2 = e @ inverse @ e
    if sigma:
        return value + r2 / sigma**2 + d * np.log(2 * np.pi * sigma**2)
    return value + d * (1 + np.log(2 * np.pi * r2 / d))
