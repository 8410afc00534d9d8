"""Formula text → its pieces."""

import pytest

from numbamm.errors import FormulaError
from numbamm.formula.scan import scan


def pieces(formula):
    text = scan(formula)
    return text.fixed, [(t.lhs, t.kind, t.group) for t in text.terms]


@pytest.mark.parametrize(
    ("formula", "fixed", "terms"),
    [
        ("y ~ 1 + x + (1 + x | g)", "1 + x", [("1 + x", "|", "g")]),
        ("y ~ (1 | g)", "1", [("1", "|", "g")]),
        ("y ~ 0 + (1|g)", "0", [("1", "|", "g")]),
        ("y ~ -1 + x + (1 | g)", "- 1 + x", [("1", "|", "g")]),
        ("y ~ ((1 | g)) - x", "- x", [("1", "|", "g")]),
        ("y ~ (x + (1 | g)) + z", "x + z", [("1", "|", "g")]),
        ("y ~ (0 + x) + (x - 1 | g)", "0 + x", [("x - 1", "|", "g")]),
        ("y ~ z + (x - 1) + ((0 + x) | g)", "z + x - 1", [("0 + x", "|", "g")]),
        ("y ~ x - (x + z) + (1 | g)", "x - (x + z)", [("1", "|", "g")]),
        ("y ~ x + (x || g)", "x", [("x", "||", "g")]),
        ("y ~ zerocorr(x | g)", "1", [("x", "zerocorr", "g")]),
        ("y ~ zerocorr((x | g))", "1", [("x", "zerocorr", "g")]),
        ("y ~ diag(x | g) + us(z | h)", "1", [("x", "diag", "g"), ("z", "us", "h")]),
        ("y ~ diag(x) + us(x + 1) + (1 | g)", "diag(x) + us(x + 1)", [("1", "|", "g")]),
        ("y ~ diag + us * x + (us | diag)", "diag + us * x", [("us", "|", "diag")]),
        ("y ~ (a + b)^2 + (1 | a/b)", "(a + b)^2", [("1", "|", "a/b")]),
        ("y ~ ((a + log(b)))**2 + (a | g)", "((a + log(b)))**2", [("a", "|", "g")]),
        ("y ~ I(x > 1):I(a & b) + (1 | g)", "I(x > 1):I(a & b)", [("1", "|", "g")]),
        ("y ~ ifelse(x > 1, a & b, 0) + (1 | g)", "ifelse(x > 1, a & b, 0)", [("1", "|", "g")]),
        ("y ~ a & b + (1 | a & b)", "a : b", [("1", "|", "a & b")]),
        ("y ~ a %in% b + (1 | g)", "a : b", [("1", "|", "g")]),
        ("y ~ I((x > 1) | (z & 2)) + (1 | g)", "I((x > 1) | (z & 2))", [("1", "|", "g")]),
        ("y ~ `a | b` + C(f, '(x|') + (1 | `g h`)", "`a | b` + C(f, '(x|')", [("1", "|", "`g h`")]),
        ("y ~ x +\n  (1 | g)", "x", [("1", "|", "g")]),
        ("y ~ (x > 2) + (1 | g)", "I(x > 2)", [("1", "|", "g")]),
        (
            "y ~ ((x + 1 <= z)):f + (1 | g)",
            "(I(x + 1 <= z)):f",
            [("1", "|", "g")],
        ),
        ("y ~ 1 + ((x != 2) | g)", "1", [("I(x != 2)", "|", "g")]),
        ("y ~ ((x > 2) == (z > 1)) * f + (1 | g)", "I((x > 2) == (z > 1)) * f", [("1", "|", "g")]),
    ],
)
def test_pieces(formula, fixed, terms):
    assert pieces(formula) == (fixed, terms)


def test_offsets_are_taken_out():
    text = scan("y ~ x + offset(log(t)) + (1 | g) + offset(2 * x)")
    assert text.offsets == ("log(t)", "2 * x")
    assert text.fixed == "x"


def test_counts_of_a_binomial_response():
    assert scan("cbind(s, f(n, s)) ~ (1 | g)").counts == ("s", "f(n, s)")
    assert scan("log(s) ~ (1 | g)").counts == ()


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("y~1+x+(1+x|g)", "y ~ 1 + x + (1 + x | g)"),
        ("y   ~ x\n + (1 |  g)", "y ~ x + (1 | g)"),
        ("y ~ -1+x - z+( x||g )", "y ~ -1 + x - z + (x || g)"),
        ("log (y)/10 ~ a*b + I(x**2) + (1|a:b)", "log(y)/10 ~ a * b + I(x**2) + (1 | a:b)"),
        ("y ~ poly(x,2) + (1|a/b)", "y ~ poly(x,2) + (1 | a/b)"),
    ],
)
def test_spaces_are_normalised(formula, text):
    assert scan(formula).text == text
    assert scan(text).text == text


def test_no_random_effects_term():
    with pytest.raises(FormulaError, match=r"no random-effects term.*\(1 \| group\)"):
        scan("y ~ x")


def test_zerocorr_needs_a_bar():
    for term in ("zerocorr(x)", "zerocorr()"):
        with pytest.raises(FormulaError, match="needs a bar"):
            scan(f"y ~ {term} + (1 | g)")
