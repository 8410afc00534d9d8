"""`model.plot.shrinkage` against `ranef` and `shrinkage`."""

import numpy as np
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose


def test_shrinkage_goes_from_the_free_estimates_to_the_modes(sleep, cbpp):
    modes, difference = sleep.ranef()["Subject"], sleep.shrinkage()["Subject"].drop(columns="norm")
    [ax] = sleep.plot.shrinkage()
    assert_allclose(offsets(ax, 0), modes + difference)
    assert_allclose(offsets(ax, 1), modes)
    assert_allclose(segments(ax), np.stack([modes + difference, modes], axis=1))
    [ax] = cbpp.plot.shrinkage()
    free = (cbpp.ranef()["herd"] + cbpp.shrinkage()["herd"])["Intercept"].sort_values()
    assert_allclose(offsets(ax, 0)[:, 0], free)
    assert labels(ax.yaxis) == list(free.index)


def test_shrinkage_of_several_effects_has_a_panel_for_each_pair(fitted):
    model = fitted("score ~ 1 + (0 + Machine | Worker)", "Machines")
    axes = model.plot.shrinkage()
    assert len(axes) == 3
    assert [ax.get_ylabel() for ax in axes] == ["Machine[B]", "Machine[C]", ""]
    assert [ax.get_xlabel() for ax in axes] == ["", "Machine[A]", "Machine[B]"]
