"""`Components`: standard deviations and correlations from θ and σ, and signs of λ's columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.inference.random.components import Component, Components
from numbamm.structures.diag import Diag
from numbamm.structures.us import Us

#: A full term, one of independent effects, and one of a single effect.
TERMS = Components(
    [
        Component("g", ("a", "b", "c"), Us(3)),
        Component("h", ("a", "b"), Diag(2)),
        Component("odd group", ("x y",), Us(1)),
    ]
)
THETAS = st.lists(st.floats(-3, 3), min_size=9, max_size=9).map(np.array)


def test_names():
    assert TERMS.names == [
        *("sd_a|g", "sd_b|g", "sd_c|g", "cor_b.a|g", "cor_c.a|g", "cor_c.b|g"),
        *("sd_a|h", "sd_b|h", "sd_x y|odd group"),
    ]


@given(THETAS, st.floats(0.1, 10))
def test_values_are_those_of_the_covariance_matrices(theta, sigma):
    values = dict(zip(TERMS.names, TERMS.values(theta[None], np.array([sigma]))[0], strict=True))
    for term, lam in zip(TERMS.terms, TERMS.joint.matrices(theta), strict=True):
        cov = sigma**2 * lam @ lam.T
        sd = np.sqrt(np.diag(cov))
        for i, name in enumerate(term.names):
            assert_allclose(values[f"sd_{name}|{term.group}"], sd[i], rtol=1e-9, atol=1e-12)
    cov = TERMS.joint.matrices(theta)[0] @ TERMS.joint.matrices(theta)[0].T
    if min(np.diag(cov)) > 1e-6:
        expected = cov[1, 0] / np.sqrt(cov[0, 0] * cov[1, 1])
        assert_allclose(values["cor_b.a|g"], expected, atol=1e-9)


@given(st.lists(THETAS, min_size=1, max_size=4).map(np.array))
def test_columns_begin_positive_and_the_covariance_stays(thetas):
    changed = TERMS.joint.rectified(thetas)
    for before, after in zip(thetas, changed, strict=True):
        for old, new in zip(TERMS.joint.matrices(before), TERMS.joint.matrices(after), strict=True):
            assert_allclose(new @ new.T, old @ old.T, atol=1e-12)
            for column in new.T:
                nonzero = column[column != 0]
                assert not len(nonzero) or nonzero[0] > 0


def test_a_correlation_with_a_variance_of_zero_is_missing():
    theta = np.array([[0.0, 0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0]])
    values = dict(zip(TERMS.names, TERMS.values(theta, np.ones(1))[0], strict=True))
    assert values["sd_a|g"] == 0 and np.isnan(values["cor_b.a|g"])
    assert values["cor_c.b|g"] == pytest.approx((0.25 + 0.5) / np.sqrt(1.25 * 0.75))


def test_values_of_a_fit(fitted):
    model = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    components = Components.of(model)
    values = components.values(model.theta[None], np.array([model.sigma]))[0]
    [term] = model.varcorr.terms
    assert_allclose(values[:2], term.sd)
    assert_allclose(values[2], term.cov[1, 0] / np.prod(term.sd))
    assert components.names[2] == "cor_Days.Intercept|Subject"
