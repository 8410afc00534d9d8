"""Many responses of one design, with standard errors and Satterthwaite's degrees of freedom."""

import numpy as np

import numbamm as mm

from .common import frame

RESPONSES = 2000


class ManyResponses:
    """Responses of sleepstudy's design: 180 rows, 18 subjects, 3 θ; complete, or with holes."""

    params = (("complete", "holes"), (1, 2))
    param_names = ("values", "threads")
    timeout = 300

    def setup(self, values, threads):
        self.rows = frame("sleepstudy")
        rng, n = np.random.default_rng(1), len(self.rows)
        subject = self.rows["Subject"].astype("category").cat.codes.to_numpy()
        days = self.rows["Days"].to_numpy()
        root = np.linalg.cholesky([[600.0, 10.0], [10.0, 35.0]])
        b = rng.normal(size=(RESPONSES, 18, 2)) @ root.T
        Y = 250 + 10 * days + b[:, subject, 0] + b[:, subject, 1] * days
        self.Y = (Y + 25 * rng.normal(size=(RESPONSES, n))).T
        if values == "holes":
            self.Y[rng.integers(0, n, RESPONSES), np.arange(RESPONSES)] = np.nan
        self._fit(self.Y[:, :20], threads)  # kernels are loaded

    def _fit(self, Y, threads):
        formula = "~ Days + (Days | Subject)"
        return mm.lmm_many(formula, self.rows, Y, reml=True, workers=threads)

    def time_many(self, values, threads):
        self._fit(self.Y, threads)

    def peakmem_many(self, values, threads):
        self._fit(self.Y, threads)

    def track_singular(self, values, threads):
        return self._fit(self.Y, threads).n_singular


class ManyGroups:
    """The same formula in many groups of 40 rows."""

    timeout = 300

    def setup(self):
        rng, sites = np.random.default_rng(2), 100
        child = np.tile(np.repeat(np.arange(10), 4), sites)
        site = np.repeat(np.arange(sites), 40)
        y = rng.normal(size=(sites, 10))[site, child] + rng.normal(size=40 * sites)
        week = np.tile(np.arange(4), 10 * sites)
        self.rows = {"site": site, "child": child, "week": week, "y": y}
        self.time_groups()

    def time_groups(self):
        mm.lmm_groups("y ~ week + (1 | child)", self.rows, "site", reml=True, workers=1)
