"""The command line, in this process and as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import numbamm as mm
from numbamm import compilation
from numbamm.__main__ import main
from numbamm.blocks.linking import dispatcher_of
from numbamm.blocks.search import newton, refits
from numbamm.glm import pirls, quadrature

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "numbamm", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_fit_of_a_shipped_set(first_use, fitted):
    assert first_use.stdout == f"{fitted(SLEEP, 'sleepstudy')}\n"


def test_first_use_says_once_that_it_compiles(first_use):
    assert first_use.stderr.count("\n") == 1
    assert "compiling" in first_use.stderr and str(first_use.folder) in first_use.stderr


def test_second_use_says_nothing_and_needs_no_unicode(first_use):
    environment = first_use.environment | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(first_use.command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Days" in done.stdout and done.stdout.isascii()


def test_json(capsys, fitted):
    assert main(["fit", SLEEP, "sleepstudy", "--reml", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    model = fitted(SLEEP, "sleepstudy", reml=True)
    assert results["objective"] == model.objective
    assert results["coefficients"]["Days"]["estimate"] == model.params["Days"]
    assert results["evaluations"] == model.optsum.feval
    assert results["theta"] == dict(zip(model.theta_names, model.theta, strict=True))


def test_generalized(capsys):
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    assert main(["fit", formula, "cbpp", "--family", "binomial", "--fast", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objective"] == pytest.approx(184.10859, abs=1e-5)
    assert main(["fit", formula, "cbpp", "--family", "binomial", "--link", "probit"]) == 0
    assert "link: probit" in capsys.readouterr().out
    assert main(["fit", formula, "cbpp", "--family", "binomial", "--nagq", "9"]) == 0
    assert "quadrature, 9 nodes" in capsys.readouterr().out
    assert main(["fit", formula, "cbpp", "--family", "binomial", "--reml"]) == 1
    assert main(["fit", SLEEP, "sleepstudy", "--fast"]) == 1


def test_optimizer_and_verbose(capsys):
    main(["fit", SLEEP, "sleepstudy", "--optimizer", "nlopt:LN_NELDERMEAD", "--verbose"])
    assert capsys.readouterr().out.startswith("f_1: 1784.6423 [1.0, 0.0, 1.0]\n")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_files(suffix, tmp_path, capsys, fitted):
    path = tmp_path / f"sleep{suffix}"
    data = mm.datasets.load("sleepstudy")
    data.to_parquet(path) if suffix == ".parquet" else data.to_csv(path, index=False)
    assert main(["fit", SLEEP, str(path)]) == 0
    assert capsys.readouterr().out == f"{fitted(SLEEP, 'sleepstudy')}\n"


def test_weights_and_offset(tmp_path, capsys):
    path = tmp_path / "data.csv"
    data = mm.datasets.load("sleepstudy").assign(w=2.0, o=1.0)
    data.to_csv(path, index=False)
    assert main(["fit", SLEEP, str(path), "--weights", "w", "--offset", "o", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    direct = mm.lmm(SLEEP, data, weights="w", offset="o")
    assert results["objective"] == pytest.approx(direct.objective)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", SLEEP, "sleepstudi"], "sleepstudy"),
        (["fit", SLEEP, "nowhere.csv"], "no file nowhere.csv"),
        (["fit", "Reaction ~ Dayz + (1 | Subject)", "sleepstudy"], "'Dayz'"),
        (["fit", SLEEP, "sleepstudy", "--optimizer", "nlopt:X"], "nlopt:LN_BOBYQA"),
    ],
)
def test_errors_are_one_message(arguments, message, capsys):
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("numbamm: ") and message in printed.err
    assert "Traceback" not in printed.err


def test_json_stays_json_beside_verbose(capsys):
    assert main(["fit", SLEEP, "sleepstudy", "--json", "--verbose"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["nobs"] == 180
    assert printed.err.startswith("f_1: 1784.6423")


@pytest.mark.parametrize("name", ["data.csv.gz", "data.parquet", "data.csv"])
def test_unreadable_file(name, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(b"" if name == "data.csv" else b"neither one nor the other")
    assert main(["fit", SLEEP, str(path)]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_tab_separated_and_compressed(tmp_path, capsys, fitted):
    path = tmp_path / "sleep.tsv.gz"
    mm.datasets.load("sleepstudy").to_csv(path, sep="\t", index=False)
    assert main(["fit", SLEEP, str(path)]) == 0
    assert capsys.readouterr().out == f"{fitted(SLEEP, 'sleepstudy')}\n"


def test_folder_of_a_data_sets_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "sleepstudy").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["fit", SLEEP, "sleepstudy"]) == 0


def test_list_of_data_sets(capsys):
    assert main(["datasets"]) == 0
    assert "sleepstudy" in capsys.readouterr().out


def test_compile():
    assert main(["compile"]) == 0
    for kernel in (newton.advance, refits.refits, pirls.pirls, quadrature.quadrature):
        kernel = dispatcher_of(kernel)
        name = f"{Path(kernel.py_func.__code__.co_filename).stem}.{kernel.__name__}-*.nbi"
        assert list(Path(kernel.stats.cache_path).glob(name))


def test_clear_removes_the_kernels_and_nothing_else(tmp_path):
    use = "from numbamm.blocks.jit import counter; from numbamm.glm.link import LINKS; import numpy"
    use += "; from numbamm.blocks.search.rotations import fold; none = numpy.zeros(0)"
    use += "; counter(); LINKS['log'].mean([0.0]); fold(none, numpy.zeros((4, 0), int), none)"
    use += "; print(counter.stats.cache_misses)"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled = [sys.executable, "-c", use]
    first = subprocess.run(compiled, env=environment, capture_output=True, text=True, check=True)
    kept = list(tmp_path.rglob("*.nb?"))
    folders = {path.parent for path in kept}
    assert len(folders) == 3
    others = [folder / "other.pyc" for folder in folders]
    for path in others:
        path.touch()
    done = run("clear", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0
    assert set(done.stdout.splitlines()) == {f"cleared {folder}" for folder in folders}
    assert not list(tmp_path.rglob("*.nb?")) and all(path.exists() for path in others)
    assert run("clear", NUMBA_CACHE_DIR=str(tmp_path)).stdout == ""
    again = subprocess.run(compiled, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout == first.stdout != "Counter()\n"


def test_compile_clears_first_if_asked(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(compilation, "clear", lambda: called.append("clear") or [Path("there")])
    monkeypatch.setattr(compilation, "compile_all", lambda: called.append("compile"))
    assert main(["compile"]) == 0
    assert called == ["compile"]
    assert main(["compile", "--clear"]) == 0
    assert called == ["compile", "clear", "compile"]
    assert capsys.readouterr().out == "cleared there\n"


def helper_of_the_tests(x):
    raise AssertionError("a formula of the command line called Python")


@pytest.mark.parametrize(
    "call", ["helper_of_the_tests(Days)", "Path('x')", "redirect_stdout(Days)", "json.loads('1')"]
)
def test_formulas_have_no_names_of_the_programs(capsys, monkeypatch, call):
    formula = f"Reaction ~ I({call}) + (1 | Subject)"
    for code in ("columns", "full"):
        monkeypatch.setenv("NUMBAMM_FORMULA_CODE", code)
        assert main(["fit", formula, "sleepstudy"]) == 1
        assert "numbamm: " in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".txt", ".md", ".tex", ".html", ".csv", ".docx"])
def test_tables_are_written_to_files(suffix, tmp_path, capsys, fitted):
    if suffix == ".docx":
        pytest.importorskip("docx")
    model, path = fitted(SLEEP, "sleepstudy", reml=True), tmp_path / f"my table{suffix}"
    other = tmp_path / "other.txt"
    arguments = ["--reml", "--ddf", "kr", "--output", str(path), "--output", str(other)]
    assert main(["fit", SLEEP, "sleepstudy", *arguments]) == 0
    summary = model.summary(ddf="kr")
    assert capsys.readouterr().out == f"{summary}\n"
    assert other.read_text(encoding="utf8") == f"{summary}\n"
    if suffix == ".docx":
        return
    text = path.read_text(encoding="utf8")
    held = {
        ".txt": str(summary),
        ".md": summary.to_markdown(),
        ".tex": summary.to_latex(),
        ".html": summary.to_html(),
        ".csv": "fixed,,Days,",
    }[suffix]
    assert held.strip() in text
    assert (suffix == ".html") == text.startswith("<!doctype html>")
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [("table.odt", "must end in one of .txt, .md"), ("no/where.txt", "there is no folder")],
)
def test_files_that_cannot_be_written_are_refused_before_the_fit(
    name, message, capsys, monkeypatch
):
    monkeypatch.setattr(mm, "lmm", None)
    assert main(["fit", SLEEP, "sleepstudy", "--output", name]) == 1
    assert message in capsys.readouterr().err


def test_plots_are_drawn_to_files(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    files = {"": "first.png", "ranef=": "second plot.pdf", "qq=": "third.svg"}
    plots = [f"--plot={name}{tmp_path / file}" for name, file in files.items()]
    assert main(["fit", SLEEP, "sleepstudy", *plots, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nobs"] == 180
    begins = {"first.png": b"\x89PNG", "second plot.pdf": b"%PDF", "third.svg": b"<?xml"}
    for file, first in begins.items():
        content = (tmp_path / file).read_bytes()
        assert content.startswith(first) and len(content) > 3000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resid=a.png", "did you mean 'residuals'"),
        ("a.xyz", "must end in one of"),
        ("no/where/a.png", "there is no folder"),
        ("effects=a.png", "--plot effects needs specs: draw it from Python"),
    ],
)
def test_plots_that_cannot_be_drawn_are_refused_before_the_fit(text, message, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(mm, "lmm", None)
    assert main(["fit", SLEEP, "sleepstudy", "--plot", text]) == 1
    assert message in capsys.readouterr().err


def test_plots_without_matplotlib_name_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["fit", SLEEP, "sleepstudy", "--plot", "a.png"]) == 1
    assert 'pip install "numbamm[plot]"' in capsys.readouterr().err
