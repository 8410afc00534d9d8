"""Effects with intervals by level: labels, bands, and factors in rows."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from matplotlib.collections import PolyCollection
from numpy.testing import assert_allclose

from numbamm.report.plots.caterpillar import Caterpillar, draw_caterpillars


def effects(n, names=("a",)):
    x = np.random.default_rng(n).normal(size=n)
    terms = {name: (k + x, k + x - 1, k + x + 2) for k, name in enumerate(names)}
    return Caterpillar("g", np.arange(n), terms, np.argsort(x))


@pytest.mark.parametrize("n, labelled, banded", [(40, True, False), (41, False, False)])
def test_up_to_forty_levels_are_labelled(n, labelled, banded):
    group = effects(n)
    [ax] = draw_caterpillars([group])
    assert labels(ax.yaxis) == ([str(k) for k in group.order] if labelled else [])
    assert ax.get_ylabel() == ("g" if labelled else "g (41 levels)")
    _, lower, upper = group.terms["a"]
    assert_allclose(segments(ax)[:, :, 0], np.column_stack([lower, upper])[group.order])


def test_many_intervals_make_a_band():
    group = effects(201)
    [ax] = draw_caterpillars([group])
    [band] = [c for c in ax.collections if isinstance(c, PolyCollection)]
    x = band.get_paths()[0].vertices[:, 0]
    assert (x.min(), x.max()) == (group.terms["a"][1].min(), group.terms["a"][2].max())
    assert_allclose(offsets(ax)[:, 0], np.sort(group.terms["a"][0]))


def test_a_factor_of_several_effects_begins_a_row():
    axes = draw_caterpillars([effects(5), effects(6, ("a", "b"))])
    rows = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert rows == [0, 1, 1] and [ax.get_title() for ax in axes] == ["a", "a", "b"]


def test_points_without_intervals():
    x = np.array([0.5, -0.5])
    [ax] = draw_caterpillars(
        [Caterpillar("g", np.array(["u", "v"]), {"a": (x, None, None)}, [1, 0])]
    )
    assert_allclose(offsets(ax), [[-0.5, 0], [0.5, 1]])
