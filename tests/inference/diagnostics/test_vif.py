"""`vif`: generalized variance inflation factors."""

import numpy as np
import oracles
import pytest

import numbamm as mm


def test_variance_inflation():
    """Of single columns: the diagonal of the inverse of the correlations."""
    rng = np.random.default_rng(5)
    rows = oracles.dataset("sleepstudy").assign(
        a=rng.normal(size=180), b=lambda d: d["a"] + rng.normal(size=180)
    )
    model = mm.lmm("Reaction ~ Days + a + b + (1 | Subject)", rows)
    corr = model.corr_params().to_numpy()[1:, 1:]
    found = model.vif().to_frame()
    np.testing.assert_allclose(found["gvif"], np.diag(np.linalg.inv(corr)))
    np.testing.assert_allclose(found["root"], np.sqrt(found["gvif"]))
    assert found.index.tolist() == ["Days", "a", "b"]
    assert found.loc["a", "gvif"] > 1.5 > found.loc["Days", "gvif"]


def test_inflation_of_factors_does_not_depend_on_coding(fitted):
    rows = oracles.dataset("cake").iloc[7:]
    formula = "angle ~ recipe + temperature + (1 | recipe:replicate)"
    plain = mm.lmm(formula, rows).vif().to_frame()
    coded = mm.lmm(formula, rows, contrasts={"recipe": "sum", "temperature": "sum"}).vif()
    np.testing.assert_allclose(coded.to_frame(), plain, rtol=1e-5)
    assert plain["ncoef"].tolist() == [2, 5]
    with pytest.raises(mm.OptionError, match="needs two or more terms"):
        fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy").vif()
