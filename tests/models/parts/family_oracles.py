"""Oracles: models of further families and parts that glmmTMB has fitted, in numbamm's notation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import numbamm as mm

REFERENCE = Path(__file__).parents[2] / "reference"
ORACLES = {e["id"]: e for e in json.loads((REFERENCE / "families.json").read_text())}
#: Columns of the simulated data that are factors.
FACTORS = "female food treat subject variety plate batch site gear year mined No".split()


@cache
def data(name: str) -> pd.DataFrame:
    path = REFERENCE / "families" / f"{name}.csv"
    if not path.exists():
        frame = mm.datasets.load(name)
        return frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()
    frame = pd.read_csv(path)
    for column in set(FACTORS) & set(frame.columns):
        levels = list(dict.fromkeys(frame[column]))
        frame[column] = pd.Categorical(frame[column], levels_of(name, column, levels))
    return frame


def levels_of(name: str, column: str, levels: list) -> list:
    """Levels in the order of R's, where that matters: the first is the reference."""
    names = [n for e in ORACLES.values() if e["dataset"] == name for n in e["beta_names"]]
    first = [level for level in levels if f"{column}{level}" not in names]
    return [*first, *(level for level in levels if level not in first)]


def prepared(oracle) -> pd.DataFrame:
    frame = data(oracle["dataset"])
    if "count > 0" in oracle.get("prep", ""):
        frame = frame[frame["count"] > 0].reset_index(drop=True)
    if oracle["dataset"] == "petrol":
        frame = frame.assign(prop=frame.Y / 100, ep=frame.EP / 100)
    return frame


def options(oracle) -> dict:
    given = {}
    if oracle.get("dispformula", "~1") != "~1":
        given["dispersion"] = oracle["dispformula"]
    if oracle.get("ziformula"):
        given["zi" if oracle["kind"] == "zero-inflated" else "hurdle"] = oracle["ziformula"]
    if oracle["id"].startswith("sleep_t_df4"):
        given["shape"] = 4
    return given


@cache
def fitted(name: str):
    oracle = ORACLES[name]
    kind = oracle["family"], oracle["link"]
    nagq = 31 if oracle["kind"] == "quadrature" else 1
    return mm.glmm(
        oracle["formula"],
        prepared(oracle),
        *kind,
        information="observed",
        nagq=nagq,
        **options(oracle),
    )


def dispersion(oracle) -> np.ndarray | None:
    """Coefficients of the logarithm of the dispersion as numbamm has it."""
    if not oracle.get("dispersion"):
        return None
    values = np.array(oracle["dispersion"]["log_phi"])
    return -values if oracle["family"] == "Gamma" else values
