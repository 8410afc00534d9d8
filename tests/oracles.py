"""Oracles: linear mixed models that lme4 has fitted, in numbamm's notation.

lme4 orders its terms in another way than numbamm and names coefficients as R does. Here every
value of a random-effects term is keyed by the *set* of grouping variables and by column names,
never by position, and names are those that formulaic gives.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import numbamm.datasets

HERE = Path(__file__).parent
EXTRA_DATA = Path(os.environ.get("TESTS_EXTRA_DATA", HERE.parents[1] / "shared" / "data"))


@dataclass(frozen=True, eq=False)
class Oracle:
    """One model as lme4 fitted it; `entry` is its record in ``reference/linear.json``.

    Properties that name coefficients read the data, for the levels of its factors: they skip
    the calling test where the data are absent.
    """

    entry: dict

    @property
    def id(self) -> str:
        return self.entry["id"]

    @property
    def dataset(self) -> str:
        return self.entry["dataset"]

    @property
    def formula(self) -> str:
        """The model formula; a power is ``**``, where R writes ``^``."""
        return self.entry["formula"].replace("^", "**")

    @property
    def reml(self) -> bool:
        return self.entry["REML"]

    @property
    def weights(self) -> str | None:
        """Name of the column with case weights."""
        return self.entry.get("weights")

    @property
    def singular(self) -> bool:
        return self.entry["singular"]

    @property
    def criterion(self) -> float:
        """The objective at `theta`."""
        return self.entry["criterion"]

    @property
    def best_known(self) -> float:
        """The least objective that any program has found."""
        return self.entry.get("best_known", self.criterion)

    @property
    def sigma(self) -> float:
        return self.entry["sigma"]

    @property
    def llf(self) -> float:
        return self.entry["logLik"]

    @property
    def aic(self) -> float:
        return self.entry["AIC"]

    @property
    def bic(self) -> float:
        return self.entry["BIC"]

    @property
    def npar(self) -> int:
        """Number of parameters: β, θ and σ."""
        return self.entry["npar"]

    @property
    def nobs(self) -> int:
        return self.entry["nobs"]

    @property
    def fitted3(self) -> np.ndarray:
        """Fitted values of the first three rows."""
        return np.array(self.entry["fitted3"])

    @property
    def nlevels(self) -> dict[frozenset, int]:
        """Number of levels by grouping factor."""
        return {factors(group): n for group, n in self.entry["ngrps"].items()}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The data, with the column that the model's `prep` makes."""
        frame = dataset(self.dataset)
        if "prep" not in self.entry:
            return frame
        name, expression = self.entry["prep"].replace("^", "**").split(" <- ")
        return frame.assign(**{name: frame.eval(expression)})

    @cached_property
    def beta(self) -> pd.Series:
        """Fixed effects, by coefficient."""
        return pd.Series(self.entry["beta"], self._ours(self.entry["beta_names"]))

    @cached_property
    def se(self) -> pd.Series:
        """Standard errors of the fixed effects, by coefficient."""
        return pd.Series(self.entry["se"], self.beta.index)

    @cached_property
    def theta(self) -> dict[tuple[frozenset, str, str], float]:
        """θ, by (grouping variables, row of λ, column of λ)."""
        keys = [
            (group, names[row], names[col])
            for group, names, _ in self._terms
            for col in range(len(names))
            for row in range(col, len(names))
        ]
        return dict(zip(keys, self.entry["theta"], strict=True))

    @cached_property
    def sd(self) -> dict[tuple[frozenset, str], float]:
        """Standard deviations of the random effects, by (grouping variables, column)."""
        return {
            (group, name): sd
            for group, names, term in self._terms
            for name, sd in zip(names, term["sd"], strict=True)
        }

    @cached_property
    def corr(self) -> dict[tuple[frozenset, str, str], float]:
        """Correlations of the random effects, by (grouping variables, column, column before)."""
        return {
            (group, name, names[j]): term["corr"][i][j]
            for group, names, term in self._terms
            for i, name in enumerate(names)
            for j in range(i)
        }

    def ranef(self, group: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Conditional modes and their standard deviations, for three levels of a factor.

        Labels of the levels follow the order of the variables in `group`: lme4's ``a:A`` of
        ``cask:batch`` is ``A:a`` of ``batch:cask``.
        """
        [term] = [t for t in self.entry["ranef"] if factors(t["group"]) == factors(group)]
        variables = term["group"].split(":")
        index = term["levels"]
        if len(variables) > 1:
            codes = [dict(zip(variables, level.split(":"), strict=True)) for level in index]
            index = [":".join(code[variable] for variable in group.split(":")) for code in codes]
        columns = self._ours(term["columns"])
        return tuple(pd.DataFrame(term[key], index, columns) for key in ("modes", "condsd"))

    @cached_property
    def _terms(self) -> list[tuple[frozenset, list[str], dict]]:
        """lme4's terms in its order: grouping variables, columns, entry in ``varcorr``."""
        return [
            # lme4 tells a factor's second term by a number: Subject, Subject.1
            (factors(re.sub(r"\.\d+$", "", term["group"])), self._ours(term["names"]), term)
            for term in self.entry["varcorr"]
        ]

    def _ours(self, names: list[str]) -> list[str]:
        return coefficient_names(names, self.frame)


def factors(group: str) -> frozenset[str]:
    """The variables that make a grouping factor: those of ``a:b`` are those of ``b:a``."""
    return frozenset(group.split(":"))


def coefficient_names(names: list[str], frame: pd.DataFrame) -> list[str]:
    """Names of one model matrix's columns as formulaic writes them, from R's names."""
    return [":".join(_variable(part, names, frame) for part in name.split(":")) for name in names]


def _variable(part: str, names: list[str], frame: pd.DataFrame) -> str:
    if part == "(Intercept)":
        return "Intercept"
    if part in frame:
        return part
    for factor in frame.select_dtypes("category"):
        level = part.removeprefix(factor)
        levels = frame[factor].cat.categories
        if part.startswith(factor) and level in levels:
            indicators = f"{factor}{levels[0]}" in names  # R drops the first of contrasts only
            return f"{factor}[{level}]" if indicators else f"{factor}[T.{level}]"
        if part.startswith(factor) and re.fullmatch(r"\.[LQC]|\^\d+", level):
            return f"{factor}[{level}]"
    return part.replace("^", " ** ")  # an expression, such as I(x^2)


def theta_in_our_order(oracle: Oracle, reterms: list) -> np.ndarray:
    """The oracle's θ in the order of a model's terms.

    Parameters
    ----------
    oracle
        Whose θ.
    reterms : list of ReMat
        The terms of the same model, in any order, amalgamated or not.

    Returns
    -------
    ndarray, shape (number of θ,)
        What to set as θ of a model that has these terms.

    Raises
    ------
    KeyError
        A term has a parameter that the oracle does not have.
    ValueError
        The oracle has parameters that no term has.
    """
    theirs = dict(oracle.theta)
    ours = [
        theirs.pop((factors(term.group), term.cnames[row], term.cnames[col]))
        for term in reterms
        for row, col in zip(*divmod(term.structure.entries, term.p), strict=True)
    ]
    if theirs:
        raise ValueError(f"no term has the parameters {[*theirs]}")
    return np.array(ours)


@cache
def dataset(name: str) -> pd.DataFrame:
    """A data set by name, shipped or extra; skips the test if it is extra and not there.

    The frame is shared by all tests: do not change it.
    """
    if name in numbamm.datasets.list().index:
        return numbamm.datasets.load(name)
    folders = EXTRA_DATA, EXTRA_DATA.parent / "reference" / "families" / "data"
    folder = next((f for f in folders if (f / f"{name}.csv").exists()), None)
    if folder is None:
        pytest.skip(f"{name} does not ship; TESTS_EXTRA_DATA names the folder that has it")
    columns = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["columns"]
    return pd.read_csv(folder / f"{name}.csv", dtype="str").astype(
        {
            column["name"]: pd.CategoricalDtype(column["levels"])
            if column["type"] == "factor"
            else "float64"
            for column in columns
        }
    )


LINEAR = {
    entry["id"]: Oracle(entry)
    for entry in json.loads((HERE / "reference" / "linear.json").read_text(encoding="utf-8"))
}

GENERALIZED = {
    entry["id"]: Oracle({**entry, "REML": False})
    for entry in json.loads((HERE / "reference" / "generalized.json").read_text(encoding="utf-8"))
}

each_linear = pytest.mark.parametrize("oracle", LINEAR.values(), ids=LINEAR)
"""Decorator: run the test, which has an argument `oracle`, for every linear oracle."""


INFERENCE = json.loads((HERE / "reference" / "inference.json").read_text(encoding="utf-8"))


def inference(name: str, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table of ``reference/inference.json``; with `frame`, coefficients under our names."""
    result = dict(INFERENCE[name]["result"])
    rows = result.pop(".rows")
    if frame is not None:
        rows = coefficient_names(rows, frame)
    special = {"NA": float("nan"), "Inf": float("inf")}
    columns = {k: [special.get(v, v) for v in values] for k, values in result.items()}
    return pd.DataFrame(columns, index=rows)
