"""Ordinal models that other programs have fitted, and small data for others."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import oracles
import pandas as pd

import numbamm as mm

REFERENCE = Path(__file__).parent / "reference" / "ordinal.json"
ORACLES = {e["id"]: e for e in json.loads(REFERENCE.read_text(encoding="utf8"))}


@cache
def fitted(name: str):
    """numbamm's fit of an oracle's model; a warning about the approximation is no matter here."""
    entry = ORACLES[name]
    data = oracles.dataset(entry["dataset"])
    response = entry["formula"].partition("~")[0].strip()
    categories = pd.CategoricalDtype(entry["categories"], ordered=True)
    model = mm.CumulativeLinkMixedModel(
        entry["formula"],
        data.assign(**{response: data[response].astype(str).astype(categories)}),
        entry["link"],
        threshold=entry["threshold"],
        nominal=entry["nominal"],
        scale=entry["scale"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.NumbammWarning)
        return model.fit(nagq=entry.get("nAGQ") or 1)


@cache
def simulated(n: int = 90, seed: int = 4) -> pd.DataFrame:
    """Rows with an ordered response, two crossed factors and covariates."""
    rng = np.random.default_rng(seed)
    g = np.r_[0, 1 + rng.integers(0, 6, n - 1)]
    h = rng.integers(0, 4, n)
    x, z = rng.normal(size=n), rng.integers(0, 2, n)
    effect = 1.5 * rng.normal(size=7)[g] + 0.4 * rng.normal(size=4)[h]
    latent = 0.8 * x - 0.5 * z + effect + (1 + 0.5 * z) * rng.logistic(size=n)
    codes = np.searchsorted([-1.5, 0.0, 1.2], latent)
    y = pd.Categorical.from_codes(codes, ["low", "mid", "high", "top"], ordered=True)
    data = {"y": y, "x": 1e3 + 50 * x, "odd name": pd.Categorical(np.array(["a", "b"])[z])}
    return pd.DataFrame(data | {"g": g, "h": h, "w": rng.integers(1, 3, n) * 1.0})
