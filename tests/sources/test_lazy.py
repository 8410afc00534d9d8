"""Lazy frames are collected in batches."""

import polars as pl
import pytest

from numbamm.sources import lazy
from numbamm.sources.lazy import Lazy


@pytest.mark.parametrize("batches", [True, False])
def test_chunks_of_a_query(monkeypatch, batches):
    monkeypatch.setattr(lazy, "CHUNK", 100)
    if not batches:  # as before polars 1.34
        monkeypatch.delattr(pl.LazyFrame, "collect_batches", raising=False)
    frame = pl.LazyFrame({"a": range(730), "b": ["x"] * 730})
    source = Lazy(frame.filter(pl.col("a") > 9).with_columns(c=pl.col("a") * 2))
    assert source.names() == ["a", "b", "c"]
    for _ in range(2):
        chunks = list(source.chunks({"c"}))
        assert len(chunks) > 1 and chunks[0].columns == ["c"]
        assert pl.concat(chunks)["c"].to_list() == list(range(20, 1460, 2))
