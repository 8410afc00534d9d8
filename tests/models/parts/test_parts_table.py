"""The table of the coefficients of other parts."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.errors import NotFittedError


def test_a_row_for_each_coefficient():
    rng = np.random.default_rng(8)
    g, x = rng.integers(0, 10, 200), rng.normal(size=200)
    y = np.exp(0.4 * rng.normal(size=200)) * 3
    y[rng.uniform(size=200) < 0.3] = 0
    data = {"y": y, "x": x, "g": g.astype(str)}
    model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", data, "gamma", "log", hurdle="~ x")
    with pytest.raises(NotFittedError):
        _ = model.parts
    table = model.fit().parts
    assert table["part"].to_list() == ["dispersion", "hurdle", "hurdle"]
    assert table["term"].to_list() == ["Intercept", "Intercept", "x"]
    assert (table["se"] > 0).all()
    assert table["value"].iloc[0] == pytest.approx(np.exp(table["estimate"].iloc[0]))
    text = str(model.summary())
    assert "Further parts" in text and "hurdle" in text and "with a hurdle" in text
    assert not len(mm.glmm("y ~ x + (1 | g)", {**data, "y": y > 0}, "bernoulli").parts)
