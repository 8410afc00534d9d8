"""Frames of random effects that draw themselves."""

import pickle

import pytest
from drawn import offsets, segments
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.report.frames import Frames


def test_random_effects_and_shrinkage_draw_themselves(sleep):
    ours, theirs = sleep.ranef().plot(sort=False), sleep.plot.ranef(sort=False)
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(segments(a), segments(b))
    [ax] = sleep.shrinkage().plot()
    assert_allclose(offsets(ax, 1), sleep.ranef()["Subject"])
    assert type(pickle.loads(pickle.dumps(sleep.ranef()))) is Frames


def test_effects_of_an_earlier_fit_are_not_drawn_from_a_later_one():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    effects = model.ranef()
    model.refit(model.frame.y * 2)
    with pytest.raises(OptionError, match="fitted again since"):
        effects.plot()
