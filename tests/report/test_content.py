"""Numbers and p-values as cells of tables."""

import pytest

from numbamm.report import content


@pytest.mark.parametrize(
    ("values", "digits", "shown"),
    [
        ([251.405104, 10.467286], 6, ["251.405", "10.467"]),
        ([251.405104, 1.0467286e-5], 6, ["251.405", "1.04673e-05"]),
        ([1e8, 10.467286], 6, ["100000000", "10.4673"]),
        ([565.510668, 0.0], 8, ["565.51067", "0.00000"]),
        ([0.0], 8, ["0.000000"]),
        ([-0.0, 1.0], 4, ["0.000", "1.000"]),
        ([1.25e-9], 6, ["1.25000e-09"]),
        ([float("nan"), 2.0], 4, ["–", "2.000"]),
    ],
)
def test_numbers_keep_their_digits(values, digits, shown):
    assert content.fixed_point(values, digits) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (0.5, "0.5000"),
        (1e-4, "0.0001"),
        (9e-5, "<1e-04"),
        (1e-5, "<1e-04"),
        (9e-6, "<1e-05"),
        (0.0, "<1e-99"),
    ],
)
def test_p_values(p, shown):
    assert content.p_value(p) == shown
