"""Predictions for rows that stream are those for the same rows in memory."""

import numpy as np
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
    "options",
    [
        {},
        {"random": False, "interval": "confidence"},
        {"se": True, "re_form": ["g"], "interval": "prediction"},
    ],
)
def test_rows_of_the_fit(pair, options):
    memory, streamed = (
        pd.DataFrame(model.predict(**options))
        if model is pair[0]
        else pd.DataFrame(model.predict(**options).collect())
        for model in pair
    )
    pd.testing.assert_frame_equal(streamed, memory, rtol=1e-10, atol=1e-10)


def test_new_rows_may_stream(pair, tmp_path):
    new = irregular().assign(y=0.0)
    new.to_parquet(tmp_path / "new.parquet")
    expected = pair[0].predict(new)
    for model in pair:
        found = model.predict(tmp_path / "new.parquet")
        np.testing.assert_allclose(found.collect(), expected, rtol=1e-10, atol=1e-10)
        found.to_parquet(tmp_path / "predictions.parquet")
        written = pd.read_parquet(tmp_path / "predictions.parquet")["prediction"]
        np.testing.assert_allclose(written, expected, rtol=1e-10, atol=1e-10)
