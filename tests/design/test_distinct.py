"""Numbers of different integers that come in parts."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from numbamm.design.distinct import Distinct

KEYS = st.lists(st.lists(st.integers(0, 2**62) | st.integers(0, 9), max_size=30), max_size=6)


@given(KEYS)
def test_keys_are_numbered_in_order_of_appearance(parts):
    table = Distinct()
    numbers = [table.numbers(np.array(part, dtype=np.int64)) for part in parts]
    together = np.array([key for part in parts for key in part], dtype=np.int64)
    codes, labels = pd.factorize(together)
    assert np.concatenate([*numbers, []]).tolist() == codes.tolist()
    assert table.count == len(labels)
