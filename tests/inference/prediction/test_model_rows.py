"""`ModelRows`: the rows of the fit or new ones, with their weights, offsets and missing values."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm


def test_missing_values_have_no_prediction(sleep):
    new = pd.DataFrame({"Days": [1.0, np.nan, 2.0], "Subject": ["308", "308", None]})
    predicted = sleep.predict(new, se=True, interval="prediction")
    assert predicted.isna().all(axis=1).tolist() == [False, True, True]
    assert not predicted.iloc[0].isna().any()


def test_weights_of_new_rows(crossed):
    model, data = crossed
    with pytest.raises(mm.DataError, match="no column 'w' in the new data"):
        model.predict(data.drop(columns="w"), interval="prediction")
    by_array = mm.lmm("y ~ x + (1 | b)", data, weights=data["w"].to_numpy())
    with pytest.raises(mm.OptionError, match="weights were an array.*give weights="):
        by_array.predict(data, interval="prediction")
    with pytest.raises(mm.DataError, match="weights: zero in 300 rows"):
        by_array.predict(data, interval="prediction", weights=np.zeros(300))
