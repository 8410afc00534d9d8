"""Residual structures as texts."""

import pytest

from numbamm.errors import FormulaError
from numbamm.formula.parts.residual_text import ResidualText, names_of_residuals, residual_text

READ = {
    "ar1(day | subject)": ("ar1", ("day",), ("subject",), None, False),
    "us(0 + visit|subject, by = arm)": ("us", ("visit",), ("subject",), "arm", False),
    "exp(east, north | 1, nugget=True)": ("exp", ("east", "north"), (), None, True),
    "homcs(1 | plot)": ("homcs", (), ("plot",), None, False),
    "cs(C(`odd name`) | a:b)": ("cs", ("odd name",), ("a", "b"), None, False),
}


@pytest.mark.parametrize("text", READ)
def test_what_is_read(text):
    found = residual_text(text)
    assert (found.structure, found.positions, found.group, found.by, found.nugget) == READ[text]
    assert isinstance(found, ResidualText) and found.columns >= set(found.positions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ar3(day | s)", "did you mean 'ar2'"),
        ("diag(visit | s)", "dispersion='~ visit'"),
        ("rr(visit | s)", "there is no residual structure 'rr'"),
        ("ar1(day)", "it needs one bar"),
        ("ar1(day || s)", "it needs one bar"),
        ("ar1 day | s", "no structure with a bar"),
        ("ar1(day | )", "nothing stands behind"),
        ("ar1(log(day) | s)", "make one of an expression first"),
        ("exp(t | g, d=2)", "by=column and nugget=True"),
        ("exp(t | g, nugget=3)", "nugget is True or False"),
        ("ar1(day | a/b)", "write a:b"),
        ("", "no structure with a bar"),
        (3, "must be a string"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(FormulaError) as caught:
        residual_text(text)
    assert words in str(caught.value) and "residual" in str(caught.value)


def test_names():
    names = names_of_residuals()
    assert {"us", "ar1", "ou", "arma", "adh", "homus"} <= set(names)
    assert not {"rr", "diag", "homdiag"} & set(names)
