"""Errors are ours and Python's at once, and say what may have been meant."""

import pytest

import numbamm as mm
from numbamm import errors
from numbamm.errors import did_you_mean


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("FormulaError", ValueError),
        ("DataError", ValueError),
        ("OptionError", ValueError),
        ("FitError", RuntimeError),
        ("NotFittedError", RuntimeError),
    ],
)
def test_they_are_caught_as_either(name, builtin):
    error = getattr(mm, name)
    assert error is getattr(errors, name)
    assert issubclass(error, mm.NumbammError) and issubclass(error, builtin)


@pytest.mark.parametrize(
    ("name", "known", "end"),
    [
        ("dosis", ["dose", "y"], "; did you mean 'dose'?"),
        ("DAYS", ["Days", "Reaction"], "; did you mean 'Days'?"),
        ("q", ["dose", "y"], ""),
        ("dose", [], ""),
        ("dosis", [3, None, "dose"], "; did you mean 'dose'?"),
    ],
)
def test_did_you_mean(name, known, end):
    assert did_you_mean(name, known) == end
