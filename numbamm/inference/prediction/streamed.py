"""Predictions for rows that stream, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from numbamm.sources import open_source
from numbamm.sources.rowstream import RowStream


def predictions(model, newdata: Any, **options: Any) -> RowStream:
    """`predict` for each chunk of data that stream, or of the rows of a fit that streamed.

    Parameters
    ----------
    model : MixedModel
    newdata
        The data; None for the rows of the fit.
    **options
        As for `predict`.
    """
    from numbamm.inference.prediction.predict import predict

    def of_fit() -> Iterator[pd.Series | pd.DataFrame]:
        frame = model.frame
        for chunk in frame.rows_of(None, "predictions"):
            values = predict(model, chunk.data, **options).set_axis(chunk.labels)
            dropped = np.ones(chunk.nrows, dtype=bool)
            dropped[chunk.local] = False
            values.iloc[dropped] = np.nan
            yield values

    def of_new() -> Iterator[pd.Series | pd.DataFrame]:
        first = 0
        for data in source.chunks():
            values = predict(model, data, **options)
            if not isinstance(data, pd.DataFrame):
                values = values.set_axis(pd.RangeIndex(first, first + len(values)))
            first += len(values)
            yield values

    if newdata is None:
        return RowStream(of_fit, "predictions", model.frame.nrows)
    source = open_source(newdata)
    return RowStream(of_new, "predictions", source.nrows)
