"""`model.plot.profile` draws what the profile does."""

from numpy.testing import assert_allclose


def test_the_model_draws_its_profile(sleep):
    ours = sleep.plot.profile(["sigma", "Days"], kind="abs")
    theirs = sleep.profile(["sigma", "Days"]).plot(kind="abs")
    for a, b in zip(ours, theirs, strict=True):
        assert a.get_xlabel() == b.get_xlabel()
        assert_allclose(a.get_lines()[0].get_xydata(), b.get_lines()[0].get_xydata())
