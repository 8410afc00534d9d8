"""Kenward and Roger's covariance and moments."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.inference.fixed.kenward_roger import _scale_and_df

MODELS = {
    "sleep": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "sleep_zc": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "cake": ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake"),
    "cake_temp": ("angle ~ recipe + temp + (1 | recipe:replicate)", "cake"),
}


@pytest.mark.parametrize("name", MODELS)
def test_adjusted_covariance(fitted, name):
    formula, dataset = MODELS[name]
    model = fitted(formula, dataset, reml=True)
    oracle = oracles.INFERENCE[f"kr_vcov_{name}"]["result"]
    eye = np.eye(len(model.params))
    for key, ddf in (("vcov", "wald"), ("vcovAdj", "kenward-roger")):
        expected = np.array(oracle[key])
        frame = model.contrast(eye, ddf=ddf).to_frame()
        np.testing.assert_allclose(frame["se"] ** 2, np.diag(expected), rtol=1e-4)
        both = model.contrast(eye[:1] + eye[1:2], ddf=ddf).to_frame()["se"].iloc[0]
        assert both**2 == pytest.approx(expected[:2, :2].sum(), rel=1e-4)


@given(
    l=st.integers(1, 8),
    df=st.floats(0.2, 60),
    kind=st.sampled_from(["balanced", "Hotelling"]),
)
@settings(max_examples=300, deadline=None)
def test_moments_are_exact_in_both_cases(l, df, kind):
    if kind == "balanced":
        a2 = 2 * l / df
        scale, found = _scale_and_df(l, l * a2, a2)
        assert scale == pytest.approx(1.0, rel=1e-6)
    else:
        nu = df + l - 1
        scale, found = _scale_and_df(l, 2 * l / nu, l * (l + 1) / nu)
        assert scale == pytest.approx(df / nu, rel=1e-5)
    assert found == pytest.approx(df, rel=1e-5)


@given(l=st.integers(1, 6), share=st.floats(0.0, 1.0), a2=st.floats(1e-3, 20))
@settings(max_examples=300, deadline=None)
def test_moments_are_continuous(l, share, a2):
    """In between the two cases, F keeps its sign, and nothing jumps."""
    ratio = share * l + (1 - share) * 2 / (l + 1)
    scale, df = _scale_and_df(l, ratio * a2, a2)
    near = _scale_and_df(l, ratio * a2 * (1 + 1e-9), a2 * (1 + 1e-9))
    assert scale > 0 and df > 0
    np.testing.assert_allclose(near, (scale, df), rtol=1e-4)
