"""Columns and weights of any size: the same model in other units, or a refusal that names them."""

import numpy as np
import pytest

import numbamm as mm

RNG = np.random.default_rng(1)
X, Z, N = RNG.normal(size=60), RNG.normal(size=60), 60
DATA = {"x": X, "z": Z, "y": X + RNG.normal(size=60), "g": np.repeat(list("abcdef"), 10)}
FORMULA = "y ~ x + (1 + z | g)"


@pytest.fixture(scope="module")
def model():
    return mm.lmm(FORMULA, DATA)


@pytest.mark.parametrize("factor", [1e-140, 1e-30, 1e30, 1e140])
@pytest.mark.parametrize("name", ["x", "z"])
def test_another_unit_is_the_same_model(model, name, factor):
    other = mm.lmm(FORMULA, {**DATA, name: DATA[name] * factor})
    assert other.objective == pytest.approx(model.objective, abs=1e-6)
    assert other.feterm.dropped == []


@pytest.mark.parametrize("factor", [1e-200, 1e-160, 1e160, 1e200])
@pytest.mark.parametrize("name", ["x", "z", "y"])
def test_beyond_double_precision(name, factor):
    what = {"x": "'x' has", "z": "'z' in the term of 'g' has", "y": "the response has"}[name]
    with pytest.raises(mm.DataError, match=f"{what} values of the size .* other units"):
        mm.lmm(FORMULA, {**DATA, name: DATA[name] * factor})


@pytest.mark.parametrize("factor", [1e-100, 1e-30, 1e-8, 1e8, 1e100])
def test_weights_of_any_size(model, factor):
    """They divide the variance, so that σ² takes the factor."""
    other = mm.lmm(FORMULA, DATA, weights=np.full(N, factor))
    assert other.objective == pytest.approx(model.objective, abs=1e-6)
    np.testing.assert_allclose(other.params, model.params, rtol=1e-6)
    assert other.sigma == pytest.approx(model.sigma * np.sqrt(factor), rel=1e-6)


def test_generalized_models_refuse_the_same():
    counts = {**DATA, "y": RNG.poisson(2, size=N), "x": X * 1e200}
    with pytest.raises(mm.DataError, match="'x' has values of the size"):
        mm.glmm("y ~ x + (1 | g)", counts, "poisson")
