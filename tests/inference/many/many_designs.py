"""Designs of every kind, responses of every kind for them, and their fits one by one."""

import numpy as np
import pandas as pd

import numbamm as mm

#: Right-hand sides, and options.
DESIGNS = {
    "pair": ("x + (1 + x | g)", {}),
    "pair, REML": ("x + (1 + x | g)", {"reml": True}),
    "crossed": ("x + f + (1 | g) + (1 | h)", {"reml": True}),
    "nested": ("x + (1 | g) + (1 | gh)", {"reml": True}),
    "zerocorr": ("x + (x || g)", {"reml": True}),
    "not amalgamated": ("x + (1 | g) + (0 + x | g)", {"amalgamate": False}),
    "vector and crossed": ("x + (1 + x | g) + (1 | h)", {"reml": True}),
    "far off": ("year + (1 + year | g)", {"reml": True}),
    "dependent columns": ("x + x2 + f + (1 | g)", {"reml": True}),
    "weights, no intercept": ("0 + f + (1 + `k x` | g)", {"reml": True, "weights": "w"}),
    "weights and offset": ("x + (1 | g) + (1 | h)", {"weights": "w", "offset": "off"}),
    "sigma": ("x + (1 + x | g)", {"sigma": 1.3}),
    "factor": ("f + (0 + f | g)", {"reml": True, "contrasts": {"f": "sum"}}),
    "homdiag": ("x + homdiag(0 + f | g)", {"reml": True}),
}

#: Standard deviations of the random effects of responses: none, small, ordinary and large ones.
SIZES = (0.0, 0.3, 1.0, 30.0)


def rows(n=60, seed=3):
    """Irregular rows: a level seen once, odd names, far-off and tiny columns, an empty cell."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.integers(0, 9, n),
            "h": rng.integers(0, 5, n),
            "w": rng.uniform(0.5, 3, n),
            "off": rng.normal(size=n),
            "year": 2000 + rng.integers(0, 20, n),
            "k x": 1e4 * rng.normal(size=n),
        }
    )
    data.loc[0, "g"] = 99
    data.loc[(data.f == "c") & (data.h == 1), "f"] = "a"
    data["gh"] = data.g.astype(str) + "§" + (data.h % 2).astype(str)
    data["x2"] = 2 * data.x
    return data


def responses(data, seed=7):
    """Shape (rows, responses): of each size, and with missing values, far off, tiny."""
    rng, n = np.random.default_rng(seed), len(data)
    codes = {name: data[name].astype("category").cat.codes.to_numpy() for name in "gh"}
    columns = []
    for size in [*SIZES, 1.0, 1.0, 1.0, 0.3, 1.0]:
        b, c, d = rng.normal(size=(3, 20))
        y = 1 + data.x + size * (b[codes["g"]] + 0.5 * c[codes["g"]] * data.x)
        columns.append(y + 0.5 * size * d[codes["h"]] + rng.normal(size=n) / np.sqrt(data.w))
    Y = np.array(columns).T
    Y[[3, 40], 4] = np.nan
    Y[[5, 6], 5] = np.nan
    Y[[5, 6], 6] = np.nan
    Y[:, 7] += 1e6
    Y[:, 8] *= 1e-9
    return Y


def one(data, Y, k, right, options):
    """The fit of one response by `lmm`."""
    return mm.lmm(f"y ~ {right}", data.assign(y=Y[:, k]), **options)
