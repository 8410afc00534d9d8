"""LaTeX tables: they compile, and names cannot become commands."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from report.every_result import RESULTS, STARRED

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.report.content import Report, Table
from numbamm.report.latex import report_latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(results, tmp_path):
    tables = [result.to_latex(label=f"tab:{name}") for name, result in results.items()]
    tables += [result.to_latex(floating=False) for result in results.values()]
    tables += [report_latex(Report("t", tables=[STARRED]))]
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + "\\clearpage\n".join(tables)
        + "\\end{document}\n"
    )
    (tmp_path / "tables.tex").write_text(document, encoding="utf8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout


@pytest.mark.parametrize("name", RESULTS)
def test_latex_has_no_character_that_is_a_command(results, name):
    text = results[name].to_latex()
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)[%#]", line)
    for line in re.findall(r"^.*\\\\$", text, flags=re.MULTILINE):  # rows
        plain = re.sub(r"\$[^$]*\$", "", re.sub(r"\\[$&_%#{}]", "", line))
        assert not re.search(r"[_^~$]|[^\x00-\xff]", plain.replace("\\\\", "")), line


def test_a_row_is_no_argument_of_what_stands_before_it():
    text = report_latex(Report("t", tables=[Table(["[a]", "b"], [["[1]", "2"], ["*", "3"]])]))
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert [row[:3] for row in rows] == ["{}[", "{}[", "{}*"]


def test_wide_tables_are_set_in_smaller_type():
    def of_width(n):
        return report_latex(Report("t", tables=[Table(["", "x" * (n - 4)], [], left=1)]))

    assert "\\small\n" in of_width(70)
    assert "\\footnotesize\\setlength{\\tabcolsep}{4pt}\n" in of_width(71)
    assert "\\scriptsize" in of_width(100)
    long = report_latex(Report("t", tables=[Table(["", "A"], [["w " * 30, "1"]])]))
    assert "{@{}p{0.5\\linewidth}r@{}}" in long


def test_the_size_of_type_ends_with_the_table(smaller):
    text = smaller.r2().to_latex(floating=False)
    assert text.startswith("\\begingroup\n\\small\n") and text.endswith("\\par\\endgroup")


def test_captions_and_labels(smaller):
    text = smaller.r2().to_latex("My {\\em own}", "tab:r2")
    assert "\\caption{My {\\em own}}\n\\label{tab:r2}" in text
    assert "\\caption" not in smaller.r2().to_latex("")
    assert "table}" not in smaller.r2().to_latex(floating=False)


def test_marks_stand_outside_their_columns():
    text = report_latex(Report("t", tables=[STARRED]))
    assert r"1.25\rlap{$^{***}$}" in text and r"(0.31\rlap{)}" in text
    assert r"\multicolumn{3}{@{}l}{\textit{Rest \& more}}" in text


@pytest.mark.parametrize("option", [{"caption": np.zeros((2, 2))}, {"label": 3}])
def test_captions_and_labels_are_texts(option):
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    with pytest.raises(OptionError, match="^(caption|label) must be a text, not "):
        model.to_latex(**option)
