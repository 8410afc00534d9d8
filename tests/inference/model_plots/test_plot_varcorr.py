"""The plot of variance components against `varcorr` and `conf_int`."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

import numbamm as mm

TERM = "Subject: "


def ends(ax):
    return np.array([[line[:, 0].min(), line[:, 0].max()] for line in segments(ax)])


@pytest.mark.parametrize("method", ["wald", "profile"])
def test_deviations_and_correlations(sleep, method):
    deviations, correlations = sleep.varcorr.plot(method=method, alpha=0.1)
    limits = sleep.conf_int(0.1, which="random", method=method)
    names = ["sd_Intercept|Subject", "sd_Days|Subject", "sigma"]
    assert labels(deviations.yaxis) == ["Residual", TERM + "Days", TERM + "(Intercept)"]
    assert_allclose(offsets(deviations)[:, 0], [*sleep.varcorr["Subject"].sd, sleep.sigma])
    assert_allclose(ends(deviations), limits.loc[names])
    assert labels(correlations.yaxis) == [TERM + "(Intercept), Days"]
    assert_allclose(offsets(correlations)[:, 0], sleep.varcorr["Subject"].corr[1, 0])
    assert_allclose(ends(correlations), limits.iloc[[-1]])
    assert deviations.get_xlabel() == "Standard deviation, 90 % interval"


def test_a_variance_of_zero_has_a_point_and_no_interval(fitted, cbpp):
    singular = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    [ax] = singular.plot.varcorr()
    assert_allclose(offsets(ax)[:, 0], [0, singular.sigma])
    assert_allclose(ends(ax), singular.conf_int(which="random").loc[["sigma"]])
    [ax] = singular.plot.varcorr(method="profile")
    assert ends(ax)[0, 0] == 0 and ends(ax)[0, 1] > 1
    [ax] = cbpp.varcorr.plot()  # a binomial model has no residual
    assert labels(ax.yaxis) == ["herd: (Intercept)"]


def test_uncorrelated_terms_of_one_factor(fitted):
    model = fitted("Reaction ~ Days + zerocorr(Days | Subject)", "sleepstudy")
    [ax] = model.plot.varcorr()
    assert labels(ax.yaxis) == ["Residual", TERM + "Days", TERM + "(Intercept)"]
    assert len(ends(ax)) == 3 == len(model.conf_int(which="random"))


def test_numbers_of_another_fit_are_not_drawn():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    before = model.varcorr
    model.refit(model.frame.y * 2)
    with pytest.raises(mm.OptionError, match="fitted again since"):
        before.plot()
