"""`model.plot.means`: means beside their comparisons."""

from drawn import labels, segments
from numpy.testing import assert_allclose


def test_means_and_their_comparisons(cbpp):
    axes = cbpp.plot.means("period", comparisons=True)
    pairs = cbpp.emmeans("period", type="response").pairs().to_frame()
    assert labels(axes[1].yaxis) == list(pairs["contrast"])[::-1]
    assert_allclose(segments(axes[1])[:, :, 0], pairs[["lower", "upper"]])
    assert axes[1].get_xscale() == "log"
    differences = cbpp.plot.means("period", comparisons=True, type="link")[1]
    assert differences.get_xscale() == "linear"
