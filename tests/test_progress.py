"""The progress bar: where it is shown, and where tqdm is not installed."""

import builtins
import time

import pytest

import numbamm as mm
from numbamm import config
from numbamm.progress import progress_bar


def drawn(capsys, wanted):
    bar = progress_bar(3, wanted, "fit")
    if hasattr(bar, "delay"):
        bar.delay = 0.0
    for _ in range(3):
        bar.update(1)
        if hasattr(bar, "refresh"):
            bar.refresh()
    bar.close()
    return capsys.readouterr().err


def test_it_is_shown_where_it_is_wanted(capsys):
    pytest.importorskip("tqdm")
    assert "fit" in drawn(capsys, True)
    assert drawn(capsys, False) == ""
    assert drawn(capsys, None) == ""  # no terminal
    with config.context(progress=True):
        assert "fit" in drawn(capsys, None)
        assert drawn(capsys, False) == ""


def test_without_tqdm_it_is_silent(capsys, monkeypatch):
    usual = builtins.__import__

    def without(name, *arguments):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return usual(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert drawn(capsys, True) == ""


def test_a_bar_by_rows_shows_the_passes(capsys):
    pytest.importorskip("tqdm")
    sleep = mm.datasets.load("sleepstudy")

    def slowly():
        for i in range(0, 180, 60):
            time.sleep(0.5)
            yield sleep[i : i + 60]

    mm.lmm("Reaction ~ Days + (1 | Subject)", slowly, progress=True)
    shown = capsys.readouterr().err
    assert "reading levels" in shown and "row/s" in shown
    mm.lmm("Reaction ~ Days + (1 | Subject)", lambda: [sleep], progress=False)
    assert "reading" not in capsys.readouterr().err
