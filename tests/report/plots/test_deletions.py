"""What leaving out each level changes."""

import numpy as np
import pandas as pd
from drawn import labels, offsets
from numpy.testing import assert_allclose

from numbamm.report.plots.deletions import deletions


def test_levels_are_sorted_and_missing_ones_come_last():
    levels = pd.Index(["a", "_b", "c$"], name="herd")
    cooks = pd.Series([0.2, np.nan, 0.1], index=levels)
    dfbetas = pd.DataFrame({"Intercept": [1.0, np.nan, -2.0]}, index=levels)
    axes = deletions(cooks, dfbetas)
    assert labels(axes[0].yaxis) == ["_b", "c$", "a"] and axes[0].get_ylabel() == "herd"
    assert_allclose(np.ma.filled(offsets(axes[1])[1:], np.nan), [[-2, 1], [1, 2]])
    assert [ax.get_title() for ax in axes] == ["", "(Intercept)"]


def test_many_levels_are_counted():
    cooks = pd.Series(np.arange(50.0), index=pd.RangeIndex(50, name="g"))
    axes = deletions(cooks, pd.DataFrame({"x": cooks}))
    assert labels(axes[0].yaxis) == [] and axes[0].get_ylabel() == "g (50 levels)"
