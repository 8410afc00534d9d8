"""Fits of one model to new responses: one, and many on one thread and on two."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .common import model

RESPONSES = 50


class Refits:
    """`RESPONSES` responses drawn from the model, each fitted by Newton's method."""

    params = (("sleepstudy", "Penicillin", "Pastes", "crossed 20"), (1, 2))
    param_names = ("model", "threads")
    timeout = 300

    def setup(self, name, threads):
        # A model holds one response, so each thread has a model of its own.
        self.models = [model(name, optimizer="newton").fit() for _ in range(threads)]
        first, rng = self.models[0], np.random.default_rng(5)
        self.responses = [first.simulate(seed=rng) for _ in range(RESPONSES)]

    def _share(self, which):
        evaluations = []
        for y in self.responses[which :: len(self.models)]:
            self.models[which].refit(y)
            evaluations.append(self.models[which].optsum.feval)
        return evaluations

    def time_refits(self, name, threads):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._share, range(threads)))

    def peakmem_refits(self, name, threads):
        self.time_refits(name, threads)

    def track_most_evaluations(self, name, threads):
        return max(max(self._share(which)) for which in range(threads))
