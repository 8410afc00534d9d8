"""`pca` and `rePCA`: principal components of the random effects, as lme4 has them."""

import numpy as np
import oracles
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy", reml=True)


def test_components_agree_with_lme4(sleep):
    oracle = oracles.INFERENCE["repca_sleep"]["result"]["Subject"]
    found = sleep.rePCA()
    np.testing.assert_allclose(found.frame["sd"], oracle["sdev"], rtol=1e-3)
    np.testing.assert_allclose(found.frame["proportion"], oracle["importance_prop"], rtol=2e-3)
    rotation = np.array(oracle["rotation"])
    signs = np.sign(np.diag(rotation) * np.diag(found.loadings["Subject"]))
    np.testing.assert_allclose(found.loadings["Subject"], rotation * signs, atol=1e-3)
    assert found.frame["cumulative"].iloc[-1] == pytest.approx(1)


def test_components_of_correlations(sleep):
    """Of two variables with correlation r they have variances 1 ± r, and equal loadings."""
    r = sleep.varcorr["Subject"].corr[1, 0]
    found = sleep.pca()
    np.testing.assert_allclose(found.frame["sd"] ** 2, [1 + r, 1 - r])
    np.testing.assert_allclose(np.abs(found.loadings["Subject"]), np.sqrt(0.5))


def test_component_of_variance_zero(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    assert np.isnan(model.pca().frame["proportion"].iloc[0])
    assert "do not support components of variance zero" in repr(model.rePCA())


def test_components_of_several_terms():
    rows = oracles.dataset("sleepstudy")
    formula = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
    model = mm.lmm(formula, rows, amalgamate=False)
    assert list(model.pca().loadings) == ["Subject", "Subject (2)"]
