"""Markdown tables, as a parser of Markdown reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.every_result import RESULTS, STARRED, cells

from numbamm.report.content import Report, Table
from numbamm.report.markdown import code, escaped, report_markdown

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


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


@given(TEXTS, TEXTS)
def test_markdown_shows_any_names(first, second):
    markdown_it = pytest.importorskip("markdown_it")
    table = Table(["", "name"], [[f"x{first}y", f"x{second}y"]], left=2)
    report = Report("t", tables=[table], notes=[first])
    tokens = markdown_it.MarkdownIt().enable("table").parse(report_markdown(report))
    inside = [tokens[i + 1] for i, t in enumerate(tokens) if t.type == "td_open"]
    shown = ["".join(part.content for part in cell.children) for cell in inside]
    assert shown == [" ".join(f"x{text}y".split()) for text in (first, second)]


def test_marks_and_sections():
    text = report_markdown(Report("t", tables=[STARRED]))
    assert r"| 1.25\*\*\* |" in text and "*Rest \\& more*" in text


@pytest.mark.parametrize(
    ("text", "shown"), [("a b", "`a b`"), ("`a|b` + x", "`` `a|b` + x ``"), ("``", "``` `` ```")]
)
def test_code_may_have_back_quotes(text, shown):
    assert code(text) == shown
