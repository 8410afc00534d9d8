"""Iterables of frames begin anew in every pass."""

import pandas as pd
import pytest

import numbamm as mm
from numbamm.sources.iterables import Frames, is_frame

FRAMES = [pd.DataFrame({"a": [1, 2]}), {"a": [3]}]


@pytest.mark.parametrize("given", [FRAMES, tuple(FRAMES), lambda: iter(FRAMES)])
def test_passes_begin_anew(given):
    source = Frames(given)
    assert source.names() == ["a"]
    for _ in range(3):
        assert [list(chunk["a"]) for chunk in source.chunks()] == [[1, 2], [3]]


def test_a_function_is_called_once_a_pass():
    calls = []

    def begin():
        calls.append(1)
        yield from FRAMES

    source = Frames(begin)
    source.names()
    list(source.chunks())
    assert len(calls) == 1  # the look at the names is the beginning of the first pass
    list(source.chunks())
    assert len(calls) == 2


def test_an_iterator_is_refused():
    with pytest.raises(mm.DataError, match="function that begins the iteration anew"):
        Frames(iter(FRAMES))


def test_what_is_a_frame():
    assert all(map(is_frame, FRAMES)) and not is_frame(FRAMES) and not is_frame(3)
