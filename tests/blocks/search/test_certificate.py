"""The certificate of singular fits, at minima and at saddle points."""

import numpy as np
import pytest
from blocks.search.fits import (
    certificate,
    false_point,
    run,
    simulated,
)

from numbamm.blocks.search import evaluation


def test_a_genuine_singular_fit_is_certified():
    terms, _, _ = false_point("full, rank two")
    xy = simulated(terms, np.array([1.0, 0.5, 0.3, 0.0, 0.0, 0.0]))
    theta, _, search = run(terms, xy)
    assert 0 < search.outcome[evaluation.CERTIFICATE] <= 1
    assert certificate(terms, xy, theta) == pytest.approx(
        search.outcome[evaluation.CERTIFICATE], abs=1e-3
    )


def test_certificate_of_a_fit_that_is_not_singular_is_infinite():
    terms, xy, _ = false_point("full, rank two")
    assert run(terms, xy)[2].outcome[evaluation.CERTIFICATE] == np.inf
