"""Large crossed designs by whole calls, and what holds their tail: dense or sparse, exact."""

import numpy as np

import numbamm as mm

from .common import ratings


def panel(workers=100_000, firms=10_000, years=5, moves=0.15, seed=1):
    """A worker–firm panel: few workers move, and firms' sizes have a heavy tail."""
    rng = np.random.default_rng(seed)
    size = rng.pareto(1.2, firms) + 1
    share = np.cumsum(size / size.sum())

    def drawn(n):
        return np.searchsorted(share, rng.random(n)).clip(0, firms - 1)

    firm, rows = drawn(workers), []
    for _ in range(years):
        firm = np.where(rng.random(workers) < moves, drawn(workers), firm)
        rows.append(firm)
    firm, worker = np.concatenate(rows), np.tile(np.arange(workers), years)
    x = rng.normal(size=len(firm))
    y = 1 + 0.2 * x + 0.5 * rng.normal(size=workers)[worker] + 0.3 * rng.normal(size=firms)[firm]
    return {"y": y + 0.4 * rng.normal(size=len(firm)), "x": x, "worker": worker, "firm": firm}


def decisions(rows=2_750_000, words=81_000, people=814, seed=5):
    """Lexical decisions: every person sees some 3,400 of the words."""
    rng = np.random.default_rng(seed)
    person = np.arange(rows) % people
    word = rng.integers(0, words, rows)
    x = rng.normal(size=words)[word]
    y = 6.5 + 0.05 * x + 0.1 * rng.normal(size=words)[word] + 0.2 * rng.normal(size=people)[person]
    return {"y": y + 0.3 * rng.normal(size=rows), "x": x, "word": word, "person": person}


DESIGNS = {
    "panel": ("y ~ x + (1 | worker) + (1 | firm)", panel),
    "decisions": ("y ~ x + (1 | word) + (1 | person)", decisions),
    "ratings": ("y ~ x + (1 | user) + (1 | item)", ratings),
}


class WholeCall:
    """From a frame to estimates, in the tail that is chosen."""

    params = tuple(DESIGNS)
    param_names = ("design",)
    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 3, 1, 0

    def setup_cache(self):
        return {name: make() for name, (_, make) in DESIGNS.items()}

    def setup(self, frames, name):
        self.formula, self.frame = DESIGNS[name][0], frames[name]
        few = {k: v[:: len(v) // 4000] for k, v in self.frame.items()}
        for tail in ("dense", "sparse"):  # kernels are compiled before
            mm.lmm(self.formula, few, tail=tail, optimizer="newton")

    def time_whole_call(self, frames, name):
        mm.lmm(self.formula, self.frame)

    def peakmem_whole_call(self, frames, name):
        mm.lmm(self.formula, self.frame)


class Bernoulli:
    """The full fit of a generalized model to a worker–firm panel, exact."""

    params = ([(20_000, 2_500), (100_000, 10_000)],)
    param_names = ("levels",)
    timeout = 1200
    number, repeat, rounds, warmup_time = 1, 2, 1, 0

    def setup(self, levels):
        self.frame = panel(*levels)
        self.frame["promoted"] = (self.frame["y"] > 1.5).astype(float)
        few = panel(800, 100, years=3)
        few["promoted"] = (few["y"] > 1.5).astype(float)
        self._fit(few, tail="sparse")  # kernels are compiled before

    def _fit(self, frame, **options):
        formula = "promoted ~ x + (1 | worker) + (1 | firm)"
        return mm.glmm(formula, frame, "bernoulli", **options)

    def time_whole_call(self, levels):
        self._fit(self.frame)

    def peakmem_whole_call(self, levels):
        self._fit(self.frame)


class SparseAndDense:
    """Objective with gradient of a panel of moderate size, over both tails."""

    params = ("dense", "sparse")
    param_names = ("tail",)
    timeout = 600

    def setup(self, tail):
        frame = panel(20_000, 2_500)
        self.model = mm.LinearMixedModel(DESIGNS["panel"][0], frame, tail=tail)
        self.theta = np.array([1.2, 0.7])
        self.other = self.theta * 1.01
        self.time_objective_gradient(tail)

    def time_objective_gradient(self, tail):
        self.model.objective_gradient(self.theta)
        self.theta, self.other = self.other, self.theta
