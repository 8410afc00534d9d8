"""Large crossed designs by conjugate gradients and random probes: whole calls."""

import numpy as np

import numbamm as mm

from .tails import panel


def crossed(rows, users, items, seed=1):
    """Ratings: activity is lognormal, and popularity falls with the rank of an item."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 1, users)
    fame = 1 / (np.arange(items) + 50.0)

    def drawn(share):
        return np.searchsorted(np.cumsum(share / share.sum()), rng.random(rows))

    user = drawn(activity).clip(0, users - 1)
    item = drawn(fame).clip(0, items - 1)
    x = rng.normal(size=rows)
    eta = 0.1 * x + 0.45 * rng.normal(size=users)[user] + 0.6 * rng.normal(size=items)[item]
    likes = rng.random(rows) < 1 / (1 + np.exp(-1.5 * eta - 0.3))
    frame = {"x": x, "user": user, "item": item, "liked": likes.astype(float)}
    return frame | {"y": 3.5 + eta + 0.9 * rng.normal(size=rows)}


FORMULA = "{} ~ x + (1 | user) + (1 | item)"
DESIGNS = {
    "ratings, middle": lambda: crossed(1_000_000, 6_000, 3_700),
    "ratings, no popular items": lambda: crossed(300_000, 30_000, 12_000),
}


def few(frame, rows=3000):
    return {name: values[:rows] for name, values in frame.items()}


class Linear:
    """From a frame to estimates."""

    params = (*DESIGNS, "panel")
    param_names = ("design",)
    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 3, 1, 0

    def setup(self, name):
        if name == "panel":
            self.formula, self.frame = "y ~ x + (1 | worker) + (1 | firm)", panel()
            small = panel(600, 100)
        else:
            self.formula, self.frame = FORMULA.format("y"), DESIGNS[name]()
            small = few(self.frame)
        mm.lmm(self.formula, small, tail="iterative", probes=4)

    def time_whole_call(self, name):
        mm.lmm(self.formula, self.frame, tail="iterative")

    def peakmem_whole_call(self, name):
        mm.lmm(self.formula, self.frame, tail="iterative")


class Bernoulli:
    """From a frame to the estimates of a full fit."""

    params = tuple(DESIGNS)
    param_names = ("design",)
    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 2, 1, 0

    def setup(self, name):
        self.formula, self.frame = FORMULA.format("liked"), DESIGNS[name]()
        mm.glmm(self.formula, few(self.frame), "bernoulli", tail="iterative", probes=4)

    def time_whole_call(self, name):
        mm.glmm(self.formula, self.frame, "bernoulli", tail="iterative")


class TwentyMillionRows:
    """138,000 users by 27,000 items: the whole call, and an evaluation with eight probes."""

    timeout = 3600
    number, repeat, rounds, warmup_time = 1, 1, 1, 0

    def setup(self):
        self.formula, self.frame = FORMULA.format("y"), crossed(20_000_000, 138_000, 27_000)
        mm.lmm(self.formula, few(self.frame), tail="iterative", probes=4)

    def time_whole_call(self):
        mm.lmm(self.formula, self.frame, tail="iterative")

    def peakmem_whole_call(self):
        mm.lmm(self.formula, self.frame, tail="iterative")
