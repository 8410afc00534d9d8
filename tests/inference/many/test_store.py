"""Columns in a Parquet file: those in memory, and never half of a file."""

import numpy as np
import pandas as pd
import pytest
from inference.many.many_designs import responses, rows
from inference.resampling.executors import Dying

import numbamm as mm
from numbamm.errors import NumbammWarning, OptionError

DATA = rows()
Y = responses(DATA)
RIGHT = "~ x + (1 + x | g)"


@pytest.mark.parametrize("fdr", [None, "bh"])
def test_a_file_has_the_columns_of_fits(tmp_path, fdr):
    bad = np.column_stack([Y, np.full(len(Y), 2.0)])
    path = tmp_path / "fits.parquet"
    with pytest.warns(NumbammWarning, match="1 of 10"):
        kept = mm.lmm_many(RIGHT, DATA, bad, fdr=fdr)
    with pytest.warns(NumbammWarning, match="1 of 10"):
        written = mm.lmm_many(RIGHT, DATA, bad, fdr=fdr, path=path)
    pd.testing.assert_frame_equal(written.fits, kept.fits, check_index_type=False)
    pd.testing.assert_frame_equal(written.to_frame(), kept.to_frame())
    file = pd.read_parquet(path)
    assert file["response"].to_list() == list(range(10))
    assert file["reason"].notna().to_list() == [False] * 9 + [True]
    assert ("padjusted_x" in file) == (fdr is not None)
    assert [p.name for p in tmp_path.iterdir()] == ["fits.parquet"]
    assert str(path) in repr(written) and "1 failed" in repr(written)


def test_what_fails_leaves_no_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "fits.parquet"
    path.write_text("old")
    with pytest.raises(mm.DataError, match="must be numbers"):
        mm.lmm_many(RIGHT, DATA, ["h", "f"], path=path, workers=1)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["fits.parquet"]
    with pytest.raises(OptionError, match="there is no folder"):
        mm.lmm_many(RIGHT, DATA, Y, path=tmp_path / "none" / "fits.parquet")


def test_an_interrupt_keeps_what_is_done(monkeypatch, tmp_path):
    from numbamm.inference.many import batches

    def interrupted(task, parts, workers):
        for k in (1, 0, 2):
            yield k, task(parts[k])
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "completed", interrupted)
    for path in (None, tmp_path / "fits.parquet"):
        with pytest.warns(NumbammWarning, match="3 of 9 are fitted"):
            many = mm.lmm_many(RIGHT, DATA, Y, path=path)
        assert many.fits.index.to_list() == [0, 1, 2] and many.n == 3


@pytest.mark.parametrize("form", ["memory", "file"])
def test_a_process_that_ends_leaves_the_fits_that_are_done(tmp_path, form):
    path = None if form == "memory" else tmp_path / "fits.parquet"
    with Dying(2) as workers, pytest.raises(mm.WorkerError) as caught:
        mm.lmm_many(RIGHT, DATA, Y, path=path, workers=workers)
    done, whole = caught.value.partial, mm.lmm_many(RIGHT, DATA, Y)
    assert 0 < done.n < 9
    pd.testing.assert_frame_equal(done.fits, whole.fits[: done.n], check_index_type=False)


def test_a_folder_is_refused_before_any_fit(tmp_path):
    with pytest.raises(mm.OptionError, match="is a folder: give the path of a file"):
        mm.lmm_many("~ x + (1 | g)", DATA, Y, path=tmp_path)
