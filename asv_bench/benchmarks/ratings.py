"""A million rows of two crossed factors, 6,000 users by 3,700 items: time and memory."""

import numpy as np

import numbamm as mm

from .common import ratings

FORMULA = "y ~ x + (1 | user) + (1 | item)"
THREADS = 2


class MillionRows:
    """The whole call by Newton's method, its construction, and evaluations, on two threads."""

    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 3, 1, 0

    def setup_cache(self):
        return ratings()

    def setup(self, frame):
        # Few rows compile what the benchmarks call; each of them has a process of its own.
        few = mm.lmm(FORMULA, {k: v[:2000] for k, v in frame.items()}, optimizer="newton")
        few.objective_gradient(few.theta)
        self.threads = mm.config.context(threads=THREADS)
        self.threads.__enter__()

    def teardown(self, frame):
        self.threads.__exit__(None, None, None)

    def time_construction(self, frame):
        mm.LinearMixedModel(FORMULA, frame)

    def time_whole_call(self, frame):
        mm.lmm(FORMULA, frame, optimizer="newton")

    def peakmem_whole_call(self, frame):
        mm.lmm(FORMULA, frame, optimizer="newton")


class MillionRowsEvaluation:
    """Objective, and objective with gradient, of the same model once it is built."""

    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 3, 1, 0

    def setup(self):
        self.model = mm.LinearMixedModel(FORMULA, ratings())
        self.theta = np.array([0.45, 0.65])
        self.threads = mm.config.context(threads=THREADS)
        self.threads.__enter__()
        self.model.objective_gradient(self.theta)
        self.model.objective_at(self.theta)

    def teardown(self):
        self.threads.__exit__(None, None, None)

    def time_objective(self):
        self.model.objective_at(self.theta)

    def time_objective_gradient(self):
        self.model.objective_gradient(self.theta)
