"""Further starts of searches that end where random effects or residuals have no variance."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.models.fitting.residual_starts import OTHERS, ResidualStarts


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(4)
    d = pd.DataFrame([(g, t) for g in range(14) for t in range(4)], columns=["g", "t"])
    d["y"] = rng.normal(size=len(d)) + rng.normal(size=14)[d.g]
    return mm.LinearMixedModel("y ~ t + (1 | g)", d, residual="hetar1(t | g)")


def test_others_follow_an_end_at_an_edge_and_that_once(model):
    space, side = model.space, model.residual_side
    inside = np.append(side.start, 0.5)
    edges = {
        "no random effects": np.append(side.start, 0.0),
        "a correlation of one": np.append([0.0, 0.0, 0.0, np.pi / 2], 0.5),
        "a visit without variance": np.append([0.0, -9.0, 0.0, 0.0], 0.5),
    }
    for end in edges.values():
        starts = ResidualStarts(space, inside)
        assert [x.tolist() for x in starts.first(None)] == [inside.tolist()]
        assert starts.further(inside) == []
        found = starts.further(end)
        assert [x[-1] for x in found] == list(OTHERS)  # the intercept's column has size one
        assert starts.further(end) == []
    assert len(ResidualStarts(space, inside, usual=inside).further(end)) == len(OTHERS) + 1


def test_a_fit_names_the_visit_without_variance(model):
    """Its start is there, and Newton's search alone stays."""
    d = model.frame
    y = np.where(d.part_columns["t"] == 2, 0.0, d.y)
    m = mm.LinearMixedModel(
        "y ~ 1 + (1 | g)",
        {"y": y, "t": d.part_columns["t"], "g": model.reterms[0].refs},
        residual="hetar1(t | g)",
    )
    m.fit()
    assert any(words.startswith("sd_2 is 0") for words in m.residual_side.bounds_met())
    assert "At its bound: sd_2 is 0 (hetar1(t | g))" in str(m.summary())
    assert m.is_singular()
