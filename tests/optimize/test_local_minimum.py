"""Which certificates are those of minima, and the way out of the others."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.optimize.local_minimum import LEAST_OF_MINIMUM, is_minimum


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.inf, True), (0.3, True), (0.0, True), (LEAST_OF_MINIMUM, True), (-1e-4, False)],
)
def test_rounding_errors_are_no_saddle(value, expected):
    assert is_minimum(value) == expected
    assert not is_minimum(np.nan)


def test_the_escape_is_downhill():
    """At λ = 0 the gradient in θ vanishes, whatever the data: only the curvature tells."""
    model = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy"))
    space = model.space
    zero = np.zeros(3)
    found = space.certify(zero)
    assert not is_minimum(found.value)
    here = space.objective(zero)
    assert space.objective(found.escape(0.05)) < here
    assert np.linalg.norm(found.escape(0.0)) == pytest.approx(0.0, abs=1e-12)
