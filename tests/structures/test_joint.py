"""`Joint`: θ of a whole model, taken apart and put together."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from structures.examples import EXAMPLES, differences, some_theta

from numbamm.structures.joint import Joint


def test_all_terms_together():
    structures = list(EXAMPLES.values())
    joint = Joint(structures)
    parts = [some_theta(s, k) for k, s in enumerate(structures)]
    theta = joint.join(parts)
    assert len(theta) == joint.size == len(joint.start) == len(joint.lowerbd)
    for part, back in zip(parts, joint.split(theta), strict=True):
        assert_array_equal(part, back)
    lams = joint.matrices(theta)
    assert_array_equal(
        joint.entries(theta),
        np.concatenate([lam.ravel()[s.entries] for s, lam in zip(structures, lams, strict=True)]),
    )
    weight = np.random.default_rng(1).normal(size=len(joint.entries(theta)))
    expected = differences(lambda x: weight @ joint.entries(x), theta)
    assert_allclose(joint.slopes(theta, weight), expected, atol=1e-8)
    positive = joint.rectified(theta)
    assert_allclose(joint.nearest(joint.entries(positive)), positive, rtol=1e-7)
    free = Joint([s for s in structures if s.is_free])  # of others, angles keep their signs
    theta = free.join([some_theta(s, k) for k, s in enumerate(free.structures)])
    assert_allclose(free.rectified(-theta), free.rectified(theta))


def test_no_terms():
    joint = Joint([])
    assert joint.size == 0 and joint.is_free and joint.start.shape == (0,)
