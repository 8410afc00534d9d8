"""A second start where a structure may take the place of the residuals."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.models.fitting.structured_starts import LARGE, SMALL, StructuredStarts

rng = np.random.default_rng(1)
DATA = pd.DataFrame([(i, f) for i in range(12) for f in "abcd"], columns=["g", "f"])
DATA["y"] = rng.normal(size=12)[DATA.g] + 0.3 * rng.normal(size=48)


def test_only_after_a_singular_end():
    m = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA)
    starts = StructuredStarts(m.scaled, m.theta)
    assert [*map(list, starts.first(None))] == [list(m.theta)]
    assert starts.further(np.array([1.0, 0.4])) == []
    # each of the four columns is 1 in a quarter of the rows: its size is ½
    [again] = starts.further(np.array([1.0, np.pi / 2]))
    assert_allclose(np.linalg.norm(m.reterms[0].structure.matrix(again), axis=1) * 0.5, LARGE)
    assert starts.further(np.array([1.0, np.pi / 2])) == []  # once


def test_a_fit_tries_both():
    m = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA).fit()
    alone = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA).fit(optimizer="newton")
    assert m.objective <= alone.objective + 1e-8
    assert m.optsum.feval >= alone.optsum.feval


def test_after_an_end_with_hardly_a_residual():
    m = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA)
    starts = StructuredStarts(m.scaled, m.theta)
    assert starts.further(np.array([1.9 * LARGE, 0.4])) == []
    found = starts.further(np.array([2.1 * LARGE, 0.4]))
    for sd, theta in zip(SMALL, found, strict=True):
        assert_allclose(np.linalg.norm(m.reterms[0].structure.matrix(theta), axis=1) * 0.5, sd)
    [again] = starts.further(np.array([2.1 * LARGE, np.pi / 2]))  # singular, too
    assert_allclose(m.scaled.largest_sd(again), LARGE)


def nested(seed, missing):
    """Repeated visits of subjects, and of their halves: a random effect for each visit's rows."""
    rng, N, p = np.random.default_rng(seed), 30, 5
    root = np.linalg.cholesky(0.7 ** np.abs(np.subtract.outer(range(p), range(p))))
    b = rng.normal(size=(N, p)) @ root.T * np.linspace(0.7, 1.5, p)
    rows = [(s, t, k) for s in range(N) for t in range(p) for k in range(2)]
    data = pd.DataFrame(rows, columns=["s", "t", "k"])
    data["x"] = rng.normal(size=len(data))
    data["y"] = 1 + 0.5 * data.x + b[data.s, data.t] + 0.6 * rng.normal(size=len(data))
    data["v"] = [f"v{t}" for t in data.t]
    rng.uniform(size=len(data))
    return data[rng.uniform(size=len(data)) > missing].sample(frac=1, random_state=seed)


@pytest.mark.parametrize(
    ("structure", "seed", "missing", "objective"),
    [("cs", 1, 0.2, 644.672869), ("toep", 1, 0.4, 488.397273)],
)
def test_a_minimum_with_residuals_is_found(structure, seed, missing, objective):
    """Near the moments' start is one in which they vanish, 0.8 and 3.2 above it.

    The objectives were found by BOBYQA from several starts.
    """
    data = nested(seed, missing)
    m = mm.lmm(f"y ~ x + {structure}(0 + v | s/k)", data)
    assert_allclose(m.objective, objective, atol=1e-5)
    assert m.sigma > 0.1


def test_a_users_start_and_the_default():
    """`homtoep` has two minima here, 0.78 apart."""
    data = mm.datasets.load("Machines")
    m = mm.LinearMixedModel("score ~ Machine + homtoep(0 + Machine | Worker)", data)
    m.optsum.initial = [1.0, 0.5, -0.9]
    alone = m.refit(optimizer="newton").objective
    m.optsum.initial = [1.0, 0.5, -0.9]
    both = m.refit(optimizer="auto")
    assert both.objective < alone - 0.5
    best = mm.lmm("score ~ Machine + homtoep(0 + Machine | Worker)", data)
    assert_allclose(both.objective, best.objective, atol=1e-6)


def test_a_valley_in_which_the_average_information_is_poor():
    """Two nested terms that take over the residuals; it took 18,000 evaluations."""
    rng = np.random.default_rng(0)
    s, k, p = int(rng.integers(6, 20)), int(rng.integers(2, 5)), int(rng.integers(3, 5))
    rows = [(i, j, f"v{v}") for i in range(s) for j in range(k) for v in range(p)]
    d = pd.DataFrame(rows, columns=["s", "k", "v"])
    d["x"] = rng.normal(size=len(d))
    d["y"] = d.x + rng.normal(size=s)[d.s]
    d["y"] += rng.normal(size=s * k)[d.s * k + d.k] * rng.choice([0.3, 1])
    d["y"] += rng.normal(size=len(d)) * rng.choice([0.5, 1])
    d.loc[d.v == "v1", "y"] += rng.normal(size=s)[d.s[d.v == "v1"]]
    m = mm.lmm("y ~ x + cs(0 + v | s/k)", d)
    assert m.optsum.feval < 400
    assert m.objective < 462.826
