"""What cannot matter: the order of rows, names of levels, units of columns and of the response."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm

rng = np.random.default_rng(17)
DATA = pd.DataFrame({"g": rng.integers(0, 10, 110), "h": rng.integers(0, 6, 110)})
DATA["f"] = rng.choice(["a", "b b", "ü"], 110)
DATA["x"], DATA["t"] = rng.normal(size=110), rng.integers(0, 4, 110) / 2
DATA = DATA[~((DATA.g == 1) & (DATA.f == "ü"))]
_E = rng.normal(size=(10, 1)) + 0.5 * rng.normal(size=(10, 3))
DATA["y"] = DATA.x + _E[DATA.g, pd.factorize(DATA.f)[0]] + 0.6 * rng.normal(size=len(DATA))

TERMS = ["cs(0 + f | g)", "homcs(0 + f | g)", "ar1(0 + f | g)", "hetar1(0 + f | g)"]
TERMS += ["toep(0 + f | g)", "homtoep(0 + f | g)", "rr(0 + f | g, d=1)", "ou(t | g)"]
TERMS += ["gau(t, x | h)", "cs(1 + x | g)", "rr(1 + x + t | g, d=2)"]


def objective(d, term, **options):
    return mm.lmm(f"y ~ x + {term} + (1 | h)", d, optimizer="newton", **options).objective


#: `cs` of two columns is `us`: the minimum is known.
US = mm.lmm("y ~ x + (1 + x | g) + (1 | h)", DATA).objective
EXPECTED = {term: objective(DATA, term) for term in TERMS}


@settings(max_examples=15, deadline=None)
@given(term=st.sampled_from(TERMS), seed=st.integers(0, 10**6))
def test_rows_in_any_order_and_levels_of_any_names(term, seed):
    draw = np.random.default_rng(seed)
    names = draw.permutation(10)
    shuffled = DATA.sample(frac=1, random_state=seed).assign(g=lambda d: names[d.g])
    assert_allclose(objective(shuffled, term), EXPECTED[term], atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(
    term=st.sampled_from([t for t in TERMS if "x" in t or "t |" in t]),
    unit=st.sampled_from([1e-4, 0.1, 7.0, 1e5]),
)
def test_columns_and_coordinates_in_other_units(term, unit):
    """Standard deviations of a column, and ranges, have other units; the likelihood is the same."""
    scaled = DATA.assign(t=DATA.t * unit, x=DATA.x * unit)
    assert_allclose(objective(scaled, term), EXPECTED[term], atol=1e-5)


@pytest.mark.parametrize("term", TERMS)
def test_the_response_in_other_units(term):
    found = objective(DATA.assign(y=DATA.y * 1000), term) - 2 * len(DATA) * np.log(1000.0)
    assert_allclose(found, EXPECTED[term], atol=1e-4)


@pytest.mark.parametrize("term", ["ar1(0 + f | g)", "toep(0 + f | g)"])
def test_levels_backwards(term):
    """Distances are the same when the columns are counted from the other end."""
    backwards = DATA.assign(f=pd.Categorical(DATA.f, ["ü", "b b", "a"]))
    assert_allclose(objective(backwards, term), EXPECTED[term], atol=1e-6)


def test_two_columns_are_unstructured():
    assert_allclose(EXPECTED["cs(1 + x | g)"], US, atol=1e-6)
