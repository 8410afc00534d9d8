"""Oracles of what follows a fit: ``reference/families/postfit.json`` and its data sets."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pandas as pd

import numbamm.datasets

FOLDER = Path(__file__).parent / "reference" / "families"


@cache
def entries() -> dict[str, dict]:
    """The entries by their names."""
    text = (FOLDER / "postfit.json").read_text(encoding="utf8")
    return {entry["id"]: entry for entry in json.loads(text)}


@cache
def frame(name: str) -> pd.DataFrame:
    """A data set, with its factors: one that ships, or one of the folder."""
    if name in numbamm.datasets.list().index:
        return numbamm.datasets.load(name)
    if (FOLDER / f"{name}.csv").exists():  # simulated
        return pd.read_csv(FOLDER / f"{name}.csv")
    folder = FOLDER / "data"
    data = pd.read_csv(folder / f"{name}.csv")
    columns = json.loads((folder / f"{name}.json").read_text(encoding="utf8"))["columns"]
    for column in columns:
        if column["type"] == "factor":
            text = data[column["name"]].astype(str)
            data[column["name"]] = pd.Categorical(text, column["levels"], column["ordered"])
    return data
