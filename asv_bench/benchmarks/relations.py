"""Known covariances between levels, by whole calls: a pedigree, a dense matrix, a tree."""

import numpy as np
import pandas as pd

import numbamm as mm


def animals(n=10_000, generations=10, herds=50, seed=1):
    """A pedigree of overlapping families, and a record of each animal."""
    rng, each = np.random.default_rng(seed), n // generations
    parents = np.full((2, n), -1)
    for g in range(1, generations):
        own, first = slice(g * each, (g + 1) * each), (g - 1) * each
        parents[0, own] = first + rng.integers(0, each // 10, each)
        parents[1, own] = first + rng.integers(each // 2, each, each)
    rows = pd.DataFrame({"animal": 1 + np.arange(n), "sire": 1 + parents[0], "dam": 1 + parents[1]})
    family = mm.pedigree(rows)
    breeding = family.innovations.solve_transposed(rng.normal(size=(n, 1)))[:, 0]
    herd = rng.integers(0, herds, n)
    y = 10 + breeding + 0.5 * rng.normal(size=herds)[herd] + rng.normal(size=n)
    return rows.assign(y=y, herd=herd, counts=rng.poisson(np.exp(0.3 * breeding)))


def varieties(q=1000, n=5000, seed=1):
    """Genomic relationships of varieties, and plots of them."""
    rng = np.random.default_rng(seed)
    markers = rng.binomial(2, 0.3, (q, 2 * q)).astype(float)
    markers -= markers.mean(axis=0)
    names = [f"v{i}" for i in range(q)]
    K = pd.DataFrame(markers @ markers.T / markers.var(axis=0).sum(), names, names)
    variety, x = rng.integers(0, q, n), rng.normal(size=n)
    effect = markers @ rng.normal(size=2 * q) / np.sqrt(markers.var(axis=0).sum())
    y = 0.3 * x + effect[variety] + rng.normal(size=n)
    plots = {"y": y, "x": x, "variety": np.array(names)[variety], "block": rng.integers(0, 20, n)}
    return K, pd.DataFrame(plots)


class Relations:
    """From matrices, or rows of a pedigree, to estimates."""

    timeout = 600
    number, repeat, rounds, warmup_time = 1, 3, 1, 0

    def setup_cache(self):
        return animals(), varieties()

    def setup(self, made):
        self.animals, (self.K, self.plots) = made
        few = animals(200, 4, 5)  # kernels are compiled before
        self._pedigree(few)
        self._poisson(few)
        self._dense(*varieties(30, 100))

    def _pedigree(self, rows):
        family = {"animal": mm.pedigree(rows)}
        return mm.lmm("y ~ 1 + (1 | animal) + (1 | herd)", rows, precision=family, reml=True)

    def _poisson(self, rows):
        family = {"animal": mm.pedigree(rows)}
        return mm.glmm("counts ~ 1 + (1 | animal)", rows, "poisson", precision=family)

    def _dense(self, K, plots):
        formula = "y ~ x + (1 | variety) + (1 | block)"
        return mm.lmm(formula, plots, cov={"variety": K}, reml=True)

    def time_pedigree(self, made):
        self._pedigree(self.animals)

    def time_poisson_pedigree(self, made):
        self._poisson(self.animals)

    def time_dense(self, made):
        self._dense(self.K, self.plots)
