"""Residuals of generalized models by their types."""

import json

import pytest
from numpy.testing import assert_allclose
from oracles import HERE

import numbamm as mm

INFERENCE = json.loads((HERE / "reference" / "inference.json").read_text(encoding="utf-8"))


def test_residuals(fitted_glmm):
    model = fitted_glmm("cbpp_1")
    assert_allclose(model.residuals(), model.resid)
    for type, expected in INFERENCE["resid_cbpp"]["result"].items():
        assert_allclose(model.residuals(type)[:3], expected, rtol=1e-5)
    with pytest.raises(mm.OptionError, match="response, pearson, deviance, working"):
        model.residuals("raw")
