"""`model.plot.residuals` against the model's residuals."""

import numpy as np
import pytest
from drawn import offsets
from numpy.testing import assert_allclose


@pytest.mark.parametrize("name", ["sleep", "odd", "odd_log", "bare", "cbpp"])
def test_residuals_are_those_of_the_rows_used(name, request):
    model = request.getfixturevalue(name)
    ax = model.plot.residuals()
    rows = model.frame.rows
    expected = model.fittedvalues.to_numpy()[rows], model.residuals("pearson").to_numpy()[rows]
    assert_allclose(offsets(ax), np.column_stack(expected))
    assert ax.get_ylabel() == "Pearson residual"


def test_residuals_on_the_scale_of_the_link(cbpp):
    ax = cbpp.plot.residuals("deviance", scale="link")
    assert_allclose(offsets(ax)[:, 0], cbpp.predict(type="link"))
    assert_allclose(offsets(ax)[:, 1], cbpp.residuals("deviance"))
    assert ax.get_xlabel() == "Linear predictor (logit)"


def test_events_are_binned(verbagg):
    ax = verbagg.plot.residuals()
    drawn, r = offsets(ax), verbagg.residuals("pearson").to_numpy()
    assert 20 < len(drawn) < 100 and np.abs(drawn[:, 1]).max() < 1
    assert ax.get_ylabel() == "Pearson residual, mean in bins"
    # Means of equally many rows, in the order of the fitted values.
    order = np.argsort(verbagg.fittedvalues.to_numpy(), kind="stable")
    sizes = [len(part) for part in np.array_split(order, len(drawn))]
    assert max(sizes) - min(sizes) <= 1
    assert np.mean(drawn[:, 1]) == pytest.approx(r.mean(), abs=0.02)
    single = verbagg.plot.residuals(bins=False)
    assert len(offsets(single)) == verbagg.nobs
