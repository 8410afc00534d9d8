"""Tokens of a formula, and carets below the place of an error."""

import pytest

from numbamm.errors import FormulaError
from numbamm.formula.scan import scan


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
        ("y ~ x + qqqq(0 + x | g)", "no covariance structure 'qqqq'; there are adh, ar1, ", 8),
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


def test_a_formula_is_a_string():
    with pytest.raises(FormulaError, match="must be a string, not list"):
        scan(["y ~ x"])
