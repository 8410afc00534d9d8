"""`model.plot.diagnostics` and ``model.plot()``: four plots at once."""

import numpy as np
from drawn import offsets
from numpy.testing import assert_allclose


def test_the_four_plots_are_those_of_their_names(sleep, verbagg):
    for axes in (sleep.plot.diagnostics(), sleep.plot()):
        for ax, name in zip(axes[:3], ["residuals", "qq", "scale_location"], strict=True):
            assert_allclose(offsets(ax), offsets(getattr(sleep.plot, name)()))
        assert_allclose(offsets(axes[3])[:, 1], np.sort(sleep.ranef()["Subject"]["Intercept"]))
    axes = verbagg.plot(seed=2)
    assert_allclose(offsets(axes[1]), offsets(verbagg.plot.qq(seed=2)))
    assert axes[3].get_ylabel() == "(Intercept) of id"
