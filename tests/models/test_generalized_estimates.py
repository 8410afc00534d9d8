"""What follows from a generalized fit: standard errors, conditional variances and leverages."""

import numpy as np
from generalized_oracles import ORACLES, each_oracle
from numpy.testing import assert_allclose


@each_oracle
def test_conditional_variances(name, fitted_glmm):
    model, oracle = fitted_glmm(name), ORACLES[name]
    for group, ours in model.condvar().items():
        _, expected = oracle.ranef(group)
        for level, sd in expected.iterrows():
            variances = np.diag(ours.loc[level].loc[sd.index, sd.index])
            assert_allclose(np.sqrt(variances), sd, rtol=2e-3)


def test_leverages_are_effective_parameters(fitted_glmm):
    model = fitted_glmm("cbpp_1")
    leverage = model.leverage()
    assert ((leverage > 0) & (leverage < 1)).all()
    assert model.feterm.rank < leverage.sum() < model.feterm.rank + 15
