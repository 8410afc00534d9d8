"""Data of the command line: separators, decimal commas, formats, standard input."""

import gzip
import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.__main__ import main
from numbamm.datafiles import read

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return mm.datasets.load("sleepstudy")


@pytest.mark.parametrize(
    ("sep", "decimal", "said"),
    [
        (",", ".", ""),
        (";", ",", "semicolons and decimal commas in Reaction"),
        (";", ".", "semicolons"),
        ("\t", ",", "tabs and decimal commas in Reaction"),
        ("|", ".", "bars"),
        (" ", ".", "spaces"),
        (",", ",", "decimal commas in Reaction"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".txt", ".csv.gz", ""])
def test_separators_and_decimal_commas(sep, decimal, said, suffix, sleep, tmp_path, capsys):
    path = tmp_path / f"sleep data{suffix}"
    quoting = 1 if sep == decimal else 0
    sleep.to_csv(path, sep=sep, decimal=decimal, index=False, quoting=quoting)
    found = read(str(path))
    np.testing.assert_allclose(found["Reaction"], sleep["Reaction"])
    assert [*found["Days"]] == [*sleep["Days"]]
    err = capsys.readouterr().err
    assert said in err and (err == "") == (said == "")
    assert f"numbamm: {path}" in err or not said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_odd_texts(tmp_path, encoding):
    text = 'größe;"a; b";g\n1,5;x;1\n;y;1\n1.234,5;x;2\n-2;NA;2\n'
    (tmp_path / "a.csv").write_text(text, encoding=encoding)
    found = read(str(tmp_path / "a.csv"))
    assert [*found.columns] == ["größe", "a; b", "g"]
    np.testing.assert_array_equal(found["größe"], [1.5, np.nan, 1234.5, -2.0])


def test_what_cannot_be_told_is_named(tmp_path, capsys):
    ambiguous, latin, ragged = (tmp_path / f"{n}.csv" for n in ("ambiguous", "latin", "ragged"))
    ambiguous.write_text('y,g\n"1,234",a\n"2,500",b\n')
    latin.write_bytes("größe,g\n1,a\n".encode("latin-1"))
    ragged.write_text("a,b\n1,2\n3,4,5\n")
    for path, message in {
        ambiguous: "column 'y' has numbers such as '1,234', whose comma may stand for decimals or",
        latin: "not text in UTF-8",
        ragged: "line 3",
    }.items():
        assert main(["fit", "y ~ 1 + (1 | g)", str(path)]) == 1
        assert message in capsys.readouterr().err


def test_excel(sleep, tmp_path, fitted, capsys):
    pytest.importorskip("openpyxl")
    path = tmp_path / "sleep.xlsx"
    with pd.ExcelWriter(path) as writer:
        sleep.to_excel(writer, sheet_name="first", index=False)
        sleep.query("Days < 5").to_excel(writer, sheet_name="second", index=False)
    assert main(["fit", SLEEP.replace("Subject", "Subject"), str(path), "--json"]) == 0
    assert '"nobs": 180' in capsys.readouterr().out
    assert main(["fit", SLEEP, str(path), "--sheet", "second", "--json"]) == 0
    assert '"nobs": 90' in capsys.readouterr().out
    assert main(["fit", SLEEP, str(path), "--sheet", "third"]) == 1
    assert "third" in capsys.readouterr().err


def test_a_missing_reader_is_named_with_its_extra(sleep, tmp_path, monkeypatch, capsys):
    for name, extra in {"openpyxl": "excel", "pyarrow": "parquet"}.items():
        path = tmp_path / {"excel": "a.xlsx", "parquet": "a.parquet"}[extra]
        sleep.to_excel(path) if extra == "excel" else sleep.to_parquet(path)
        monkeypatch.setitem(sys.modules, name, None)
        assert main(["fit", SLEEP, str(path)]) == 1
        assert f"pip install 'numbamm[{extra}]'" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "gzip", "parquet", "excel", "german"])
def test_standard_input(form, sleep, monkeypatch, capsys):
    out = io.BytesIO()
    if form == "excel":
        sleep.to_excel(out, index=False)
    elif form == "parquet":
        sleep.to_parquet(out)
    else:
        german = {"sep": ";", "decimal": ","} if form == "german" else {}
        out.write(sleep.to_csv(index=False, **german).encode())
    content = gzip.compress(out.getvalue()) if form == "gzip" else out.getvalue()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert main(["fit", SLEEP, "-", "--json"]) == 0
    assert '"objective": 1751.939' in capsys.readouterr().out


def test_empty_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert main(["fit", SLEEP, "-"]) == 1
    assert "standard input cannot be read: it is empty" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["config"], ["--help"]])
def test_a_closed_pipe_is_no_error(arguments):
    """As of ``| head -0``: the reader is gone before anything is written."""
    end, ours = os.pipe()
    os.close(end)
    command = [sys.executable, "-m", "numbamm", *arguments]
    done = subprocess.run(command, stdout=ours, stderr=subprocess.PIPE, text=True)
    os.close(ours)
    assert done.stderr == ""
    assert done.returncode == 141 or "--help" in arguments  # argparse's own end


def test_degrees_of_freedom(capsys, fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    assert main(["fit", SLEEP, "sleepstudy", "--reml", "--ddf", "kr"]) == 0
    assert capsys.readouterr().out == f"{model.summary(ddf='kenward-roger')}\n"
    assert main(["fit", SLEEP, "sleepstudy", "--ddf", "satterthwaite", "--json"]) == 0
    coefficients = json.loads(capsys.readouterr().out)["coefficients"]
    assert coefficients["Days"]["df"] == pytest.approx(18, abs=1e-3)
    assert coefficients["Days"]["t"] == pytest.approx(6.968, abs=1e-3)
    assert main(["fit", SLEEP, "sleepstudy", "--ddf", "satterwaite"]) == 1
    assert "did you mean 'satterthwaite'" in capsys.readouterr().err
