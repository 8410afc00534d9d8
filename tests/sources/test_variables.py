"""Marginal means of models whose rows stream: the variables are read once more."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError
from numbamm.sources.variables import with_variables


@pytest.fixture(scope="module")
def chunks():
    """Chunks of unequal sizes, none with all levels, with missing rows and odd names."""
    rng = np.random.default_rng(6)
    n = 600
    d = pd.DataFrame({"g": rng.integers(0, 15, n), "my x": rng.normal(40, 2, n).round(1)})
    d["f"] = rng.choice(["ü", "a b", "z"], n)
    d.loc[d["f"].isin(["z"]) & (d["g"] < 5), "f"] = "a b"
    d["size"] = pd.Categorical(rng.choice(["small", "large"], n), ["small", "large"])
    d["y"] = rng.normal(size=15)[d["g"]] + (d["f"] == "z") + 0.1 * d["my x"] + rng.normal(size=n)
    d["e"] = (rng.random(n) < 1 / (1 + np.exp(-d["y"] + 4))) * 1.0
    d.loc[[3, 200], "my x"] = np.nan
    d = d.sort_values("f", ignore_index=True)
    return [d.iloc[:40], d.iloc[40:350], d.iloc[350:]]


@pytest.mark.parametrize("fixed", ["`my x` * f + size", "I(`my x`**2) + C(f) : size"])
def test_as_from_a_frame(chunks, fixed):
    data, both = pd.concat(chunks), []
    streamed = mm.lmm(f"y ~ {fixed} + (1 | g)", chunks)
    whole = mm.lmm(f"y ~ {fixed} + (1 | g)", data)
    for m in (streamed, whole):
        means = m.emmeans("f", by="size", weights="cells")
        both.append([means.frame, means.pairs("none").frame, m.emtrends("f", "my x").frame])
        assert len(means.plot()) == 2
    for ours, theirs in zip(*both, strict=True):
        assert list(ours.columns) == list(theirs.columns)
        for name in ours:
            if ours[name].dtype.kind == "f":
                assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-8)
            else:
                assert list(map(str, ours[name])) == list(map(str, theirs[name]))


def test_means_over_the_random_effects(chunks):
    streamed = mm.glmm("e ~ `my x` + f + (1 | g)", chunks, "bernoulli")
    whole = mm.glmm("e ~ `my x` + f + (1 | g)", pd.concat(chunks), "bernoulli")
    ours, theirs = (m.emmeans("f", re="integrated").frame for m in (streamed, whole))
    assert_allclose(ours[["estimate", "se"]], theirs[["estimate", "se"]], rtol=1e-4)
    assert with_variables(streamed.frame) is with_variables(streamed.frame)
    assert with_variables(whole.frame) is whole.frame


def test_without_the_source(chunks):
    m = pickle.loads(pickle.dumps(mm.lmm("y ~ f + (1 | g)", chunks)))
    with pytest.raises(DataError, match="pickled model goes without its data"):
        m.emmeans("f")
