"""Axes of new figures."""

import matplotlib.pyplot as plt
import pytest

from numbamm.errors import OptionError


def test_too_few_axes_are_told(sleep):
    _, axes = plt.subplots(1, 1)
    with pytest.raises(OptionError, match="this plot has 2 panels, but 1 axes were given"):
        sleep.plot.ranef(axes=axes)


def test_new_figures_are_as_large_as_the_style_says(sleep):
    with plt.rc_context({"figure.figsize": (11, 9)}):
        assert tuple(sleep.plot.residuals().figure.get_size_inches()) == (11, 9)
        assert sleep.plot.ranef()[0].figure.get_size_inches()[0] == 11
