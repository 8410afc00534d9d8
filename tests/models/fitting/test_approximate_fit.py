"""Fits by random probes against exact ones, over designs of every kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import numbamm as mm

N = 3000


def crossed(seed=1, a=300, b=80, n=N, skew=1.0):
    """Users and items crossed at random, some popular; odd labels, some levels seen once."""
    rng = np.random.default_rng(seed)
    activity, fame = rng.lognormal(0, skew, a), 1 / (np.arange(b) + 5.0)
    u = rng.choice(a, n, p=activity / activity.sum())
    i = rng.choice(b, n, p=fame / fame.sum())
    x, z = rng.normal(size=n), rng.normal(size=n) + 2
    y = 3 + 0.2 * x + 0.5 * rng.normal(size=a)[u] + 0.6 * rng.normal(size=b)[i]
    y += 0.3 * rng.normal(size=b)[i] * z + 0.9 * rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "u": pd.Categorical.from_codes(u, [f"user {k} é" for k in range(a)]),
            "i": [f"i:{k}" for k in i],
            "w": rng.uniform(0.3, 3, n),
            "o": rng.normal(size=n),
            "g": u // 10,
            "h": rng.integers(0, 70, n),
            "d": rng.integers(0, 4, n),
        }
    )


def panel(seed=3, workers=400, firms=90, times=8, move=0.25):
    """Workers who change firms now and then, nearly nested in them."""
    rng = np.random.default_rng(seed)
    firm = rng.integers(0, firms, workers)
    rows = []
    for _ in range(times):
        moves = rng.random(workers) < move
        firm = np.where(moves, rng.integers(0, firms, workers), firm)
        rows.append(firm.copy())
    f, w = np.concatenate(rows), np.tile(np.arange(workers), times)
    x = rng.normal(size=len(f))
    y = 1 + 0.2 * x + 0.5 * rng.normal(size=workers)[w] + 0.3 * rng.normal(size=firms)[f]
    return pd.DataFrame({"y": y + 0.4 * rng.normal(size=len(f)), "x": x, "u": w, "i": f})


def no_item_effect(seed=9):
    data = crossed(seed)
    rng = np.random.default_rng(seed)
    data["y"] = 3 + 0.5 * rng.normal(size=300)[data["u"].cat.codes] + rng.normal(size=N)
    return data


#: Formula, data and options of each design; all have a tail to iterate on.
DESIGNS = {
    "ratings": ("y ~ x + (1 | u) + (1 | i)", crossed, {}),
    "REML": ("y ~ x + z + (1 | u) + (1 | i)", crossed, {"reml": True}),
    "weights, offset": ("y ~ x + (1 | u) + (1 | i)", crossed, {"weights": "w", "offset": "o"}),
    "known sigma": ("y ~ x + (1 | u) + (1 | i)", crossed, {"sigma": 0.9}),
    "slopes": ("y ~ x + z + (1 + x | u) + (1 + z | i)", crossed, {}),
    "zerocorr": ("y ~ x + z + (1 | u) + (1 + z || i)", crossed, {"reml": True}),
    "three factors": ("y ~ x + (1 | u) + (1 | i) + (1 | h)", crossed, {}),
    "small factor": ("y ~ x + (1 | u) + (1 | i) + (1 + x | d)", crossed, {}),
    "nested, crossed": ("y ~ x + (1 | g) + (1 | u) + (1 | i)", crossed, {}),
    "panel": ("y ~ x + (1 | u) + (1 | i)", panel, {}),
    "panel, slopes": ("y ~ x + (1 + x | u) + (1 | i)", panel, {"reml": True}),
    "singular": ("y ~ x + (1 | u) + (1 | i)", no_item_effect, {}),
    "rank deficient": ("y ~ x + I(2 * x) + (1 | u) + (1 | i)", crossed, {}),
}
each_design = pytest.mark.parametrize("name", DESIGNS)


@pytest.fixture(scope="module")
def exact():
    """The dense fit of each design, once."""
    found = {}

    def fit(name):
        if name not in found:
            formula, data, options = DESIGNS[name]
            found[name] = mm.lmm(formula, data(), tail="dense", **options)
        return found[name]

    return fit


def iterative(name, **options):
    formula, data, own = DESIGNS[name]
    return mm.lmm(formula, data(), tail="iterative", **own, **options)


def deviations(fit, other):
    """By how many Monte-Carlo errors each estimate differs from the exact one."""
    errors = fit.estimates.monte_carlo
    pairs = [
        (fit.theta - other.theta, errors.theta, 1e-3 * np.maximum(np.abs(other.theta), 1e-2)),
        (fit.params - other.params, errors.beta, 1e-6 * other.bse),
        ([fit.objective - other.objective], [errors.objective], [1e-6]),
    ]
    out = []
    for difference, error, least in pairs:
        difference, error = np.asarray(difference, float), np.asarray(error, float)
        if len(error) != len(difference):  # left-out columns
            difference = difference[np.isfinite(difference)]
        out.append(np.abs(difference) / np.maximum(error, 1e-2 * np.asarray(least)[: len(error)]))
    return np.concatenate(out)


@each_design
def test_estimates_are_within_their_errors(name, exact):
    fit, other = iterative(name), exact(name)
    assert fit.blocks.name == "iterative"
    assert deviations(fit, other).max() < 6  # t distribution of 7 degrees of freedom
    assert fit.estimates.monte_carlo.share <= 0.01
    np.testing.assert_allclose(fit.bse, other.bse, rtol=2e-3)
    np.testing.assert_allclose(fit.sigma, other.sigma, rtol=2e-3)
    assert fit.is_singular() == other.is_singular()
    for group, frame in other.ranef().items():
        np.testing.assert_allclose(fit.ranef()[group], frame, atol=0.02)
