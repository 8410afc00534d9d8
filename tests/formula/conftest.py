import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def data():
    """Sixty rows with a column of every kind; no value misses."""
    rng = np.random.default_rng(20)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "t": rng.uniform(1, 5, size=n),
            "f": list("abc") * 20,
            "h": list("pqrst") * 12,
            "g": np.repeat(np.arange(12), 5),
            "flag": rng.permutation(n) % 2 == 0,
            "dose": pd.Categorical(list("lmh") * 20, categories=["l", "m", "h"], ordered=True),
            "kind": pd.Categorical(list("uvw") * 20, categories=["w", "v", "u"]),
        }
    )
