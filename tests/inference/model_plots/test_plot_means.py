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


def test_labels_stand_once(fitted):
    model = fitted("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake")
    axes = model.plot.means("recipe | temperature")
    figure = axes[0].figure
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("recipe", "angle")
    assert not any(ax.get_xlabel() or ax.get_ylabel() for ax in axes)
    assert axes[0].get_title() == "temperature = 175"
    *means, _ = model.plot.means("recipe | temperature", comparisons=True)
    assert [ax.get_ylabel() for ax in means] == ["angle", *[""] * 5]
    shown = [any(tick.label1.get_visible() for tick in ax.yaxis.get_major_ticks()) for ax in means]
    assert shown == [True, *[False] * 5]
