"""Forest plots of one model and of several, against their tables."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


def test_coefficients(cbpp, odd_log, bare):
    ax = cbpp.plot.coefficients()
    table = cbpp.coef_table().to_frame().iloc[1:]
    assert labels(ax.yaxis) == list(table.index)[::-1]
    assert_allclose(segments(ax)[:, :, 0], table[["lower", "upper"]])
    assert_allclose(offsets(ax), np.column_stack([table["estimate"], [2, 1, 0]]))
    ax = cbpp.plot.coefficients(exponentiate=True, intercept=True)
    assert_allclose(offsets(ax)[:, 0], np.exp(cbpp.params))
    assert ax.get_xlabel() == "Odds ratio" and ax.get_xscale() == "log"
    assert labels(odd_log.plot.coefficients().yaxis) == ["$f_1$[T._b%^2]", "twice", "x y %"]
    with pytest.raises(OptionError, match="intercept=True"):
        bare.plot.coefficients()


def test_coefficients_of_several_models(fitted):
    small = fitted("angle ~ temp + (1 | recipe:replicate)", "cake")
    large = fitted("angle ~ recipe + temp + (1 | recipe:replicate)", "cake")
    ax = mm.plot_coefficients(small, large, names=["_a", "b$"])
    assert labels(ax.yaxis) == ["recipe[T.C]", "recipe[T.B]", "temp"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_a", "b$"]
    assert_allclose(offsets(ax, 0)[:, 0], small.params[["temp"]])
    assert_allclose(offsets(ax, 1)[:, 0], large.params[["temp", "recipe[T.B]", "recipe[T.C]"]])
    for wrong in (["a"], ["a", "a"]):
        with pytest.raises(OptionError, match="2 different names"):
            mm.plot_coefficients(small, large, names=wrong)


def test_coefficients_are_called_by_labels(cbpp, sleep):
    names = {"period[T.2]": "Second", "(Intercept)": "Base"}
    ax = cbpp.plot.coefficients(labels=names, intercept=True)
    assert labels(ax.yaxis) == ["period[T.4]", "period[T.3]", "Second", "Base"]
    ax = mm.plot_coefficients(sleep, sleep, labels={"Days": "Day"})
    assert labels(ax.yaxis) == ["Day"]
    with pytest.raises(mm.OptionError, match="labels: 'Dayz' is no coefficient.*did you mean"):
        sleep.plot.coefficients(labels={"Dayz": "Day"})
    with pytest.raises(mm.OptionError, match="labels: 'Intercept' is no coefficient that is plot"):
        sleep.plot.coefficients(labels={"Intercept": "Base"})
