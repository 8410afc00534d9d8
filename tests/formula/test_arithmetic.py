"""Arithmetic inside expressions: exact for numbers of few bits, within bounds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.formula import model_frame


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("I((x > 0) + (t > 2))", lambda d: (d.x > 0) * 1 + (d.t > 2)),
        ("I((x > 0) - (t > 2))", lambda d: (d.x > 0) * 1 - (d.t > 2)),
        ("I(-(x > 0))", lambda d: -1 * (d.x > 0)),
        ("np.exp(x > 0)", lambda d: np.exp(1.0 * (d.x > 0))),
        ("np.add(x > 0, t > 2)", lambda d: (d.x > 0) * 1 + (d.t > 2)),
        ("I(np.digitize(t, [0])**-1 * 0 + np.digitize(t, [-1])**70)", lambda d: d.x * 0 + 1),
        ("I(2**(np.digitize(t, [0]) * 80) / 2**80)", lambda d: d.x * 0 + 1),
        ("I(small(t) * 100)", lambda d: 100.0 * d.t.astype("int8")),
        ("I(c % 2 + b)", lambda d: np.arange(len(d)) % 4 % 2 + d.b),
    ],
)
def test_numbers_of_few_bits(data, expression, value):
    n = len(data)
    data = data.assign(b=np.arange(n) % 2 == 0, c=[2**70 + k % 4 for k in range(n)])
    small = {"small": lambda v: v.astype("int8")}
    mf = model_frame(f"y ~ x + I({expression} + x) + (1 | g)", data, context=small)
    assert_allclose(mf.X[:, 2] - data.x, value(data), atol=1e-12)
