"""What holds for any numbers and any names in tables."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.report.content import Report, Table
from numbamm.report.digits import LONGEST, common_decimals, uniform
from numbamm.report.html import report_html
from numbamm.report.latex import report_latex
from numbamm.report.latex_text import latex_text
from numbamm.report.markdown import report_markdown

FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e250, max_value=1e250)
NUMBERS = st.lists(FLOATS, min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


@given(NUMBERS, st.integers(3, 8))
def test_one_number_of_decimals_or_exponents_for_all(values, digits):
    texts = uniform(values, digits)
    if any("e" in text for text in texts):
        assert all("e" in text or text == "0" for text in texts)
        shown = [text.partition("e")[0].lstrip("-") for text in texts if text != "0"]
        assert {len(text) for text in shown} == {digits + 1}
    else:
        assert len({len(text.partition(".")[2]) for text in texts}) == 1
        assert all(len(re.sub(r"\D", "", text)) <= LONGEST + 1 for text in texts)
    for text, value in zip(texts, values, strict=True):
        mantissa, _, exponent = text.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert abs(float(text) - value) <= 0.50001 * unit or text == "0"
        assert not (float(text) == 0 and text.startswith("-"))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), st.floats(1e-250, 1e250))
def test_a_number_is_zero_in_a_table_only_if_it_is_far_below_another(values, scale):
    texts = uniform(np.array(values) * scale, 6)
    assert all(float(text) != 0 for text in texts)


@given(NUMBERS, st.lists(st.floats(1e-8, 1e8), min_size=6, max_size=6))
def test_estimates_have_two_digits_of_the_smallest_error_where_there_is_room(values, errors):
    errors = errors[: len(values)]
    decimals = common_decimals(values, 6, errors)
    if decimals is not None:
        largest = max(map(abs, [*values, *errors]))
        whole = max(1, math.floor(math.log10(largest)) + 1)
        needed = 1 - math.floor(math.log10(min(errors)))
        assert decimals >= min(needed, LONGEST - whole)


@given(TEXTS, TEXTS)
def test_markdown_shows_any_names(first, second):
    markdown_it = pytest.importorskip("markdown_it")
    table = Table(["", "name"], [[f"x{first}y", f"x{second}y"]], left=2)
    report = Report("t", tables=[table], notes=[first])
    tokens = markdown_it.MarkdownIt().enable("table").parse(report_markdown(report))
    inside = [tokens[i + 1] for i, t in enumerate(tokens) if t.type == "td_open"]
    shown = ["".join(part.content for part in cell.children) for cell in inside]
    assert shown == [" ".join(f"x{text}y".split()) for text in (first, second)]


@given(TEXTS)
def test_html_shows_any_names(text):
    import html

    found = re.findall(
        r"<td[^>]*>(.*?)</td>", report_html(Report("", tables=[Table([""], [[text]])]))
    )
    assert [html.unescape(cell) for cell in found] == [text]


@given(TEXTS)
def test_latex_has_no_stray_commands(text):
    latex = latex_text(text)
    # Without what was put in for characters, nothing is left that LaTeX would take for a command.
    rest = re.sub(r"\\[&%_#${}]|\\text[a-z]+\{\}|\\dots\{\}|-\{\}|'\{\}", "", latex)
    rest = re.sub(r"\$[^$]*\$", "", rest)
    assert not set(rest.replace("~", "")) & set("\\&%_#${}^<>|`")
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")
    assert (
        "\n"
        not in report_latex(Report("", tables=[Table([text], [])]))
        .split("toprule\n")[1]
        .split(" \\\\\n")[0]
    )
