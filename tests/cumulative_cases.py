"""Modes of cumulative models on irregular rows, with all parts."""

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.glm.cumulative.cumulative_family import ordinal_family
from numbamm.glm.cumulative.cumulative_modes import CumulativeModes
from numbamm.glm.cumulative.row_parts import Parts
from numbamm.glm.cumulative.thresholds import threshold_matrix
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import LINKS
from numbamm.structures.registry import make

NAMES = ["logit", "probit", "cloglog", "loglog", "cauchit"]


class Case:
    """A model with nominal, location and scale effects, at some parameters.

    Attributes
    ----------
    modes : CumulativeModes
    psi, theta : ndarray
    """

    def __init__(self, link="logit", structure="flexible", n=60, crossed=True, seed=5) -> None:
        rng = np.random.default_rng(seed)
        y = np.r_[0:4, rng.integers(0, 4, n - 4)]
        T = threshold_matrix(structure, 3)
        nominal = np.column_stack([np.ones(n), 0.3 * rng.normal(size=n)])
        location = rng.normal(size=(n, 2))
        location[:, 0] += 2.0
        scale = 0.3 * rng.normal(size=(n, 1))
        self.parts = Parts(y, T, nominal, location, scale)
        g = np.r_[0, 1 + rng.integers(0, 5, n - 1)].astype(np.int32)  # one level of a single row
        z = np.vstack([np.ones(n), rng.normal(size=n)])
        self.terms = [ReMat("g", g, list(range(6)), ["1", "x"], z, make("us", 2))]
        self.theta = np.array([0.7, 0.2, 0.5])
        if crossed:
            h, one = rng.integers(0, 4, n).astype(np.int32), np.ones((1, n))
            self.terms.append(ReMat("h", h, list(range(4)), ["1"], one, make("us", 1)))
            self.theta = np.r_[self.theta, 0.4]
        self.w, self.offset = rng.uniform(0.5, 2, n), 0.2 * rng.normal(size=n)
        family = ordinal_family(4)
        rows = self.parts, self.w, self.offset
        self.modes = CumulativeModes(self.terms, *rows, family, LINKS[link])
        self.likelihood = Likelihood(family, y.astype(float), self.w)
        a = np.linalg.lstsq(T, np.array([-1, 0.3, 1.2]), rcond=None)[0]
        self.psi = np.r_[a, 0.1 * rng.normal(size=len(a)), 0.3, -0.2, 0.4]

    def objective(self, x) -> float:
        mode = self.modes(x[len(self.psi) :], np.array(x[: len(self.psi)]))
        return self.likelihood.laplace(mode, 0.0, 1.0)
