"""Rows are described by cells of factors if these are all of their rows, else by positions."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.fitting.described_rows import described


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (lambda f, h: f == "b", " (all rows of f=b)"),
        (lambda f, h: (f == "b") & (h == "v"), " (all rows of f=b×h=v)"),
        (lambda f, h: np.arange(40) == 7, " (1 rows: 7)"),
        (lambda f, h: np.arange(40) > 20, " (19 rows: 21, 22, 23, 24, 25, 26 ...)"),
    ],
)
def test_rows_are_described(chosen, words):
    f, h = np.array(["a", "b"])[np.arange(40) % 2], np.array(["u", "v"])[np.arange(40) // 4 % 2]
    data = {"y": np.arange(40) % 3 * 1.0, "f": f, "h": h, "g": np.arange(40) % 5}
    model = mm.GeneralizedLinearMixedModel("y ~ f + h + (1 | g)", data, "poisson")
    assert described(model.frame, chosen(f, h)) == words
