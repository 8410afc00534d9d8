"""Numbers and p-values as cells of tables."""

import pytest

from numbamm.report.digits import p_value, plain, uniform


@pytest.mark.parametrize(
    ("values", "sizes", "shown"),
    [
        ([251.405104, 10.467286], 0, ["251.405", "10.467"]),
        ([251.405104, 0.0123456], 0, ["251.4051", "0.0123"]),  # the smallest has three digits
        ([251.405104, 1.0467286e-5], 0, ["2.51405e+02", "1.04673e-05"]),  # too many: exponents
        ([251.405104, 1.0467286e-5], [6.6, 1.5], ["251.405", "0.000"]),  # known to 1.5 only
        ([251.405104, 3e-17], 0, ["251.405", "0.000"]),  # a rounding error
        ([2.5e9, 3e-9, 0.0], [1e8, 1.0, 0.0], ["2.50000e+09", "0", "0"]),
        ([565.510668, 0.0], 0, ["565.511", "0.000"]),
        ([0.0], 0, ["0.0000"]),
        ([-0.0, -1e-9, 1.0], [1, 1, 1], ["0.00000", "0.00000", "1.00000"]),
        ([1.25e-9], 0, ["1.25000e-09"]),
        ([float("nan"), 2.0, float("inf"), -float("inf")], 0, ["–", "2.00000", "∞", "-∞"]),
        ([], 0, []),
    ],
)
def test_numbers_of_a_column_have_equally_many_decimals(values, sizes, shown):
    assert uniform(values, 6, sizes) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 2, 9], ["0", "2", "9"]),
        ([0.5, 2.25, 9], ["0.50", "2.25", "9.00"]),
        ([2019, 2020], ["2019", "2020"]),
        ([0.1 + 0.2], ["0.3"]),
        ([1e-12, 1e12], ["1.0000e-12", "1.0000e+12"]),
        ([1000.5, 0.00012345], ["1.0005e+03", "1.2345e-04"]),
        ([float("nan")], ["–"]),
    ],
)
def test_other_numbers_have_the_decimals_that_they_need(values, shown):
    assert plain(values) == shown


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
    assert p_value(p) == shown
