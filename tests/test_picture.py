"""What the command line draws, and which files it refuses before a fit."""

import sys

import pytest

import numbamm as mm
from numbamm.__main__ import main

FORMULA = "Yield ~ 1 + (1 | Batch)"


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_diagnostics_are_drawn_into_a_file(suffix, begins, tmp_path, capsys):
    path = tmp_path / f"a picture{suffix}"
    assert main(["fit", FORMULA, "Dyestuff", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(begins)
    assert "Batch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [("plot.odt", "must end in one of"), ("no/where.png", "there is no folder"), ("x", "end in")],
)
def test_files_are_refused_before_the_fit(name, message, capsys, monkeypatch):
    monkeypatch.setattr(mm, "lmm", None)
    assert main(["fit", FORMULA, "Dyestuff", "--plot", name]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_matplotlib_is_told(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["fit", FORMULA, "Dyestuff", "--plot", "x.png"]) == 1
    assert 'pip install "numbamm[plot]"' in capsys.readouterr().err
