"""Numbers as lines of a search print them: floats that can be told from integers."""

import pytest

from numbamm.optimize import formatting


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1, "1.0"), (0.75258064, "0.752581"), (1e-9, "1e-09"), (12345678.0, "12345700.0")],
)
def test_number(value, shown):
    assert formatting.number(value) == shown


def test_vector_and_objective():
    assert formatting.vector([1, 0.0, 1 / 3]) == "[1.0, 0.0, 0.333333]"
    assert formatting.vector([]) == "[]"
    assert formatting.objective(327.767021624) == "327.76702"
    assert formatting.objective(float("nan")) == "nan"
