"""PIRLS: its descent, and what it says where there is no mode."""

import numba
import numpy as np
import pytest
from glm.small import KINDS, SHAPE, Small

from numbamm.glm import pirls
from numbamm.glm.link import LINKS
from numbamm.glm.mode import ModeFinder

OUTCOMES = {pirls.AT_EDGE, pirls.NOT_POSITIVE_DEFINITE, pirls.FLAT}


@pytest.mark.parametrize("kind", KINDS)
def test_the_penalised_deviance_falls_to_the_mode(kind):
    it = Small(kind)
    trace = np.full((30, 2), np.nan)
    mode = it.modes(it.theta, it.gamma.copy(), vary=True, shape=SHAPE, trace=trace)
    assert 2 < mode.iterations < 25
    values, logdets = trace[: mode.iterations + 1].T
    assert (np.diff(values) < 1e-9 * values[0]).all()
    assert values[-1] == pytest.approx(mode.deviance + mode.penalty)
    assert logdets[-1] == mode.logdet
    assert np.isnan(trace[mode.iterations + 1 :]).all()


def test_without_a_tolerance_no_step_is_taken():
    it = Small("counts")
    gamma = it.gamma.copy()
    mode = it.modes(it.theta, gamma, vary=True, shape=SHAPE, tolerance=np.inf)
    assert mode.iterations == 0 and not it.modes.u.any()
    np.testing.assert_array_equal(gamma, it.gamma)
    eta = it.offset + it.basis @ gamma
    assert mode.deviance == pytest.approx(it.w @ it.family.deviances(it.link, SHAPE, it.y, eta))


def of(it, link, y, **parts):
    """The finder of the same rows with another link and response."""
    arrays = it.basis, y, it.w, np.zeros(len(y))
    return ModeFinder(it.terms, *arrays, it.family, LINKS[link], it.information, 1.0)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="Python refuses the logarithm of 0")
def test_a_mode_at_the_edge_of_what_the_link_allows():
    """Counts of zero draw the means of their level to 0, where the identity ends."""
    it = Small("counts", "scalar")
    y = np.where(it.terms[0].refs < 5, 0.0, 3.0)
    finder, gamma = of(it, "identity", y), np.array([2.0, 0.0])
    assert finder(np.array([50.0]), gamma, vary=False).iterations in OUTCOMES
    assert finder(np.array([0.05]), gamma, vary=False).found


def test_a_start_that_is_not_allowed():
    it = Small("counts", "scalar")
    finder = of(it, "identity", it.y)
    assert not finder(np.array([0.5]), np.array([-3.0, 0.0]), vary=False).found


def test_numbers_that_are_none_end_at_once():
    it = Small("counts", "vector")
    assert not it.modes(np.full(3, np.nan), it.gamma, vary=False, shape=SHAPE).found
    assert it.modes(it.theta, it.gamma, vary=False, shape=SHAPE).found  # and do no harm
