"""Many centred responses against one by one."""

import numpy as np
import pytest
from inference.many.many_designs import responses, rows
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.many.centred_responses import CentredResponses
from numbamm.models.centred_response import CentredResponse

DATA = rows()
Y = np.nan_to_num(responses(DATA)).T


@pytest.mark.parametrize("options", [{}, {"weights": "w", "offset": "off"}])
@pytest.mark.parametrize("right", ["x + f", "0 + x"])
def test_as_one_by_one(right, options):
    model = mm.LinearMixedModel(f"year ~ {right} + (1 | g)", DATA, **options)
    arguments = model.frame.offset, model.feterm, model.sqrt_weights
    many = CentredResponses.of(Y, np.ones((1, 60)), *arguments)
    assert not many.failed
    for k, y in enumerate(Y):
        single = CentredResponse.of(y, *arguments)
        assert many.scale[k] == pytest.approx(single.scale, rel=1e-12)
        assert many.mean[k] == pytest.approx(single.mean, rel=1e-12, abs=1e-15)
        assert_allclose(many.gamma0[k], single.gamma0, rtol=1e-9, atol=1e-12 * single.scale)
        assert_allclose(many.values[k], single.values, atol=1e-9)


def test_missing_values_are_orthogonal_to_x_where_there_are_values():
    model = mm.LinearMixedModel("year ~ x + f + (1 | g)", DATA, weights="w")
    kept = (np.random.default_rng(3).uniform(size=Y.shape) < 0.8).astype(float)
    many = CentredResponses.of(Y, kept, None, model.feterm, model.sqrt_weights)
    assert (many.values[kept == 0] == 0).all()
    basis = model.feterm.basis
    assert_allclose(many.values @ basis, 0, atol=1e-9)
    assert_allclose((many.values**2).sum(axis=1), kept.sum(axis=1))
    y = many.mean[:, None] + (many.gamma0 @ basis.T + many.scale[:, None] * many.values) / (
        model.sqrt_weights
    )
    assert_allclose(np.where(kept > 0, y - Y, 0), 0, atol=1e-8)
