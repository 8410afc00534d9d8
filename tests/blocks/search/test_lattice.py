"""Starts in the valleys of a lattice against `optimize.valleys`, which looks for them in Python."""

import numpy as np
import pytest
from inference.many.many_designs import responses, rows
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.many.centred_responses import CentredResponses
from numbamm.inference.many.shared_design import Design
from numbamm.models.fitting.light_starts import LightStarts

DATA = rows()
Y = responses(DATA)


@pytest.mark.parametrize(
    ("right", "options"),
    [
        ("1 + (1 | g)", {}),
        ("x + (1 + x | g)", {"reml": True}),
        ("x + (x || g)", {}),
        ("x + (1 | g) + (1 | h)", {"weights": "w", "sigma": 0.7}),
        ("x + (1 | g) + (1 | gh) + (1 | h)", {"reml": True}),
        ("x + (1 + x | g) + (1 | h)", {"reml": True}),
    ],
)
def test_starts_are_in_the_same_valleys(right, options):
    model = mm.LinearMixedModel(f"y ~ {right}", DATA.assign(y=Y[:, 0]), **options)
    model.optsum.configure()
    design = Design(model, wanted=False)
    Z = np.nan_to_num(Y).T
    centred = CentredResponses.of(
        Z, np.ones((1, 60)), model.frame.offset, model.feterm, model.sqrt_weights
    )
    sigmas = (model.optsum.sigma or 0.0) / centred.scale
    patterns = np.ones((1, 60)), np.zeros(len(Z), dtype=np.int64)
    every = np.arange(len(Z))
    starts, counts = design.first_starts(centred.values, sigmas, patterns, every)
    starts = starts.reshape(len(Z), -1, len(model.theta))
    for k, y in enumerate(Z):
        single = mm.LinearMixedModel(f"y ~ {right}", DATA.assign(y=y), **options)
        space, joint = single.space, single.scaled.structure
        known = LightStarts(single.search_coordinates, np.inf).first(space.objective)
        assert counts[k] == len(known)
        for mine, other in zip(starts[k], known, strict=False):
            for a, b in zip(joint.matrices(mine), joint.matrices(other), strict=True):
                assert_allclose(a @ a.T, b @ b.T, rtol=1e-5, atol=1e-9)
