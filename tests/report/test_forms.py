"""Tables that leave: each result as HTML, Markdown, LaTeX and Word, with odd names in it."""

import pickle
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.report.content import Hanging, Report, Table
from numbamm.report.html import report_html
from numbamm.report.latex import report_latex
from numbamm.report.latex_text import latex_text
from numbamm.report.markdown import escaped, report_markdown
from numbamm.report.text import report_text

ODD = {"x": "x_1 & 50%", "g": "a|b", "f": "<b>µ*", "y": "y~#1$^{2}"}


def data():
    rng = np.random.default_rng(7)
    g = rng.integers(0, 9, 120)
    f = np.array(["low \\_", "mid [1]", "`hi`"])[rng.integers(0, 3, 120)]
    x = rng.normal(size=120)
    y = x + rng.normal(size=9)[g] + (f == "`hi`") + rng.normal(size=120)
    return pd.DataFrame({"x": x, "g": g, "f": f, "y": y, "n": rng.poisson(np.exp(0.5 * x))})


@pytest.fixture(scope="module")
def linear():
    frame = data().rename(columns=ODD)
    x, g, f, y = (f"`{ODD[name]}`" for name in "xgfy")
    return mm.lmm(f"{y} ~ {x} + {f} + (1 + {x} | {g})", frame)


@pytest.fixture(scope="module")
def smaller(linear):
    x, g, f, y = (f"`{ODD[name]}`" for name in "xgfy")
    return mm.lmm(f"{y} ~ {x} + {f} + (1 | {g})", data().rename(columns=ODD))


@pytest.fixture(scope="module")
def counts():
    x, g = (f"`{ODD[name]}`" for name in "xg")
    return mm.glmm(f"n ~ {x} + (1 | {g})", data().rename(columns=ODD), "poisson")


RESULTS = {
    "model": lambda m, m0, g: m,
    "generalized": lambda m, m0, g: g,
    "summary": lambda m, m0, g: m.summary(ddf="satterthwaite"),
    "varcorr": lambda m, m0, g: m.varcorr,
    "anova": lambda m, m0, g: m.anova(),
    "lrtest": lambda m, m0, g: mm.lrtest(m0, m),
    "information_criteria": lambda m, m0, g: mm.information_criteria(m0, m),
    "ranova": lambda m, m0, g: m.ranova(),
    "drop1": lambda m, m0, g: m0.drop1(),
    "coef_table": lambda m, m0, g: m.coef_table(),
    "contrast": lambda m, m0, g: m.contrast({ODD["x"]: 1}),
    "emmeans": lambda m, m0, g: m.emmeans(ODD["f"]),
    "pairs": lambda m, m0, g: m.emmeans(ODD["f"]).pairs(),
    "response": lambda m, m0, g: g.emmeans(ODD["x"], at={ODD["x"]: [0, 1e-3]}, type="response"),
    "r2": lambda m, m0, g: m.r2(),
    "icc": lambda m, m0, g: g.icc(),
    "pca": lambda m, m0, g: m.pca(),
    "profile": lambda m, m0, g: m0.profile(["sigma", ODD["x"]]),
    "bootstrap": lambda m, m0, g: m0.bootstrap(20, seed=1),
    "power": lambda m, m0, g: m0.power(ODD["x"], n=10, seed=1),
    "allfit": lambda m, m0, g: mm.allfit(m0, ["newton", "nlopt:LN_BOBYQA"]),
    "convergence": lambda m, m0, g: m.check_convergence(),
    "vif": lambda m, m0, g: m.vif(),
    "collinearity": lambda m, m0, g: m.check_collinearity(),
    "deletion": lambda m, m0, g: m0.delete_levels(refit=False),
    "overdispersion": lambda m, m0, g: g.check_overdispersion(),
    "modeltable": lambda m, m0, g: mm.modeltable(
        *(m0, m, g), names=["a|b", "<i>_", "5 & 50%"], exponentiate=[False, False, True], stars=True
    ),
    "influence": lambda m, m0, g: g.influence(),
    "zeroinflation": lambda m, m0, g: g.check_zeroinflation(),
}


@pytest.fixture(scope="module")
def results(linear, smaller, counts):
    return {name: make(linear, smaller, counts) for name, make in RESULTS.items()}


def cells(report, of_section):
    """Every cell of a report, row by row; the row of a section's heading depends on the form."""
    rows = []
    for table in report.tables:
        rows += table.heads
        for i, row in enumerate(table.rows):
            if i in table.sections:
                rows.append(of_section(table.sections[i], len(row)))
            rows.append(row)
    return [[str(cell) for cell in row] for row in rows]


class Cells(HTMLParser):
    """The cells of HTML tables; elements must be closed in the order in which they were opened."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attributes):
        if tag == "br":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text


@pytest.mark.parametrize("name", RESULTS)
def test_html_has_every_cell(results, name):
    parser = Cells()
    parser.feed(results[name].to_html())
    assert not parser.open
    assert parser.rows == cells(results[name]._report(), lambda heading, n: [heading])
    if name != "influence":  # pandas shows a part of a long frame
        assert results[name]._repr_html_() == results[name].to_html()


@pytest.mark.parametrize("name", RESULTS)
def test_markdown_has_every_cell(results, name):
    markdown_it = pytest.importorskip("markdown_it")
    parse = markdown_it.MarkdownIt("commonmark").enable("table").parse
    text = results[name].to_markdown()
    tokens = parse(text)
    inside = [tokens[i + 1] for i, t in enumerate(tokens) if t.type in ("td_open", "th_open")]
    shown = ["".join(part.content for part in cell.children) for cell in inside]
    report = results[name]._report()
    # Markdown knows no space at the ends of a cell.
    rows = cells(report, lambda heading, n: [heading, *[""] * (n - 1)])
    assert shown == [cell.strip() for row in rows for cell in row]
    kinds = {part.type for token in tokens for part in token.children or []}
    marked = {f"{kind}_{side}" for kind in ("strong", "em") for side in ("open", "close")}
    assert kinds <= {"text", "text_special", "code_inline", *marked}
    # The lines of a table are equally long.
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(line) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", RESULTS)
def test_frames_hold_what_is_shown(results, name):
    frame = results[name].to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame)
    numbers = np.concatenate([pd.to_numeric(frame[n], errors="coerce") for n in frame])
    if name == "convergence":  # its table is one of sentences
        return
    report = results[name]._report()
    found = 0
    for table in report.tables:
        for row in table.rows:
            for cell in row[table.left :]:
                if not re.fullmatch(r"-?\d+\.\d+", cell):
                    continue
                decimals = len(cell.partition(".")[2])
                close = np.abs(numbers - float(cell)) <= 0.5000001 * 10.0**-decimals
                found += bool(close.any())
                # Criteria and variances of a model are not in the frame of its parameters.
                assert close.any() or name in ("model", "generalized", "summary"), cell
    assert found


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


@pytest.mark.skipif(shutil.which("tidy") is None, reason="needs tidy")
def test_html_is_valid(results):
    body = "".join(result.to_html() for result in results.values())
    body += report_html(Report("t", tables=[STARRED]))
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title></head>'
        f"<body>{body}</body></html>"
    )
    done = subprocess.run(
        ["tidy", "-q", "-e", "-utf8"], input=page, capture_output=True, text=True, encoding="utf8"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", RESULTS)
def test_latex_has_no_character_that_is_a_command(results, name):
    text = results[name].to_latex()
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)[%#]", line)
    for line in re.findall(r"^.*\\\\$", text, flags=re.MULTILINE):  # rows
        plain = re.sub(r"\$[^$]*\$", "", re.sub(r"\\[$&_%#{}]", "", line))
        assert not re.search(r"[_^~$]|[^\x00-\xff]", plain.replace("\\\\", "")), line


STARRED = Table(
    ["", "A", "B"],
    [["x", Hanging("1.25", "***"), Hanging("0.10")], ["", Hanging("(0.31", ")"), "–"]],
    sections={0: "Fixed effects", 1: "Rest & more"},
    second=["", "odds ratio", "Coef."],
)


def test_marks_stand_outside_their_columns():
    report = Report("t", tables=[STARRED], notes=["* p < 0.05"])
    assert report_text(report).splitlines() == [
        "t",
        "─────────────────────────",
        "              A         B",
        "     odds ratio     Coef.",
        "─────────────────────────",
        "Fixed effects",
        "  x        1.25***   0.10",
        "Rest & more",
        "          (0.31)        –",
        "─────────────────────────",
        " * p < 0.05",
    ]
    assert r"1.25\rlap{$^{***}$}" in report_latex(report)
    assert r"\textit{Rest \& more}" in report_latex(report)
    assert r"| 1.25\*\*\* |" in report_markdown(report)
    assert "*Rest \\& more*" in report_markdown(report)
    assert ">***</span>" in report_html(report)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x_1 & 50% #a $b {c}", r"x\_1 \& 50\% \#a \$b \{c\}"),
        ("a~b^c\\d", r"a$\sim$b\textasciicircum{}c\textbackslash{}d"),
        ("-2 logLik", "$-$2 logLik"),
        ("A - B", "A $-$ B"),
        ("2020-01-31", "2020-01-31"),
        ("<1e-05", "$<10^{-5}$"),
        ("gives 7.072e-10.", r"gives $7.072\times 10^{-10}$."),
        ("χ²(1) of λ", r"$\chi$$^{2}$(1) of $\lambda$"),
        ("Δ ΑΣ ο ή ς", r"$\Delta$ $\mathrm{A}$$\Sigma$ $\mathrm{o}$ $\acute{\eta}$ $\varsigma$"),
        ("½ ∞ – …", r"$\frac{1}{2}$ $\infty$ -- \dots{}"),
        ("a--b", "a-{}-b"),
        ("x10⁻¹⁶", "x10$^{-16}$"),
        ("Größe Šidák µm", r"Größe Šidák \textmu{}m"),
        ("two\nlines", "two lines"),
        ("β̂ x̄ é", r"$\hat{\beta}$ $\bar{x}$ é"),
        ("a\x07b", "ab"),
        ("日数 Ж", "日数 Ж"),
    ],
)
def test_latex_of_text(text, latex):
    assert latex_text(text) == latex


def test_a_row_is_no_argument_of_what_stands_before_it():
    text = report_latex(Report("t", tables=[Table(["[a]", "b"], [["[1]", "2"], ["*", "3"]])]))
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert [row[:3] for row in rows] == ["{}[", "{}[", "{}*"]


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("a|b", r"a\|b"),
        ("x_1", "x_1"),
        ("_x_", r"\_x\_"),
        ("<b>*", r"\<b\>\*"),
        ("a\nb", "a b"),
        ("[x](y)", r"\[x\](y)"),
    ],
)
def test_markdown_of_text(text, markdown):
    assert escaped(text) == markdown


@pytest.mark.parametrize("note", ["# a", "1. a", "- a", "+ a", "2) a"])
def test_a_note_is_no_heading_and_no_list(note):
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt().parse(report_markdown(Report("t", notes=[note])))
    assert {t.type for t in tokens} == {"paragraph_open", "inline", "paragraph_close"}
    assert "".join(part.content for part in tokens[-2].children) == note


def test_captions_and_labels(smaller):
    text = smaller.r2().to_latex("My {\\em own}", "tab:r2")
    assert "\\caption{My {\\em own}}\n\\label{tab:r2}" in text
    assert "\\caption" not in smaller.r2().to_latex("")
    assert "table}" not in smaller.r2().to_latex(floating=False)


def test_a_model_without_a_fit_has_no_table():
    model = mm.LinearMixedModel("y ~ x + (1 | g)", data())
    for form in ("to_html", "to_markdown", "to_latex", "to_frame"):
        with pytest.raises(mm.NotFittedError, match="fit()"):
            getattr(model, form)()


def test_word(results, tmp_path):
    docx = pytest.importorskip("docx")
    for name, result in results.items():
        result.to_word(tmp_path / f"{name}.docx")
    for name, result in results.items():
        document = docx.Document(str(tmp_path / f"{name}.docx"))
        shown = [[c.text for c in row.cells] for t in document.tables for row in t.rows]
        expected = cells(result._report(), lambda heading, n: [heading] * n)
        assert [[c.replace("−", "-") for c in row] for row in shown] == expected
    with pytest.raises(mm.OptionError, match="cannot be written"):
        results["r2"].to_word(tmp_path / "missing" / "r2.docx")


def test_packages_that_are_missing_are_named(results, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "docx", None)
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(mm.OptionError, match=r"numbamm\[word\]"):
        results["r2"].to_word(tmp_path / "r2.docx")
    with pytest.raises(mm.OptionError, match="pip install great_tables"):
        results["r2"].to_great_tables()


@pytest.mark.parametrize("name", RESULTS)
def test_great_tables(results, name):
    great_tables = pytest.importorskip("great_tables")
    parser = Cells()
    html = re.sub(r"(?s)<style>.*?</style>", "", results[name].to_great_tables().as_raw_html())
    parser.feed(html)
    last = results[name]._report().tables[-1]
    assert [row for row in parser.rows if row in last.rows] == [[*map(str, r)] for r in last.rows]
    great_tables.GT(results[name].to_frame().reset_index())  # takes the numbers, too


def test_a_frame_with_the_tables_of_results(counts, tmp_path):
    frame = counts.influence()
    assert isinstance(frame, pd.DataFrame) and repr(frame) == repr(frame.to_frame())
    assert type(frame.to_frame()) is type(frame.head()) is type(frame[["cooks"]]) is pd.DataFrame
    again = pickle.loads(pickle.dumps(frame))
    assert again.to_latex() == frame.to_latex()
    assert frame.to_html(index=False) == frame.to_frame().to_html(index=False)  # as pandas has it
    assert frame.to_latex(caption="mine").count("\\caption{mine}") == 1
    cooks = [line.split("|")[-2].strip() for line in frame.to_markdown().splitlines()[4:]]
    assert cooks == [f"{value:.4f}" for value in frame["cooks"]]
