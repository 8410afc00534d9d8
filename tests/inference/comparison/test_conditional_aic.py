"""Conditional AIC, against the derivative of fitted values by responses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("effects", ["1", "1 + Days"])
def test_degrees_of_freedom(effects, weighted):
    """tr(∂ŷ/∂y), by refits to responses that are moved a little."""
    d = mm.datasets.load("sleepstudy").query("Days < 6").assign(w=lambda d: 1 + d["Days"] % 2)
    m = mm.lmm(f"Reaction ~ Days + ({effects} | Subject)", d, weights="w" if weighted else None)
    found = m.conditional_aic().frame.iloc[0]
    total, step = 0.0, 0.05
    twin = m.twin()
    for i in range(m.nobs):
        ends = []
        for sign in (1, -1):
            y = m.frame.y.copy()
            y[i] += sign * step
            ends.append(twin.refit(y, progress=False).estimates.fitted[i])
        total += (ends[0] - ends[1]) / (2 * step)
    assert_allclose(found["df"] - 1, total, rtol=2e-3)
    sd = m.sigma / np.sqrt(m.frame.weights if weighted else np.ones(m.nobs))
    z = (m.frame.y - m.estimates.fitted) / sd
    assert_allclose(found["llf"], -0.5 * np.sum(z**2 + np.log(2 * np.pi * sd**2)))
    assert_allclose(found["caic"], -2 * found["llf"] + 2 * found["df"])


def test_singular_fits_count_as_the_model_without_the_effects():
    m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    table = m.conditional_aic()
    assert "variances of zero count as known" in str(table)
    assert_allclose(table.frame["df"], 2, atol=1e-6)
    assert_allclose(table.frame["caic"], m.aic - 2, atol=1e-6)


def test_other_order_and_unit():
    d = mm.datasets.load("sleepstudy")
    a = mm.lmm("Reaction ~ Days + (Days | Subject)", d).conditional_aic().frame
    turned = d.sample(frac=1, random_state=1).assign(Days=lambda d: d["Days"] * 1e3)
    b = mm.lmm("Reaction ~ Days + (Days | Subject)", turned).conditional_aic().frame
    assert_allclose(a, b, rtol=1e-4)


def test_what_is_refused():
    d = mm.datasets.load("cbpp")
    g = mm.glmm("incidence ~ 1 + (1 | herd)", d, "negativebinomial", fast=True)
    with pytest.raises(OptionError, match="linear models and the families poisson and bernoulli"):
        g.conditional_aic()
    weighted = mm.glmm("incidence ~ 1 + (1 | herd)", d, "poisson", weights="size", fast=True)
    with pytest.raises(OptionError, match="without weights"):
        weighted.conditional_aic()
    m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"), sigma=50.0)
    with pytest.raises(OptionError, match="estimated variance"):
        m.conditional_aic()
