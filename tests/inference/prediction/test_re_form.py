"""`re_form`: predictions with some of the random effects."""

import pytest
from numpy.testing import assert_allclose

import numbamm as mm


def test_only_the_columns_of_the_chosen_terms_are_needed(crossed):
    model, data = crossed
    found = model.predict(data[["x", "b"]], re_form=["b"], se=True)
    assert_allclose(found, model.predict(re_form=["b"], se=True))
    with pytest.raises(mm.DataError, match="no columns 'a', 'c' in the new data"):
        model.predict(data[["x", "b"]])
