"""Data that stream: irregular rows, and their division into chunks."""

import functools

import numpy as np
import pandas as pd


@functools.cache
def irregular(seed: int = 3) -> pd.DataFrame:
    """Rows with missing values, far-off scales, dependent columns and several kinds of levels."""
    rng = np.random.default_rng(seed)
    n, letters = 700, list("qwertyuiopasdfghjklzxcvbnm")
    g, h = rng.integers(0, 26, n), rng.integers(0, 40, n)
    words = ["lo", "mid", "hi"]
    df = pd.DataFrame(
        {
            "g": np.array(letters, dtype=object)[g],
            "h": h,
            "f": rng.choice(["a", "b", "c"], n),
            "x": rng.normal(size=n),
            "year": 2000 + rng.integers(0, 12, n),
            "big": 1e6 + rng.normal(size=n),
            "tiny": 1e-7 * rng.normal(size=n),
            "w": rng.choice([0.0, 0.5, 1.0, 2.0], n, p=[0.02, 0.3, 0.4, 0.28]),
            "o": rng.normal(size=n),
            "i": rng.integers(1, 9, n),
            "odd name": rng.normal(size=n),
            "lab": pd.Categorical(rng.choice(words, n), categories=[*words, "never"]),
            "ord": pd.Categorical(rng.choice(words, n), categories=words, ordered=True),
            "flag": rng.random(n) < 0.4,
        }
    )
    df["twice"] = 2 * df["x"] + 1
    slope = 1 + 0.5 * rng.normal(size=26)[g]
    df["y"] = rng.normal(size=26)[g] + rng.normal(size=40)[h] + slope * df["x"]
    df["y"] += 0.4 * (df["f"] == "b") + 0.1 * (df["year"] - 2005) + rng.normal(size=n)
    df.loc[rng.choice(n, 30), "x"] = np.nan
    df.loc[rng.choice(n, 10), "g"] = None
    df.loc[rng.choice(n, 5), "y"] = np.nan
    return df


def cut(df: pd.DataFrame, *ends: int) -> list[pd.DataFrame]:
    """The rows in chunks that end at these rows; two equal ends give an empty chunk."""
    return [df.iloc[a:b] for a, b in zip((0, *ends), (*ends, len(df)), strict=True)]


def assert_same_fit(memory, streamed, rtol=1e-10, ends=1e-10):
    """Both models have the same estimates.

    `rtol` is for what follows from a θ, `ends` for the θ at which their searches ended.
    """
    np.testing.assert_allclose(streamed.objective, memory.objective, rtol=1e-12, atol=1e-8)
    at = memory.theta
    twin, scaled = streamed.twin(), streamed.scaled.to_scaled(memory.theta)
    np.testing.assert_allclose(twin.coefficients_at([scaled])[0], memory.estimates.beta, rtol=rtol)
    for a, b in zip(twin.effects_at(at)[1], memory.b, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(initial=0.0))
    pd.testing.assert_series_equal(streamed.params, memory.params, rtol=ends, atol=ends)
    pd.testing.assert_series_equal(streamed.bse, memory.bse, rtol=ends, atol=0)
    np.testing.assert_allclose(streamed.sigma, memory.sigma, rtol=ends)
    for a, b in zip(streamed.varcorr.terms, memory.varcorr.terms, strict=True):
        size = np.abs(b.cov).max()
        np.testing.assert_allclose(a.cov, b.cov, rtol=10 * ends, atol=10 * ends * size)
    for a, b in zip(streamed.reterms, memory.reterms, strict=True):
        assert list(a.levels) == list(b.levels) and a.cnames == b.cnames
    assert streamed.frame.n_missing == memory.frame.n_missing
    assert streamed.frame.n_zero_weight == memory.frame.n_zero_weight
    assert streamed.nobs == memory.nobs and streamed.frame.nrows == memory.frame.nrows
