"""Satterthwaite's degrees of freedom of many fits against those of each."""

import numpy as np
import pytest
from inference.many.many_designs import DESIGNS, one, responses, rows
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.many.many_directions import levels_there

DATA = rows()
Y = responses(DATA)


@pytest.mark.parametrize("name", ["pair", "crossed", "vector and crossed", "sigma", "factor"])
def test_as_one_by_one_in_patterns_of_missing_values(name):
    """Near singular fits as well, where the numbers of rows and levels count."""
    right, options = DESIGNS[name]
    holes = Y[:, :4].copy()
    for k in range(4):
        holes[k : k + 9 : 2, k] = np.nan
    many = mm.lmm_many(f"~ {right}", DATA, holes, workers=1, **options)
    frame = many.to_frame()
    for k in range(4):
        single = one(DATA, holes, k, right, options)
        single.estimate_at(many.fits.filter(like="theta_").loc[k].to_numpy())
        known = mm.coef_table(single, ddf="satterthwaite").to_frame()["df"]
        assert_allclose(frame.loc[frame["response"] == k, "df"], known, rtol=1e-6)


def test_where_there_are_none_a_reason_is_given():
    """Fixed effects with a coefficient for each level hide the variance of the levels."""
    data = DATA.assign(f=DATA["h"].astype(str))
    many = mm.lmm_many("~ f + (1 | h)", data, Y[:, 1:3], reml=True)
    assert np.isnan(many.to_frame()["df"]).all()
    assert [*many.doubts] == [0, 1]
    assert 'ddf="wald"' in many.doubts[0]
    assert np.isfinite(many.to_frame()["se"]).all()


def test_levels_that_occur_in_kept_rows():
    term = mm.LinearMixedModel("x ~ 1 + (1 | g)", DATA).reterms[0]
    kept = (np.random.default_rng(1).uniform(size=(5, 60)) < 0.1).astype(float)
    known = [[bool(line[term.refs == j].any()) for j in range(term.nlevels)] for line in kept]
    assert levels_there(term, kept).tolist() == known
    assert levels_there(term, np.ones((1, 60))).all()
