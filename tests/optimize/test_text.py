"""Numbers as lines of a search print them: floats that can be told from integers."""

import pytest

from numbamm.optimize import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1, "1.0"), (0.75258064, "0.752581"), (1e-9, "1e-09"), (12345678.0, "12345700.0")],
)
def test_number(value, shown):
    assert text.number(value) == shown


def test_vector_and_objective():
    assert text.vector([1, 0.0, 1 / 3]) == "[1.0, 0.0, 0.333333]"
    assert text.vector([]) == "[]"
    assert text.objective(327.767021624) == "327.76702"
    assert text.objective(float("nan")) == "nan"
