"""`model.plot.correlations` against the matrices."""

import numpy as np
import pytest
from drawn import labels
from numpy.testing import assert_allclose

from numbamm.errors import OptionError


def test_correlations(sleep, odd_log, bare):
    axes = sleep.plot.correlations()
    assert_allclose(axes[0].images[0].get_array(), sleep.varcorr["Subject"].corr)
    assert_allclose(axes[1].images[0].get_array(), sleep.corr_params())
    assert [text.get_text() for text in axes[0].texts] == ["1.00", "0.08", "0.08", "1.00"]
    [ax] = odd_log.plot.correlations()  # with a column that was dropped
    assert np.isnan(odd_log.corr_params().loc["twice"]).all()
    assert np.ma.getmaskarray(ax.images[0].get_array())[2].all()
    assert labels(ax.yaxis)[2] == "twice" and "–" in {text.get_text() for text in ax.texts}
    with pytest.raises(OptionError, match="no correlations of random or fixed effects"):
        bare.plot.correlations()
