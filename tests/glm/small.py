"""A small generalized model on arrays, and what its quantities are in plain numpy."""

import numpy as np
from blocks.dense import dense_lambda, random_theta, structures

from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import LINKS
from numbamm.glm.mode import ModeFinder
from numbamm.glm.working import EXPECTED, OBSERVED

STRUCTURES = structures()
#: Family, link and information in the determinant; with canonical links both are the same.
KINDS = {
    "logistic": ("bernoulli", "logit", EXPECTED),
    "probit, expected": ("binomial", "probit", EXPECTED),
    "cloglog, observed": ("binomial", "cloglog", OBSERVED),
    "counts": ("poisson", "log", EXPECTED),
    "negative binomial": ("negativebinomial", "log", OBSERVED),
    "gamma": ("gamma", "log", OBSERVED),
}
SHAPE = 1.7


class Small:
    """Data of a kind drawn for some terms, with weights and an offset."""

    def __init__(self, kind, name="crossed sparsely, vectors", seed=3):
        rng = np.random.default_rng(seed)
        family, link, self.information = KINDS.get(kind, kind)
        self.family, self.link = FAMILIES[family], LINKS[link]
        self.terms = STRUCTURES[name]
        n = len(self.terms[0].refs)
        self.theta, self.gamma = 0.4 * random_theta(self.terms, seed), np.array([0.2, -0.3])
        self.basis = np.column_stack([np.ones(n), rng.normal(size=n)])
        self.offset = 0.1 * rng.normal(size=n)
        self.Z = np.hstack([t.toarray() for t in self.terms])
        b = self.ZL(self.theta) @ rng.normal(size=self.Z.shape[1])
        mu = self.link.mean(self.offset + self.basis @ self.gamma + b)
        trials = family == "binomial"
        self.w = rng.integers(1, 9, n) * 1.0 if trials else rng.uniform(0.5, 2, n)
        phi = 0.3 if self.family.dispersed else 1.0
        self.y = self.family.draws(rng, mu, np.round(self.w + 0.5), phi, SHAPE)
        if trials:
            self.y = np.round(self.y * self.w) / self.w
        self.modes = ModeFinder(
            self.terms,
            self.basis,
            self.y,
            self.w,
            self.offset,
            self.family,
            self.link,
            self.information,
            1.0,
        )
        self.likelihood = Likelihood(self.family, self.y, self.w)

    def ZL(self, theta):
        return self.Z @ dense_lambda(self.terms, theta)

    def eta(self, theta, gamma, u):
        return self.offset + self.basis @ gamma + self.ZL(theta) @ u

    def rows(self, what, eta):
        return self.family.evaluate(what, self.link, SHAPE, self.y, self.w, eta)

    def score(self, eta):
        return self.rows(row_kernels.WORKING, eta)[row_kernels.SCORE]

    def weights(self, eta):
        """The information that the determinant takes."""
        line = row_kernels.SECOND if self.information == OBSERVED else row_kernels.FIRST
        return self.rows(row_kernels.INFORMATION, eta)[line]

    def u(self, modes=None):
        """The random effects that were found, term by term as in Z."""
        modes = modes or self.modes
        return np.concatenate([u.ravel() for u in modes.by_term(modes.u)])
