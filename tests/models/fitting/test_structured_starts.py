"""A second start where a structure may take the place of the residuals."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.models.fitting.structured_starts import LARGE, StructuredStarts

rng = np.random.default_rng(1)
DATA = pd.DataFrame([(i, f) for i in range(12) for f in "abcd"], columns=["g", "f"])
DATA["y"] = rng.normal(size=12)[DATA.g] + 0.3 * rng.normal(size=48)


def test_only_after_a_singular_end():
    m = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA)
    starts = StructuredStarts(m.scaled, m.theta)
    assert [*map(list, starts.first(None))] == [list(m.theta)]
    assert starts.further(np.array([1.0, 0.4])) == []
    # each of the four columns is 1 in a quarter of the rows: its size is ½
    [again] = starts.further(np.array([1.0, np.pi / 2]))
    assert_allclose(np.linalg.norm(m.reterms[0].structure.matrix(again), axis=1) * 0.5, LARGE)
    assert starts.further(np.array([1.0, np.pi / 2])) == []  # once


def test_a_fit_tries_both():
    m = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA).fit()
    alone = mm.LinearMixedModel("y ~ f + ar1(0 + f | g)", DATA).fit(optimizer="newton")
    assert m.objective <= alone.objective + 1e-8
    assert m.optsum.feval >= alone.optsum.feval
