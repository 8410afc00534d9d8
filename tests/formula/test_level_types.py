"""Levels that differ by their type alone are named as such, wherever levels are given."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(4)
    number = np.tile([1, 2, 3], 40)
    rows = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "k": number})
    rows["y"] = rng.standard_normal(120) + rng.standard_normal(12)[rows["g"]]
    rows["f"] = rows["k"].astype(str)
    rows["half"] = rows["k"] / 2
    rows["label"] = rows["g"].astype(str)
    return {
        "numbers": mm.lmm("y ~ C(k) + C(half) + (1 | g)", rows),
        "texts": mm.lmm("y ~ f + (1 | label)", rows),
    }


def test_new_rows(models):
    numbers, texts = models["numbers"], models["texts"]
    new = {"k": ["1", "2"], "half": [0.5, 1.0], "g": [0, 1]}
    with pytest.raises(
        mm.DataError, match="'1' is a text here, but 1 is a whole number in the fit"
    ):
        numbers.predict(new)
    with pytest.raises(mm.DataError, match=r"'0\.5' is a text here, but 0\.5 is a number.*float"):
        numbers.predict({"k": [1, 2], "half": ["0.5", "1.0"], "g": [0, 1]})
    with pytest.raises(mm.DataError, match="is a (whole )?number here, but '1' is a text.*to str"):
        texts.predict({"f": [1, 2], "label": ["0", "1"]})


def test_grouping_factors(models):
    with pytest.warns(
        mm.NumbammWarning, match="effects: 3; 3 is a whole number here, but '3' is a text"
    ):
        models["texts"].predict({"f": ["1"], "label": [3]})
    with pytest.raises(mm.DataError, match="'3' is a text here, but 3 is a whole number.*to int"):
        models["numbers"].predict({"k": [1], "half": [0.5], "g": ["3"]}, new_levels="error")
    with pytest.warns(mm.NumbammWarning) as caught:
        models["texts"].predict({"f": ["1"], "label": ["nobody"]})
    assert "here, but" not in str(caught[0].message)


def test_marginal_means(models):
    with pytest.raises(mm.DataError, match="at: '2' is no level of 'k'.*whole number in the fit"):
        models["numbers"].emmeans("k", at={"k": ["2"]})
    with pytest.raises(mm.DataError, match="at: 2.0 is no level of 'f'.*2.0 is a number here"):
        models["texts"].emmeans("f", at={"f": [np.float64(2.0)]})
    with pytest.raises(mm.DataError) as error:
        models["texts"].emmeans("f", at={"f": ["9"]})
    assert "here, but" not in str(error.value)
