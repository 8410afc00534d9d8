"""Linear models whose residuals have a structure: whole calls, as a user makes them."""

import numpy as np

import numbamm as mm


def trial(patients, visits, seed=1):
    """A clinical trial: two arms, a baseline, drop-outs and some missed visits."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    e = rng.normal(size=(patients, visits)) @ np.linalg.cholesky(0.7**lag).T
    patient, visit = np.divmod(np.arange(patients * visits), visits)
    arm, base = rng.integers(0, 2, patients)[patient], rng.normal(size=patients)[patient]
    y = base + 0.3 * arm * visit + e.ravel() * np.linspace(3, 5, visits)[visit]
    last = np.where(rng.random(patients) < 0.7, visits, rng.integers(1, visits + 1, patients))
    kept = (visit < last[patient]) & (rng.random(len(y)) > 0.02)
    columns = {"y": y, "id": patient, "visit": visit, "arm": arm, "base": base}
    frame = {name: values[kept] for name, values in columns.items()}
    return frame | {"visit": np.char.add("v", frame["visit"].astype(str).astype("U2"))}


def series(groups, times, seed=1):
    """Autoregressive series around levels of their own."""
    rng = np.random.default_rng(seed)
    e = np.zeros((groups, times))
    noise = rng.normal(size=(groups, times))
    e[:, 0] = noise[:, 0]
    for t in range(1, times):
        e[:, t] = 0.6 * e[:, t - 1] + 0.8 * noise[:, t]
    g, t = np.divmod(np.arange(groups * times), times)
    x = rng.normal(size=len(g))
    return {"y": x + e.ravel() + rng.normal(size=groups)[g], "g": g, "t": t, "x": x}


def strata(n, seed=1):
    """Rows of four strata with standard deviations of their own, in a thousand groups."""
    rng = np.random.default_rng(seed)
    g, f, x = rng.integers(0, 1000, n), rng.integers(0, 4, n), rng.normal(size=n)
    sd = np.array([1.0, 1.5, 2.0, 0.7])[f]
    y = x + rng.normal(size=1000)[g] + sd * rng.normal(size=n)
    return {"y": y, "g": g, "f": np.array(list("abcd"))[f], "x": x}


MMRM = ("y ~ base + C(arm) * visit", {"residual": "us(visit | id)", "reml": True})
CASES = {
    "MMRM of 200 × 4": (lambda: trial(200, 4), *MMRM),
    "MMRM of 2,000 × 10": (lambda: trial(2000, 10), *MMRM),
    "AR(1) of 1,000 × 100": (
        lambda: series(1000, 100),
        "y ~ x + (1 | g)",
        {"residual": "ar1(t | g)"},
    ),
    "AR(1) of 1 × 100,000": (lambda: series(1, 100_000), "y ~ x", {"residual": "ar1(t | g)"}),
    "strata of 1,000,000": (lambda: strata(10**6), "y ~ x + (1 | g)", {"dispersion": "~ f"}),
}


class Residuals:
    """`lmm` with a residual structure."""

    params = tuple(CASES)
    param_names = ("model",)
    timeout = 120

    def setup(self, name):
        data, self.formula, self.options = CASES[name]
        self.data = data()
        mm.lmm(self.formula, self.data, **self.options)  # compiles

    def time_lmm(self, name):
        mm.lmm(self.formula, self.data, **self.options)
