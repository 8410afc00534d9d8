"""Models with covariance structures that other programs have fitted, in numbamm's notation."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from oracles import EXTRA_DATA, HERE

import numbamm as mm

REFERENCE = HERE / "reference"
ENTRIES = {e["id"]: e for e in json.loads((REFERENCE / "structures.json").read_text("utf-8"))}
SHIPPED = {"Machines", "cake", "sleepstudy", "cbpp", "Contraception", "Salamanders"}
#: Numbers that the models take as factors.
FACTORS = {
    "trialf": "trial",
    "Timef": "Time",
    "Daysf": "Days",
    "Visitf": "Visit",
    "samplef": "sample",
}
#: Terms over positions, in one group of all rows.
OTHERS = {"| all)": "| 1)", "us(0 + cond": "(0 + cond", "us(1 + Time": "(1 + Time"}


def formula(entry: dict) -> str:
    text = entry["formula"].replace("^", "**").replace("yield ~", "`yield` ~")
    for theirs, ours in OTHERS.items():
        text = text.replace(theirs, ours)
    return text


@cache
def data(name: str) -> pd.DataFrame:
    """A data set; the calling test is skipped if it does not ship and is not there."""
    if name in SHIPPED:
        d = mm.datasets.load(name)
        return d.assign(temperature=d.temperature.astype(str)) if name == "cake" else d
    folder = REFERENCE / "structures"
    if not (folder / f"{name}.csv").exists():
        folder = EXTRA_DATA.parent / "reference" / "structures" / "data"
    if not (folder / f"{name}.csv").exists():
        pytest.skip(f"{name} does not ship; TESTS_EXTRA_DATA names the folder that has it")
    d = pd.read_csv(folder / f"{name}.csv")
    described = folder / f"{name}.json"
    if described.exists():
        for column in json.loads(described.read_text("utf-8"))["columns"]:
            if column["type"] == "factor":
                values = d[column["name"]].astype(str)
                d[column["name"]] = pd.Categorical(values, column["levels"])
    return d


def with_factors(d: pd.DataFrame, text: str) -> pd.DataFrame:
    for name, column in FACTORS.items():
        if name in text and column in d:
            values = d[column]
            if values.dtype.kind in "if":
                levels = [f"{v:g}" for v in sorted(values.unique())]
                values = pd.Categorical(values.map("{:g}".format), levels)
            d = d.assign(**{name: values})
    return d


@cache
def fitted(name: str, optimizer: str = "newton"):
    entry = ENTRIES[name]
    text = formula(entry)
    d = with_factors(data(entry["dataset"]), text)
    if "family" in entry:
        binary = entry["dataset"] == "Contraception"
        family = "bernoulli" if binary else entry["family"]
        return mm.glmm(text, d, family, optimizer=optimizer)
    return mm.lmm(text, d, reml=entry["method"] == "REML", optimizer=optimizer)


def marginal_covariance(m, n: int) -> np.ndarray:
    """Covariance matrix of the first n responses of a linear model."""
    V = m.sigma**2 * np.eye(n)
    for t in m.reterms:
        z, same = t.z[:, :n], np.equal.outer(t.refs[:n], t.refs[:n])
        V += same * (z.T @ (m.sigma**2 * t.lambda_ @ t.lambda_.T) @ z)
    return V
