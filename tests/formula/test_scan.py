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


@pytest.mark.parametrize(
    ("formula", "message", "column"),
    [
        ("y ~ x + (1 | g", "never closed", 8),
        ("y ~ x + 1 | g)", "closes no bracket", 13),
        ("y ~ log(x] + (1 | g)", "closes no bracket", 9),
        ("y ~ C(f, 'a) + (1 | g)", "not closed", 9),
        ("y ~ `a b + (1 | g)", "not closed", 4),
        ("y ~ x | g", r"write \(x \| g\)", 6),
        ("y ~ x * (1 | g)", "can only be added", 11),
        ("y ~ x - (1 | g)", "not subtracted", 8),
        ("y ~ x:offset(z) + (1 | g)", "can only be added", 6),
        ("y ~ (1 | a | b)", "second bar", 11),
        ("y ~ ((1 | h) | g)", "bar inside", 8),
        ("y ~ ( | g)", "on the left", 6),
        ("y ~ (1 | )", "on the right", 7),
        ("y ~ zerocorr(x || g)", "single bar", 15),
        ("y ~ x + homdig(0 + x | g)", "no covariance structure 'homdig'; did you mean", 8),
        ("y ~ x + qqqq(0 + x | g)", "no covariance structure 'qqqq'; there are diag, ", 8),
        ("y ~ I(x^2) + (1 | g)", r"write \*\*", 7),
        ("y^2 ~ x + (1 | g)", r"write \*\*", 1),
        ("y ~ offset(x^2) + (1 | g)", r"write \*\*", 12),
        ("y ~ . + (1 | g)", "name the columns", 4),
        ("~ x + (1 | g)", "response is missing", 0),
        ("y ~", "nothing stands after", 2),
        ("y ~ x + (1 | g) +", "nothing follows", 16),
        ("y ~ x ~ (1 | g)", "second '~'", 6),
        ("(y ~ x + (1 | g))", "outside of parentheses", 3),
        ("y + x", "needs a '~'", 0),
        ("y ~ () + (1 | g)", "nothing stands in", 4),
        ("y ~ x > 2 + (1 | g)", r"write I\(x > 2\)", 6),
        ("y ~ f + x == 2 + (1 | g)", r"write I\(x > 2\)", 10),
        ("y ~ 1 + (x > 2 | g)", r"write I\(x > 2\)", 11),
        ("y ~ zerocorr(x > 2 | g)", r"write I\(x > 2\)", 15),
        ("y ~ (x^2 > 2) + (1 | g)", r"write \*\*", 6),
        ("y ~ (x > 2 & z) + (1 | g)", "bind tighter", 11),
        ("cbind(s) ~ (1 | g)", r"write cbind\(successes, failures\)", 0),
    ],
)
def test_errors_show_the_place(formula, message, column):
    with pytest.raises(FormulaError, match=message) as caught:
        scan(formula)
    _, shown, caret = str(caught.value).split("\n")
    assert shown == "    " + formula
    assert caret == " " * (4 + column) + "^"


def test_a_caret_finds_its_place_in_a_formula_of_several_lines():
    with pytest.raises(FormulaError) as caught:
        scan("y ~ x +\n\t(1 | g")
    _, shown, caret = str(caught.value).split("\n")
    assert shown[len(caret) - 1] == "("


def test_no_random_effects_term():
    with pytest.raises(FormulaError, match=r"no random-effects term.*\(1 \| group\)"):
        scan("y ~ x")


def test_zerocorr_needs_a_bar():
    for term in ("zerocorr(x)", "zerocorr()"):
        with pytest.raises(FormulaError, match="needs a bar"):
            scan(f"y ~ {term} + (1 | g)")


def test_a_formula_is_a_string():
    with pytest.raises(FormulaError, match="must be a string, not list"):
        scan(["y ~ x"])
