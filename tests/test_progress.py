"""The progress bar: where it is shown, and where tqdm is not installed."""

import builtins

import pytest

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
