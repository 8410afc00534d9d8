"""Generalized linear mixed models: one PIRLS iteration, fast and full fits."""

import numpy as np

import numbamm as mm


def simulated(n=100_000, users=2_000, items=300):
    """Crossed factors, one of them with a slope, and a success for every other row."""
    rng = np.random.default_rng(1)
    user, item = rng.integers(0, users, n), rng.integers(0, items, n)
    x = rng.normal(size=n)
    intercept, slope = rng.normal(size=(2, items)) * [[0.5], [0.3]]
    eta = 0.3 * x + rng.normal(size=users)[user] + intercept[item] + slope[item] * x
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    return {"y": y, "x": x, "user": user, "item": item}


def survey(n=100_000, regions=50, ages=8):
    """Few columns of few values, so that most rows are equal to others."""
    rng = np.random.default_rng(2)
    region, age, x = rng.integers(0, regions, n), rng.integers(0, ages, n), rng.integers(0, 2, n)
    eta = 0.4 * x + 0.5 * rng.normal(size=regions)[region] + 0.3 * rng.normal(size=ages)[age]
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    return {"y": y, "x": x.astype(float), "region": region, "age": age}


MODELS = {
    "VerbAgg": (
        "r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        "VerbAgg",
        "bernoulli",
    ),
    "cbpp": ("cbind(incidence, size - incidence) ~ period + (1 | herd)", "cbpp", "binomial"),
    "Contraception": (
        "use ~ age + I(age**2) + urban + livch + (1 + urban | district)",
        "Contraception",
        "bernoulli",
    ),
    "grouseticks": (
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "grouseticks",
        "poisson",
    ),
    "sleepstudy": ("Reaction ~ Days + (1 + Days | Subject)", "sleepstudy", "gamma"),
    "100,000 rows": ("y ~ x + (1 | user) + (1 + x | item)", simulated, "bernoulli"),
    "100,000 rows of a survey": ("y ~ x + (1 | region) + (1 | age)", survey, "bernoulli"),
}


def frame(name):
    """The data behind a name, simulated or shipped."""
    data = MODELS[name][1]
    return data() if callable(data) else mm.datasets.load(data)


def model(name, data=None):
    """The unfitted model of that name."""
    formula, _, family = MODELS[name]
    link = "log" if family == "gamma" else None
    data = frame(name) if data is None else data
    return mm.GeneralizedLinearMixedModel(formula, data, family, link)


class Pirls:
    """From the model without random effects to the mode at θ = 1; iterations beside it."""

    params = tuple(MODELS)
    param_names = ("model",)

    def setup(self, name):
        built = model(name)
        self.modes, self.theta = built._modes, built.theta
        self.gamma = built._start.gamma.copy()
        self.iterations = self.modes(self.theta, self.gamma, vary=True).iterations
        self.start = built._start.gamma

    def time_to_the_mode(self, name):
        self.modes.u = np.zeros(self.modes.q)
        self.modes(self.theta, self.start.copy(), vary=True)

    def track_iterations(self, name):
        return self.iterations


class Construction:
    """Formula and frame, rows that are taken together, and the model without random effects."""

    params = tuple(MODELS)
    param_names = ("model",)

    def setup(self, name):
        self.frame = frame(name)
        model(name, self.frame)

    def time_model(self, name):
        model(name, self.frame)


class Fit:
    """Whole fits by the default optimiser, β inside PIRLS or outside."""

    params = (tuple(MODELS), ("fast", "full"))
    param_names = ("model", "fit")
    timeout = 300

    def setup(self, name, how):
        self.model = model(name).fit(fast=how == "fast")

    def time_refit(self, name, how):
        self.model.refit()

    def track_evaluations(self, name, how):
        return self.model.optsum.feval
