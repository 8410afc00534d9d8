"""Changes of formulas, in which dots stand for what was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.inference.changed_formula import updated


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        ("y ~ 1 + x + (1 | g)", "~ . - x", "y ~ 1 + (1 | g)"),
        ("y ~ x*z + (1|g)", "~ . - x:z", "y ~ x*z + (1|g) - x:z"),
        ("y ~ x + (1|g) + (1 | h)", "~ . - ( 1|h ) + w", "y ~ x + (1|g) + w"),
        ("y ~ x + (1 | g)", "log(.) ~ . - 1", "log(y) ~ x + (1 | g) - 1"),
        ("y ~ x + (1 | g)", "I(. + 1) ~ .", "I(y + 1) ~ x + (1 | g)"),
        ("y ~ x + (1 | g)", ". / 10 ~ .", "y / 10 ~ x + (1 | g)"),
        (
            "cbind(a, b) ~ x + (1 | g)",
            "~ . + (0 + x | g)",
            "cbind(a, b) ~ x + (1 | g) + (0 + x | g)",
        ),
        ("y ~ x + offset(log(n)) + (1 | g)", "~ . - offset(log(n))", "y ~ x + (1 | g)"),
        ("y ~ I(x - 1) + (1 | g)", "~ . - I(x-1)", "y ~ (1 | g)"),
        ("y ~ `a - b` + diag(1 + x | g)", "~ . - `a - b` - diag(1+x|g) + (1 | g)", "y ~ (1 | g)"),
        ("y ~ x + (1 | g)", "z ~ w + (1 | h)", "z ~ w + (1 | h)"),
        ("pain.index ~ x.y + (1 | g.h)", "~ . - x.y", "pain.index ~ (1 | g.h)"),
        ("y ~ (1 | g)", ". ~ x + .", "y ~ x + (1 | g)"),
        ("y ~ x - 1 + (1 | g)", "~ . + z", "y ~ x - 1 + (1 | g) + z"),
        ("y ~ x + (1 | a/b)", "~ . - (1 | a) + (x | a)", "y ~ x + (1 | a:b) + (x | a)"),
        ("y ~ x + (1|a/b) + (x|c/d)", "~ . - (1 | a:b)", "y ~ x + (1 | a) + (x|c/d)"),
        ("y ~ (1 | a) + w + (1|a:b)", "~ . - (1 | a/b) + (1|c)", "y ~ w + (1|c)"),
        (
            "y ~ diag(x | `a|b`/c/d)",
            "~ . - diag(x | `a|b`:c)",
            "y ~ diag(x | `a|b`) + diag(x | `a|b`:c:d)",
        ),
        ("y ~ (x || a/b)", "~ . - (x || a)", "y ~ (x || a:b)"),
    ],
)
def test_changes(old, change, new):
    assert updated(old, change) == new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("~ . - z", r"has no term 'z' to leave out: there are x, \(1 \| g\)"),
        ("~ . - (1 | k)", r"has no term '\(1 \| k\)'"),
        ("~ . - (x | g)", r"has no term '\(x \| g\)'"),
        ("~ . - offset(n)", "has no term"),
        ("~ . * z", "stands for the whole right-hand side"),
        ("~ . : z", "stands for the whole right-hand side"),
        ("~ - .", "leaves out all"),
        (". + z", "needs one '~'"),
        (3, "must be a string"),
        ("~ . - (x", "never closed"),
    ],
)
def test_changes_that_cannot_be(change, message):
    with pytest.raises(mm.FormulaError, match=message):
        updated("y ~ x + (1 | g)", change)


@pytest.mark.parametrize("change", ["~ . - (1 | b)", "~ . - (x | a)", "~ . - (1 | a/c)"])
def test_parts_that_a_nested_term_has_not(change):
    with pytest.raises(mm.FormulaError, match=r"has no term.*there are \(1 \| a/b\)"):
        updated("y ~ (1 | a/b)", change)


TERMS = ["a", "b", "log(c)", "a:b", "`odd + name`", "(1 | g)", "(0 + a | h)", "diag(1 + b | k)"]


@given(st.lists(st.sampled_from(TERMS), min_size=2, unique=True), st.data())
def test_leaving_out_undoes_adding(terms, data):
    formula = "y ~ " + " + ".join(terms)
    assert updated(formula, "~ .") == formula
    term = data.draw(st.sampled_from(terms))
    without = updated(formula, f"~ . - {term}")
    assert set(without.removeprefix("y ~ ").split(" + ")) <= set(formula[4:].split(" + "))
    added = updated(without, f"~ . + {term}")
    assert updated(added, f"~ . - {term}") == without
