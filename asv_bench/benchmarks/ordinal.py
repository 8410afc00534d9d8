"""Cumulative link mixed models: fits, standard errors, predictions."""

import numpy as np

import numbamm as mm


def ratings(n=50_000, users=1_000, items=100):
    """Stars from 1 to 5 by users of items, with a slope over users."""
    rng = np.random.default_rng(3)
    user, item, x = rng.integers(0, users, n), rng.integers(0, items, n), rng.normal(size=n)
    slope = 0.3 * rng.normal(size=users)[user]
    latent = (0.5 + slope) * x + rng.normal(size=users)[user] + 0.5 * rng.normal(size=items)[item]
    stars = 1 + np.searchsorted([-2.0, -1.0, 0.5, 2.0], latent + rng.logistic(size=n))
    return {"stars": stars, "x": x, "user": user, "item": item}


VERBAL = "resp ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)"
MODELS = {
    "VerbAgg": (VERBAL, {}),
    "VerbAgg, nominal and scale effects": (VERBAL, {"nominal": "~ situ", "scale": "~ Gender"}),
    "50,000 ratings": ("stars ~ x + (1 + x | user) + (1 | item)", {"link": "probit"}),
}


class Fit:
    """The whole call, and what follows from it."""

    params = tuple(MODELS)
    param_names = ("model",)
    timeout = 300

    def setup(self, name):
        self.formula, self.options = MODELS[name]
        self.data = mm.datasets.load("VerbAgg") if name.startswith("Verb") else ratings()
        self.model = mm.clmm(self.formula, self.data, **self.options)

    def time_clmm(self, name):
        mm.clmm(self.formula, self.data, **self.options)

    def time_standard_errors(self, name):
        self.model.estimates.parts_covariance = None
        _ = self.model.bse

    def time_probabilities(self, name):
        self.model.predict(type="prob")
