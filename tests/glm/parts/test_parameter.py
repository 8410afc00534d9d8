"""Parameters of families: links, slopes and their inverse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.glm.parts.density_rows import BETWEEN_1_AND_2, IDENTITY, LOG, parameter
from numbamm.glm.parts.parameter import Parameter


@pytest.mark.parametrize("link", [IDENTITY, LOG, BETWEEN_1_AND_2])
def test_links(link):
    of, nu, h = Parameter("a", link), np.array([-3.0, 0.0, 2.0]), 1e-6
    values = of.value(nu)
    assert_allclose(of.predictor(values), nu, atol=1e-12)
    assert_allclose(of.slope(nu), (of.value(nu + h) - of.value(nu - h)) / (2 * h), rtol=1e-8)
    compiled = np.array([parameter(link, v) for v in nu])
    assert_allclose(compiled.T, [values, of.slope(nu)])
    assert str(of) == "a" and of.link_name
