"""Scales of variance parameters without bounds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.profiling.variance_scales import VarianceScales

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def residual():
    data = mm.datasets.load("sleepstudy")
    return mm.lmm("Reaction ~ Days", data, residual="ar1(Days | Subject)", dispersion="exp(Days)")


@pytest.mark.parametrize("make", [lambda fitted: fitted(SLEEP, "sleepstudy"), lambda _: residual()])
def test_there_and_back(fitted, make):
    m = make(fitted)
    scales = VarianceScales(m)
    estimate, error, _ = scales.curvature()
    values = scales.bounded(estimate)
    assert_allclose(scales.unbounded(values), estimate, rtol=1e-10)
    wald = m.conf_int(which="random", method="wald")
    assert list(wald.index) == scales.names
    assert_allclose(scales.bounded(estimate + 1.959963984540054 * error), wald[1], rtol=1e-9)
    assert ((wald[0] < values) & (values < wald[1])).all()


def test_the_end_of_the_range():
    scales = VarianceScales(mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2")))
    estimate, error, _ = scales.curvature()
    assert scales.names == ["sigma", "sd_Intercept|Batch"]
    assert np.isfinite([estimate[0], error[0]]).all()
    assert np.isnan([estimate[1], error[1]]).all()
