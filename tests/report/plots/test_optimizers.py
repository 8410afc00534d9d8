"""Where optimisers ended."""

import numpy as np
from drawn import labels, offsets
from numpy.testing import assert_allclose

import numbamm as mm


def test_allfit(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    fits = mm.allfit(model, ["nlopt:LN_BOBYQA", "scipy:Powell", "newton"])
    axes = fits.plot()
    assert sorted(labels(axes[0].yaxis)) == sorted(fits.table["optimizer"])
    assert_allclose(offsets(axes[0])[:, 0], np.maximum(fits.table["excess"], 1e-9))
    assert_allclose(offsets(axes[1])[:, 0], fits.table["evaluations"])
    fits.table.loc[2, ["excess", "evaluations"]] = np.nan
    assert [text.get_text() for text in fits.plot()[0].texts] == ["failed"]
