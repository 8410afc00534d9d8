"""Tables of estimates that draw themselves."""

import numpy as np
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose


def test_tables_of_coefficients_and_contrasts(sleep):
    table = sleep.coef_table()
    assert labels(table.plot().yaxis) == ["Days", "(Intercept)"]
    contrast = sleep.contrast({"day 10": {"Intercept": 1, "Days": 10}, "_a$": {"Days": 1}})
    ax = contrast.plot()
    assert labels(ax.yaxis) == ["_a$", "day 10"]
    assert_allclose(segments(ax)[:, :, 0], contrast.frame[["lower", "upper"]])


def test_comparisons_within_others_are_named_by_both(fitted):
    model = fitted("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake")
    means = model.emmeans("recipe | temperature", at={"temperature": ["175", "225"]}, ddf="wald")
    ax = means.pairs().plot()
    assert labels(ax.yaxis)[::-1][:2] == ["A - B, 175", "A - C, 175"]
    axes = means.plot()
    assert [ax.get_title() for ax in axes] == ["temperature = 175", "temperature = 225"]
    frame = means.to_frame()
    for k, ax in enumerate(axes):
        part = frame[frame["temperature"] == ["175", "225"][k]]
        assert_allclose(offsets(ax), np.column_stack([range(3), part["mean"]]))
