"""Text that LaTeX shows as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.report.content import Report, Table
from numbamm.report.latex import report_latex
from numbamm.report.latex_text import latex_text, with_minus

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


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


def test_minus_signs():
    text = "-1.5 and A - B, not x-1 or 2020-01-31"
    assert with_minus(text) == "−1.5 and A − B, not x-1 or 2020-01-31"
