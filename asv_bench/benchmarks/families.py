"""Families of several parameters, and models of several parts: whole calls."""

import numpy as np

import numbamm as mm
from numbamm.glm.family import FAMILIES


def owlets(n=599, nests=27):
    """Calls of owlets as in glmmTMB's data: too many zeros, and an effect of food by nests."""
    rng = np.random.default_rng(4)
    nest, fed, hour = rng.integers(0, nests, n), rng.integers(0, 2, n), rng.normal(size=n)
    eta = 2.1 - 0.3 * hour - 0.4 * fed + 0.3 * rng.normal(size=nests)[nest]
    eta += 0.4 * rng.normal(size=nests)[nest] * fed
    y = rng.poisson(rng.gamma(2.0, np.exp(eta) / 2.0)) * (rng.uniform(size=n) > 0.25)
    return {"calls": y, "hour": hour, "fed": fed, "nest": nest}


def eggs(n=10_000, females=200):
    """Counts that vary less than those of a Poisson distribution."""
    rng = np.random.default_rng(3)
    female, x = rng.integers(0, females, n), rng.normal(size=n)
    mu = np.exp(1.6 + 0.3 * x + 0.4 * rng.normal(size=females)[female])
    y = FAMILIES["compois"].draw(rng, mu, np.full(n, 0.6))
    return {"eggs": y, "x": x, "female": female}


MODELS = {
    "owlets, zero-inflated, with slopes": (
        "calls ~ hour + fed + (1 + fed | nest)",
        owlets,
        "nbinom2",
        {"zi": "~ fed"},
    ),
    "Salamanders, a hurdle with effects of sites": (
        "count ~ mined + spp + (1 | site)",
        "Salamanders",
        "nbinom1",
        {"hurdle": "~ mined + (1 | site)"},
    ),
    "10,000 Conway–Maxwell–Poisson counts": ("eggs ~ x + (1 | female)", eggs, "compois", {}),
}


class Fit:
    """The whole call."""

    params = tuple(MODELS)
    param_names = ("model",)
    timeout = 300

    def setup(self, name):
        self.formula, data, self.family, self.options = MODELS[name]
        self.data = data() if callable(data) else mm.datasets.load(data)
        mm.glmm(self.formula, self.data, self.family, **self.options)

    def time_glmm(self, name):
        mm.glmm(self.formula, self.data, self.family, **self.options)
