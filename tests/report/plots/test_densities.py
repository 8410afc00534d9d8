"""Distributions of replicates."""

import pytest
from drawn import segments
from numpy.testing import assert_allclose
from scipy.integrate import trapezoid

from numbamm.errors import OptionError


def test_bootstrap(sleep):
    replicates = sleep.bootstrap(200, seed=1)
    axes = replicates.plot()
    limits = replicates.conf_int()
    shown = [ax.get_xlabel() for ax in axes]
    assert shown == [name for name in limits.index if not name.startswith("theta")]
    for ax, name in zip(axes, shown, strict=True):
        assert_allclose(segments(ax)[0, :, 0], limits.loc[name])
        x, y = next(line.get_data() for line in ax.get_lines() if len(line.get_xdata()) > 2)
        assert trapezoid(y, x) == pytest.approx(1, abs=0.02)
    [ax] = replicates.plot("theta_Subject.Days", alpha=0.5, method="equal-tailed")
    expected = replicates.frame["theta_Subject.Days"].quantile([0.25, 0.75])
    assert_allclose(segments(ax)[0, :, 0], expected)
    with pytest.raises(OptionError, match="unknown parameter 'sigm'; did you mean 'sigma'"):
        replicates.plot("sigm")
