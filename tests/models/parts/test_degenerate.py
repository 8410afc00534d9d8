"""Parts at an end of their range: the simpler family is named, and inference is its."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    g, x = rng.integers(0, 15, 300), rng.normal(size=300)
    b = 0.4 * rng.normal(size=15)[g]
    y = rng.poisson(np.exp(0.5 + 0.3 * x + b)).astype(float)
    z = 1 + 0.5 * x + b + rng.uniform(-1.7, 1.7, 300)
    return {"y": y, "x": x, "g": g.astype(str), "z": z}


CASES = [
    ("nbinom1", "y", {}, "poisson", "goes to zero.*'poisson'"),
    ("student", "z", {"link": "identity"}, "gaussian", "grows without limit.*'gaussian'"),
]


@pytest.mark.parametrize(("family", "response", "options", "simple", "words"), CASES)
def test_the_simpler_family_is_named(data, family, response, options, simple, words):
    formula = f"{response} ~ x + (1 | g)"
    with pytest.warns(mm.NumbammWarning, match=words):
        model = mm.glmm(formula, data, family, **options)
    other = mm.glmm(formula, data, simple, options.get("link"))
    assert model.objective == pytest.approx(other.objective, abs=2e-3)
    assert_allclose(model.beta, other.beta, rtol=2e-2)
    assert_allclose(model.bse, other.bse, rtol=5e-2)
    assert model.parts["se"].isna().any()
    assert "limit" in str(model.summary())


def test_no_additional_zeros(data):
    with pytest.warns(mm.NumbammWarning, match="without zi"):
        model = mm.glmm("y ~ x + (1 | g)", {**data, "y": data["y"] + 1}, "poisson", zi="~ 1")
    assert model.parts["value"].iloc[0] < 1e-3 and model.parts["se"].isna().all()
    assert np.isfinite(model.bse).all()
