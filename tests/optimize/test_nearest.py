"""Names in the order of their likeness to a mistyped one."""

from hypothesis import given
from hypothesis import strategies as st

from numbamm.optimize.nearest import by_likeness

KNOWN = ["nlopt:LN_BOBYQA", "nlopt:LN_COBYLA", "scipy:Powell", "newton"]


def test_case_does_not_matter():
    assert by_likeness("NLOPT:ln_bobyka", KNOWN)[0] == "nlopt:LN_BOBYQA"
    assert by_likeness("powel", KNOWN)[0] == "scipy:Powell"


@given(st.text(max_size=20))
def test_none_is_lost(name):
    assert sorted(by_likeness(name, KNOWN)) == sorted(KNOWN)
