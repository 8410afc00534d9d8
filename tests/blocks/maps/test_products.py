"""The parts of A as matrices are the products of the columns."""

import numpy as np
import pytest
from sources.streams import irregular

import numbamm as mm
from numbamm.blocks.maps.products import products

FORMULAS = [
    "y ~ x * f + (1 + x | g) + (1 | h)",
    "y ~ x + (1 + x | g/f) + (0 + x | lab)",
    "y ~ 1 + (1 + x | f:g) + (1 + o | h) + (x || f)",
    "y ~ 0 + x + (1 | h) + (1 | g) + (1 | f)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_products_of_columns(formula):
    model = mm.LinearMixedModel(formula, irregular(), weights="w")
    root = model.sqrt_weights[:, None]
    Z = np.hstack([term.toarray() for term in model.scaled.terms]) * root
    ZZ, Zxy, xy = products(model.layout, model.blocks.A)
    rows = model.blocks.xy
    np.testing.assert_allclose(ZZ.toarray(), Z.T @ Z, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(Zxy, Z.T @ rows, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(xy, rows.T @ rows, rtol=1e-10, atol=1e-9)
