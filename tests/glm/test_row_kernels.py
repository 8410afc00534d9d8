"""Row kernels, called by address: deviances, and NaN where a mean does not exist."""

import numba
import numpy as np
import pytest
from glm.one_row import BINOMIAL, POISSON, deviance

from numbamm.blocks.jit import jit
from numbamm.errors import OptionError
from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS


def test_no_such_mean():
    """Outside what link and family allow the deviance is NaN, for PIRLS to keep away from."""
    for family, link, y, eta in [
        (BINOMIAL, "log", 1.0, 0.3),
        (BINOMIAL, "identity", 0.0, -0.1),
        (BINOMIAL, "sqrt", 0.5, -0.5),
        (POISSON, "identity", 0.0, -0.1),
        (POISSON, "sqrt", 2.0, -1.0),
        (FAMILIES["gamma"], "inverse", 2.0, -1.0),
        (FAMILIES["gaussian"], "inverse", 2.0, -1.0),
    ]:
        assert np.isnan(deviance(family, LINKS[link], y, 1.0, eta))
    assert np.isfinite(deviance(POISSON, LINKS["sqrt"], 0.0, 1.0, -1.0))
    assert np.isfinite(deviance(FAMILIES["gaussian"], LINKS["sqrt"], 2.0, 1.0, -1.0))


def test_a_row_is_evaluated_as_if_it_were_alone():
    rng = np.random.default_rng(3)
    y, w, eta = rng.poisson(2.0, 9) * 1.0, rng.uniform(0.5, 2, 9), rng.normal(size=9)
    for what in range(row_kernels.EXPECTED_SHAPE):
        together = POISSON.evaluate(what, LINKS["sqrt"], 0.0, y, w, np.abs(eta))
        alone = [
            POISSON.evaluate(what, LINKS["sqrt"], 0.0, *(a[[i]] for a in (y, w, np.abs(eta))))
            for i in range(9)
        ]
        filled = np.unique(
            [row_kernels.WEIGHT, row_kernels.SCORE]
            if what == row_kernels.WORKING
            else [row_kernels.FIRST]
        )
        np.testing.assert_array_equal(together[filled], np.hstack(alone)[filled])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to compile")
def test_functions_that_cannot_be_compiled_are_described():
    def no_kernel(what, eta, table):
        table[0, 0] = object()

    with pytest.raises(OptionError, match=r"^my link cannot be compiled: .*It may use numbers"):
        row_kernels.address_of(jit(no_kernel, cache=False), row_kernels.LINK, "my link")
