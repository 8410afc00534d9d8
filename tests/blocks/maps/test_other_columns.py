"""A in other columns is that of a model with these columns."""

from dataclasses import replace

import numpy as np
import pytest
from sources.streams import irregular

import numbamm as mm
from numbamm.blocks.layout import Pattern
from numbamm.blocks.maps.other_columns import in_other_columns
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.protocol import CrossProduct

FORMULAS = [
    "y ~ x * f + (1 + x | g) + (1 | h)",
    "y ~ x + (1 + x | g/f) + (0 + x | lab)",
    "y ~ 1 + (1 + x | f:g) + (1 + o | h) + (x || f)",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("fewer", [0, 1])
def test_columns_that_are_combinations(formula, fewer):
    model, rng = mm.LinearMixedModel(formula, irregular()), np.random.default_rng(1)
    blocks, terms = model.blocks, model.scaled.terms
    changes = [rng.normal(size=(t.p, t.p)) for t in terms]
    nx = blocks.nx - fewer
    M = rng.normal(size=(blocks.nx + 1, nx + 1))
    changed = [replace(t, z=B @ t.z) for t, B in zip(terms, changes, strict=True)]
    expected = DenseTail(changed, blocks.xy @ M)
    new = Pattern.of(terms).layout(nx)
    A = in_other_columns(blocks.layout, blocks.A, new, changes, M)
    theta = np.concatenate([t.structure.start for t in terms])
    degrees = np.array([model.nobs, 0])
    found = DenseTail(changed, CrossProduct(new, A, None))
    arguments = theta, degrees, 0.0, 0.0
    assert found.objective(*arguments) == pytest.approx(expected.objective(*arguments), rel=1e-10)
    values = [b.objective_gradient(*arguments)[1] for b in (found, expected)]
    np.testing.assert_allclose(*values, rtol=1e-7, atol=1e-7)
