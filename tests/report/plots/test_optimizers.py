"""Where optimisers ended."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from drawn import labels, offsets
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.report.plots.optimizers import optimizers


def test_allfit(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    fits = mm.allfit(model, ["nlopt:LN_BOBYQA", "scipy:Powell", "newton"])
    axes = fits.plot()
    assert sorted(labels(axes[0].yaxis)) == sorted(fits.table["optimizer"])
    assert_allclose(offsets(axes[0])[:, 0], np.maximum(fits.table["excess"], 1e-9))
    assert_allclose(offsets(axes[1])[:, 0], fits.table["evaluations"])
    fits.table.loc[2, ["excess", "evaluations"]] = np.nan
    assert [text.get_text() for text in fits.plot()[0].texts] == ["failed"]


def test_each_of_the_users_axes_names_the_optimizers():
    table = pd.DataFrame(
        {"optimizer": ["one", "two"], "excess": [0.0, 1.0], "evaluations": [30, 20]}
    )
    _, given = plt.subplots(1, 2)
    for ax in optimizers(table, tolerance=1e-4, axes=given):
        assert labels(ax.yaxis) == ["one", "two"]
