"""Predictions for rows that stream, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from numbamm.formula.columns import Table
from numbamm.sources import open_source
from numbamm.sources.rowstream import RowStream


def predictions(model, newdata: Any, predict: Callable[[Any], Any]) -> RowStream:
    """Predictions for each chunk of data that stream, or of the rows of a fit that streamed.

    Parameters
    ----------
    model : MixedModel
    newdata
        The data; None for the rows of the fit.
    predict : callable
        Gives the predictions for a frame in memory.
    """

    def of_fit() -> Iterator[pd.Series | pd.DataFrame]:
        frame = model.frame
        for chunk in frame.rows_of(None, "predictions"):
            local = frame.part(chunk).rows - chunk.first
            table = Table(chunk.data)
            columns = {name: table.column(name).iloc[local] for name in frame.reading.columns}
            values = predict(columns).set_axis(local)
            yield values.reindex(range(chunk.nrows)).set_axis(chunk.labels)

    def of_new() -> Iterator[pd.Series | pd.DataFrame]:
        first = 0
        for data in source.chunks():
            values = predict(data)
            if not isinstance(data, pd.DataFrame):
                values = values.set_axis(pd.RangeIndex(first, first + len(values)))
            first += len(values)
            yield values

    if newdata is None:
        return RowStream(of_fit, "predictions", model.frame.nrows)
    source = open_source(newdata)
    return RowStream(of_new, "predictions", source.nrows)
