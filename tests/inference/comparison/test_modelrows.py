"""Rows of the table of several models."""

import oracles
import pytest

import numbamm as mm
from numbamm.inference.comparison.modelcolumn import ModelColumn
from numbamm.inference.comparison.modelrows import (
    fixed_rows,
    random_rows,
    rows_of,
    statistic_rows,
    union,
)


@pytest.fixture
def slopes(fitted):
    return fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", reml=True)


def column(model, name="m", **options):
    usual = {"exponentiate": False, "ddf": "wald", "alpha": 0.05, "r2": False}
    return ModelColumn.of(model, name, **usual | options)


def test_what_stands_below(slopes):
    def second(**options):
        lines = str(mm.modeltable(slopes, **options)).splitlines()
        return lines[next(i for i, line in enumerate(lines) if "Days  " in line) + 1].strip()

    low, high = slopes.coef_table(ddf="kr").frame.loc["Days", ["lower", "upper"]]
    assert second(below="interval", ddf="kr") == f"[{low:.1f}, {high:.1f}]"
    low, high = slopes.coef_table(ddf="wald", alpha=0.5).frame.loc["Days", ["lower", "upper"]]
    assert second(below="interval", ddf="wald", alpha=0.5) == f"[{low:.1f}, {high:.1f}]"
    assert second(below="p") == "(p < 0.001)"
    assert second(below="none") == "Random effects"
    assert "R²" not in str(mm.modeltable(slopes, r2=False))


def test_own_stars(slopes):
    p = slopes.pvalues["Days"]
    assert "10.47†" in str(mm.modeltable(slopes, stars={"†": 2 * p, "‡": p / 2}, ddf="wald"))
    assert "10.47‡" in str(mm.modeltable(slopes, stars={"†": 2 * p, "‡": 1.5 * p}, ddf="wald"))


def test_rows_of_coefficients(slopes):
    rows = fixed_rows([column(slopes)], ["(Intercept)", "Days"], "se", {"*": 0.05})
    assert rows == [
        ["(Intercept)", "251.41*"],
        ["", "(6.82)"],
        ["Days", "10.47*"],
        ["", "(1.55)"],
    ]
    assert rows[0][1].mark == "*" and rows[1][1].mark == ")"
    alone = fixed_rows([column(slopes)], ["Days"], "none", {})
    assert alone == [["Days", "10.5"]]
    assert fixed_rows([column(slopes)], [], "se", {}) == []


def test_factors_stand_together_and_the_residual_last():
    """Whatever the order of the models and of their terms."""
    data = oracles.dataset("Pastes")
    nested = mm.lmm("strength ~ 1 + (1 | batch/cask)", data)
    alone = mm.lmm("strength ~ 1 + (1 | batch)", data)
    columns = [column(alone), column(nested)]
    rows = random_rows(columns, rows_of(columns)["random"])
    assert [row[0] for row in rows] == [
        "batch: SD (Intercept)",
        "batch:cask: SD (Intercept)",
        "Residual SD",
    ]
    assert rows[1][1] == "" and rows[1][2] == "2.904"


def test_statistics_have_one_order(slopes):
    data = oracles.dataset("cbpp")
    counts = mm.glmm("incidence ~ 1 + (1 | herd)", data, "negativebinomial", fast=True)
    columns = [column(slopes), column(counts)]
    rows = statistic_rows(columns, rows_of(columns)["model"])
    labels = [row[0] for row in rows]
    assert labels == [
        *("Observations", "Levels of Subject", "Levels of herd", "logLik", "AIC", "BIC"),
        *("Response", "Family", "Link", "Shape", "Fitted by"),
    ]
    assert rows[-1][1:] == ["REML", "ML (Laplace, fast)"]
    assert rows[1][1:] == ["18", ""]
    sleep = oracles.dataset("sleepstudy")
    logs = mm.glmm("Reaction ~ Days + (1 | Subject)", sleep, "gaussian", "log", fast=True)
    kinds = statistic_rows([column(logs)], ["Family", "Link"])
    assert kinds == [["Family", "Gaussian"], ["Link", "log"]]
    alone = rows_of([column(slopes)])["model"]
    assert not {"Response", "Family", "Link"} & set(alone)


def test_union():
    assert union([["b", "a"], ["a", "c"]]) == ["b", "a", "c"]
