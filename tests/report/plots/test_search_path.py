"""The way of a search."""

from numpy.testing import assert_allclose


def test_path_of_a_search(sleep):
    for ours, theirs in zip(sleep.optsum.plot(), sleep.plot.path(), strict=True):
        assert ours.get_ylabel() == theirs.get_ylabel()
        assert_allclose(ours.get_lines()[0].get_xydata(), theirs.get_lines()[0].get_xydata())
