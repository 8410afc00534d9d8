"""Models of standard deviations as texts."""

import pytest

from numbamm.errors import FormulaError
from numbamm.formula.parts.dispersion_text import dispersion_texts

READ = {
    "~ x + f": (None, "", None, set()),
    "power(x)": ("power", "x", None, {"x"}),
    "power( `odd name`, by = f )": ("power", "odd name", "f", {"odd name", "f"}),
    "exp(x, by=f)": ("exp", "x", "f", {"x", "f"}),
    "constpower(x)": ("constpower", "x", None, {"x"}),
    "fixed(x)": ("fixed", "x", None, {"x"}),
    "power(fitted)": ("power", "fitted", None, set()),
}


@pytest.mark.parametrize("text", READ)
def test_what_is_read(text):
    (found,) = dispersion_texts(text)
    assert (found.function, found.covariate, found.by, found.columns) == READ[text]


def test_several_multiply():
    assert [d.function for d in dispersion_texts(["~ f", "power(x)"])] == [None, "power"]
    with pytest.raises(FormulaError, match="two formulas"):
        dispersion_texts(["~ f", "~ x"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "neither a formula nor a function"),
        ("pwr(x)", "did you mean 'power'"),
        ("power(log(x))", "make one of an expression first"),
        ("power(x, f)", "make one of an expression first"),
        ("constpower(x, by=f)", "takes no such option"),
        ("power(x, on=f)", "takes no such option"),
        (3, "must be a string"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(FormulaError) as caught:
        dispersion_texts(text)
    assert words in str(caught.value) and "dispersion" in str(caught.value)
