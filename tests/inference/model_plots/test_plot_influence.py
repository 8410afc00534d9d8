"""`model.plot.influence` of rows and of levels."""

import matplotlib.pyplot as plt
import pytest
from drawn import labels, offsets
from numpy.testing import assert_allclose

import numbamm as mm


def test_influence_names_the_rows_of_largest_distance(sleep):
    ax = sleep.plot.influence()
    frame = sleep.influence()
    assert_allclose(offsets(ax), frame[["leverage", "studentized"]])
    named = [text.get_text() for text in ax.texts]
    assert named == list(map(str, frame["cooks"].nlargest(5).index))
    [contour] = [line for line in ax.get_lines() if len(line.get_xdata()) > 2][:1]
    h, r = contour.get_data()
    distance = r**2 * h / (1 - h) / 2
    assert_allclose(distance, distance[0])
    assert f"{distance[0]:g}" in ax.get_legend().get_texts()[0].get_text()


def test_rows_are_named_by_the_index_of_the_data():
    data = mm.datasets.load("sleepstudy").iloc[:60]
    data.index = [f"_{k}$" for k in range(60)]
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", data)
    texts = {text.get_text() for text in model.plot.influence().texts}
    assert len(texts) == 5 and texts <= set(data.index)


def test_influence_of_levels(cbpp):
    deleted = cbpp.delete_levels("herd")
    for axes in (cbpp.plot.influence("herd"), deleted.plot()):
        cooks = deleted.frame["cooks"].sort_values()
        assert_allclose(offsets(axes[0])[:, 0], cooks)
        assert labels(axes[0].yaxis) == list(cooks.index)
        for ax, name in zip(axes[1:], deleted.dfbetas, strict=True):
            assert ax.get_title() == name.replace("Intercept", "(Intercept)")
            assert_allclose(offsets(ax)[:, 0], deleted.dfbetas.loc[cooks.index, name])


def test_axes_that_would_not_be_drawn_on_are_refused(sleep):
    _, ax = plt.subplots()
    with pytest.raises(mm.OptionError, match="axes are for the levels of a group"):
        sleep.plot.influence(axes=[ax])
    with pytest.raises(mm.OptionError, match="give axes for the levels of 'Subject'"):
        sleep.plot.influence("Subject", ax=ax)
    assert not ax.has_data()
