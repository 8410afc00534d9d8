"""`model.plot.effects` against marginal means."""

import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose
from ordinal_models import simulated

import numbamm as mm
from numbamm.errors import OptionError


def test_effects_are_marginal_means_along_x(sleep):
    [ax] = sleep.plot.effects("Days", ddf="wald")
    [line] = ax.get_lines()
    x, y = line.get_data()
    means = sleep.emmeans("Days", at={"Days": x}, ddf="wald").to_frame()
    assert (x[0], x[-1]) == (0, 9)
    assert_allclose(y, means["mean"])
    band = ax.collections[1].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(means["lower"].min())
    assert band[:, 1].max() == pytest.approx(means["upper"].max())
    assert_allclose(offsets(ax), mm.datasets.load("sleepstudy")[["Days", "Reaction"]])


def test_effects_on_the_response_scale_by_default(cbpp):
    [ax] = cbpp.plot.effects("period")
    means = cbpp.emmeans("period", type="response").to_frame()
    assert_allclose(segments(ax)[:, :, 1], means[["lower", "upper"]])
    data = mm.datasets.load("cbpp")
    assert_allclose(offsets(ax)[:, 1], data["incidence"] / data["size"])
    assert labels(ax.xaxis) == ["1", "2", "3", "4"] and ax.get_ylabel() == "Proportion"
    [ax] = cbpp.plot.effects("period", type="link", points=None)
    assert_allclose(segments(ax)[:, :, 1], cbpp.emmeans("period").to_frame()[["lower", "upper"]])
    assert ax.get_ylabel() == "Linear predictor (logit)"
    with pytest.raises(OptionError, match='take type="response", or points="partial"'):
        cbpp.plot.effects("period", type="link", points="data")
    [ax] = cbpp.plot.effects("period", type="link")
    assert len(segments(ax)) == 4 and ax.get_ylabel() == "Linear predictor (logit)"


@pytest.mark.filterwarnings("ignore:the columns of zi")  # zeros are no more than those of counts
def test_parts_and_categories_have_curves():
    d = simulated(160, 7).assign(k=lambda d: d["y"].cat.codes * 1.0)
    part = mm.glmm("k ~ 1 + (1 | g)", d, "poisson", zi="~ x")
    [ax] = part.plot.effects("x", type="zprob")
    assert ax.get_ylabel() == "P(zero of the part zi)"
    with pytest.raises(OptionError, match="are responses, but the averages are"):
        part.plot.effects("x", type="zprob", points="data")
    axes = mm.clmm("y ~ x + (1 | g)", d).plot.effects("x")
    assert [ax.get_title() for ax in axes] == [f"category = {c}" for c in d["y"].cat.categories]


def test_interactions_have_series_and_panels(verbagg):
    [ax] = verbagg.plot.effects("Anger:Gender", points=None)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["F", "M"]
    assert ax.get_legend().get_title().get_text() == "Gender"
    axes = verbagg.plot.effects("Anger | Gender", points=None)
    assert [ax.get_title() for ax in axes] == ["Gender = F", "Gender = M"]
    [ax] = verbagg.plot.effects("Gender:Anger", points=None)
    anger = mm.datasets.load("VerbAgg")[::3]["Anger"]
    expected = [f"{anger.mean() + k * anger.std():.3g}" for k in (-1, 0, 1)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == expected
