"""Data with odd names for plots, and what is drawn on axes as numbers."""

import numpy as np
import pandas as pd


def odd_rows(n=60):
    """Rows with names that mathtext or a formula could misread, and holes."""
    rng = np.random.default_rng(7)
    g = rng.integers(0, 6, n)
    x = np.round(rng.normal(size=n), 2)
    data = pd.DataFrame(
        {
            "$y$ (µV)": 3 + 2 * x + rng.normal(size=6)[g] + rng.normal(size=n),
            "x y %": x,
            "$f_1$": pd.Categorical(np.where(rng.uniform(size=n) < 0.3, "$a$", "_b%^2")),
            "_g$": [f"_{k}$1$" for k in g],
            "w": rng.uniform(0.5, 2, n),
            "o": rng.normal(size=n),
        }
    )
    data.loc[[3, 17], "x y %"] = np.nan
    return data


def offsets(ax, k=0):
    """Points of the k-th scatter, shape (n, 2)."""
    found = [c for c in ax.collections if hasattr(c, "get_sizes") and len(c.get_sizes())]
    return np.asarray(found[k].get_offsets())


def segments(ax, k=0):
    """The lines of the k-th set of lines, shape (n, 2, 2)."""
    found = [c for c in ax.collections if hasattr(c, "get_segments") and len(c.get_segments())]
    return np.array(found[k].get_segments())


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]
