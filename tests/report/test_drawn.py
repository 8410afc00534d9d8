"""Frames of random effects that draw themselves."""

import pickle

import pytest
from drawn import offsets, segments
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.report.frames import Frames

SLEEP = ("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")


def test_effects_and_shrinkage_draw_themselves(fitted):
    model = fitted(*SLEEP)
    for found, theirs in [
        (model.ranef(), model.plot.ranef),
        (model.condvar(), model.plot.ranef),
        (model.coef(), model.plot.coef),
    ]:
        for a, b in zip(found.plot(sort=False), theirs(sort=False), strict=True):
            assert_allclose(segments(a), segments(b))
        assert type(pickle.loads(pickle.dumps(found))) is Frames
    [ax] = model.shrinkage().plot()
    assert_allclose(offsets(ax, 1), model.ranef()["Subject"])


def test_effects_of_an_earlier_fit_are_not_drawn_from_a_later_one():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    effects = [model.ranef(), model.coef(), model.condvar(), model.shrinkage()]
    model.refit(model.frame.y * 2)
    for found in effects:
        with pytest.raises(OptionError, match="fitted again since"):
            found.plot()
