"""Values of rows that stream are those of the same rows in memory."""

import pandas as pd
import pytest
from sources.streams import cut, irregular

import numbamm as mm

CUTS = (1, 2, 2, 3, 50, 400, 401)


@pytest.fixture(scope="module")
def pair():
    formula = "y ~ x * f + year + (1 + x | g) + (1 | h)"
    options = {"weights": "w", "offset": "o", "reml": True}
    df = irregular()
    return mm.lmm(formula, df, **options), mm.lmm(formula, cut(df, *CUTS), **options)


@pytest.mark.parametrize(
    "compute",
    [
        lambda m: m.fittedvalues,
        lambda m: m.resid,
        lambda m: m.residuals("pearson"),
    ],
)
def test_values_of_rows_stream(pair, compute):
    memory, streamed = map(compute, pair)
    parts = list(streamed)
    assert [len(part) for part in parts] == [1, 1, 0, 1, 47, 350, 1, 299]
    collected, check = streamed.collect(), pd.testing.assert_frame_equal
    if memory.ndim == 1:
        memory, collected = memory.to_frame(), collected.to_frame()
    check(collected, memory, rtol=1e-10, atol=1e-10)
