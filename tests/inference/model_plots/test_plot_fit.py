"""`model.plot.fit`: observations, fitted values, and which groups are shown."""

import numpy as np
import pytest
from drawn import labels, odd_rows, offsets
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


def test_fit_by_group(sleep):
    axes = sleep.plot.fit()
    order = sleep.ranef()["Subject"]["Intercept"].sort_values().index
    assert [ax.get_title() for ax in axes] == list(order)
    data = mm.datasets.load("sleepstudy")
    fitted = sleep.fittedvalues
    for ax in axes:
        mine = data["Subject"] == ax.get_title()
        assert_allclose(offsets(ax), data.loc[mine, ["Days", "Reaction"]])
        conditional, population = ax.get_lines()
        assert_allclose(conditional.get_ydata(), fitted[mine])
        assert_allclose(population.get_ydata(), sleep.predict(random=False)[mine])


def test_fit_of_chosen_groups_and_of_a_few_of_many(verbagg, sleep):
    titles = [ax.get_title() for ax in sleep.plot.fit(levels=["372", "308"])]
    assert titles == ["372", "308"]
    assert [ax.get_title() for ax in sleep.plot.fit(levels=308)] == ["308"]
    modes = verbagg.ranef()["id"]["Intercept"].sort_values()
    axes = verbagg.plot.fit("id", "btype", n=5)
    assert [ax.get_title() for ax in axes][::4] == [modes.index[0], modes.index[-1]]
    assert labels(axes[-1].xaxis) == ["curse", "scold", "shout"]
    with pytest.raises(OptionError, match="'309x' is no level of Subject; did you mean '309'"):
        sleep.plot.fit(levels=["309x"])
    with pytest.raises(OptionError, match="-1 is no level of Subject"):
        sleep.plot.fit(levels=-1)
    with pytest.raises(OptionError, match="'Day' is no variable of the fixed effects; did you"):
        sleep.plot.fit(x="Day")


def test_events_are_averaged_within_groups(verbagg):
    data = mm.datasets.load("VerbAgg")[::3]
    ax = verbagg.plot.fit("item", "btype", levels=["S1WantCurse"])[0]
    mine = data[data["item"] == "S1WantCurse"]
    assert_allclose(offsets(ax), [[0, (mine["r2"] == "Y").mean()]])


def test_fit_without_a_covariate_counts_rows(bare):
    axes = bare.plot.fit()
    assert [len(offsets(ax)) for ax in axes] == [2, 7]
    assert axes[0].figure.get_supxlabel() == "Row"


def test_a_transformed_response_is_shown_as_it_was(odd_log):
    data = odd_rows()
    axes = odd_log.plot.fit(x="x y %")
    drawn = np.sort(np.concatenate([offsets(ax)[:, 1] for ax in axes]))
    assert_allclose(drawn, np.sort(np.exp(odd_log.frame.y)))
    assert axes[0].figure.get_supylabel() == "size" and len(drawn) == len(data) - 2
    [ax] = odd_log.plot.effects("x y %")
    assert ax.get_ylabel() == "size"
    assert_allclose(np.sort(offsets(ax)[:, 1]), drawn)
