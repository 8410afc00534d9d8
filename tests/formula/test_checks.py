"""Checks of the response and of the random effects beside it."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.errors import DataError
from numbamm.formula import check_gaussian, model_frame


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("one ~ x + (1 | g)", r"'one' is constant \(1\)"),
        ("y ~ x + (1 | t)", "'t' is continuous: each of the 60 rows has a level of its own"),
        ("y ~ x + (1 | row)", r"60 random effects \(60 levels × 1\) for 60 observations"),
        ("y ~ x + (x | pair)", r"60 random effects \(30 levels × 2\) for 60 observations"),
        ("y ~ x + (1 | pair/flag) + (1 | g:h)", r"60 random effects"),
    ],
)
def test_what_a_linear_model_cannot_tell_apart(data, formula, message):
    frame = data.assign(one=1.0, row=np.arange(60), pair=np.arange(60) // 2)
    mf = model_frame(formula, frame)
    with pytest.raises(DataError, match=message):
        check_gaussian(mf)


def test_checks_of_linear_models_pass_where_they_should(data):
    check_gaussian(model_frame("y ~ x + (1 + x | g) + (1 | h)", data))
    # uncorrelated columns are terms of their own: 30 levels × 1 each
    frame = data.assign(pair=np.arange(60) // 2)
    check_gaussian(model_frame("y ~ 1 + zerocorr(x | pair)", frame))
    check_gaussian(model_frame("y ~ 1 + (x | pair)", frame, weights=np.arange(1, 61)))


@pytest.mark.parametrize("counts", [[0, 3, 1, 2, 0, 1], [7, 7, 7, 7, 7, 8], [0, 1, 0, 1, 2, 1]])
def test_counts_without_trials_are_told_of_cbind(counts):
    data = {"n ill": counts, "g": list("aabbcc")}
    with pytest.raises(DataError, match=r"response '.*n ill.*cbind\(successes, failures\)"):
        mm.glmm("`n ill` ~ 1 + (1 | g)", data, "binomial")
    with pytest.raises(DataError) as caught:
        mm.glmm("`n ill` ~ 1 + (1 | g)", data | {"n ill": [-1, *counts[1:]]}, "poisson")
    assert "cbind" not in str(caught.value)
