"""`model.plot.allfit` against the plot of its result."""

from drawn import labels, offsets
from numpy.testing import assert_allclose

import numbamm as mm


def test_it_is_the_plot_of_the_result(sleep):
    names = ["newton", "nlopt:LN_BOBYQA"]
    axes = sleep.plot.allfit(names, tolerance=1.0)
    fits = mm.allfit(sleep, names, tolerance=1.0)
    assert_allclose(axes[0].get_lines()[0].get_xdata(), 1.0)
    assert_allclose(offsets(axes[1])[:, 0], fits.table["evaluations"])
    assert labels(axes[0].yaxis) == [*fits.table["optimizer"]]
