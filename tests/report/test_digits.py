"""Numbers and p-values as cells of tables."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.report.digits import LONGEST, common_decimals, coverage, p_value, plain, uniform

FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e250, max_value=1e250)
NUMBERS = st.lists(FLOATS, min_size=1, max_size=6)


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


@given(NUMBERS, st.integers(3, 8))
def test_one_number_of_decimals_or_exponents_for_all(values, digits):
    texts = uniform(values, digits)
    if any("e" in text for text in texts):
        assert all("e" in text or text == "0" for text in texts)
        shown = [text.partition("e")[0].lstrip("-") for text in texts if text != "0"]
        assert {len(text) for text in shown} == {digits + 1}
    else:
        assert len({len(text.partition(".")[2]) for text in texts}) == 1
        assert all(len(re.sub(r"\D", "", text)) <= LONGEST + 1 for text in texts)
    for text, value in zip(texts, values, strict=True):
        mantissa, _, exponent = text.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert abs(float(text) - value) <= 0.50001 * unit or text == "0"
        assert not (float(text) == 0 and text.startswith("-"))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), st.floats(1e-250, 1e250))
def test_a_number_is_zero_in_a_table_only_if_it_is_far_below_another(values, scale):
    texts = uniform(np.array(values) * scale, 6)
    assert all(float(text) != 0 for text in texts)


@given(NUMBERS, st.lists(st.floats(1e-8, 1e8), min_size=6, max_size=6))
def test_estimates_have_two_digits_of_the_smallest_error_where_there_is_room(values, errors):
    errors = errors[: len(values)]
    decimals = common_decimals(values, 6, errors)
    if decimals is not None:
        largest = max(map(abs, [*values, *errors]))
        whole = max(1, math.floor(math.log10(largest)) + 1)
        needed = 1 - math.floor(math.log10(min(errors)))
        assert decimals >= min(needed, LONGEST - whole)


@pytest.mark.parametrize(("alpha", "text"), [(0.05, "95 %"), (0.001, "99.9 %"), (0.9, "10 %")])
def test_coverage(alpha, text):
    assert coverage(alpha) == text
