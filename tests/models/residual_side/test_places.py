"""Where new rows are among those of the fit, and what they cannot be."""

import pytest
from models.residual_side.test_new_residuals import FIT, NEW, at_some_point

import numbamm as mm
from numbamm.errors import DataError


@pytest.mark.parametrize(
    ("side", "new", "words"),
    [
        ("us", {"t": 9}, ["no row of the fit has t = 9", "it has 0, 1, 2"]),
        ("us", {"t": "2"}, ["'2' is a text here, but 2 is a whole number"]),
        ("by", {"arm": "c"}, ["no row of the fit has arm = 'c'"]),
        ("us by", {"arm": "b", "g": 1}, ["the group 1 has arm = 'b' in the new data"]),
        ("ar1", {"t": 0.5}, ["needs whole numbers, and 't' has others in the new data"]),
        ("ar1", {"t": 10**8}, ["t = 1e+08, more than 100,000 steps"]),
        ("ou", {"t": "a"}, ["'t' must be numbers in the new data"]),
        ("ou", {"t": None}, ["no column 't' in the new data (residual or dispersion)"]),
        ("all", {"w": None}, ["no column 'w' in the new data (residual or dispersion)"]),
        ("all", {"arm": "ü"}, ["'arm'", "ü"]),
        ("all", {"w": 0.0}, ["'w' is 0 in row 0 of the new data"]),
        ("rates", {"w": -1.0}, ["'w' is not positive in row 0 of the new data"]),
        ("rates", {"arm": "c"}, ["no row of the fit has arm = 'c'", "standard deviation"]),
    ],
)
def test_what_new_rows_cannot_be(side, new, words):
    m = at_some_point(side)
    row = {name: NEW[name].iloc[:1].to_numpy() for name in NEW} | {"g": [2], "arm": ["a"]}
    row |= {name: [value] for name, value in new.items()}
    row = {name: values for name, values in row.items() if values != [None]}
    with pytest.raises(DataError) as caught:
        m.predict(row, interval="prediction")
    assert all(word in str(caught.value) for word in words)


def test_visits_that_a_stratum_lacks():
    d = FIT[(FIT.arm == "a") | (FIT.t != 2)]
    m = mm.LinearMixedModel("y ~ x", d, residual="adh(t | g, by=arm)")
    m.estimate_at(m.optsum.initial)
    row = {"x": [0.0], "t": [2], "arm": ["b"], "g": [3]}
    with pytest.raises(DataError, match="no row of the fit has t = 2, arm = 'b'"):
        m.predict(row, random=False, interval="prediction")
