"""Models and rows that the tests of fixed effects share."""

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm

CAKE = "angle ~ recipe * temperature + (1 | recipe:replicate)"


@pytest.fixture
def cake(fitted):
    return fitted(CAKE, "cake", reml=True)


@pytest.fixture(scope="session")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmm(formula, oracles.dataset("cbpp"), "binomial")


@pytest.fixture(scope="session")
def nested_cake():
    """198 rows: temperature is nested in three classes of heat, under other labels, too."""
    rows = oracles.dataset("cake")
    rows = rows[np.arange(1, len(rows) + 1) * 5 % 11 > 2].copy()
    rows["plain"], rows["recipe"] = rows["temperature"].astype(str), rows["recipe"].astype(str)
    heat = np.select([rows["temp"] > 195, rows["temp"] > 175], ["hot", "mid"], "cold")
    third = np.array(list("uvw"))[np.arange(1, len(rows) + 1) % 3]
    several = ~rows["plain"].isin(["185", "225"])
    again = np.where(rows["plain"].isin(["175", "185"]), "205", "215")
    return rows.assign(
        heat=heat,
        unit=rows["plain"] + np.where(several, third, "x"),
        again=np.where(heat == "hot", rows["plain"], again),
    )


@pytest.fixture(scope="session")
def whole_plots():
    """``whole_plots(levels, units, per, seed)``: rows of plots that have one treatment each."""
    return rows_of_whole_plots


def rows_of_whole_plots(levels, units, per, seed, between=1.0):
    """`units` whole plots for each of `levels` treatments, with `per` rows in each plot."""
    rng = np.random.default_rng(seed)
    plot = np.repeat(np.arange(levels * units), per)
    rows = pd.DataFrame({"t": plot // units, "p": plot}).astype(str).add_prefix("of ")
    rows.columns = ["t", "p"]
    noise = rng.normal(size=levels * units)[plot]
    return rows.assign(y=between * noise + rng.normal(size=len(plot)) + (plot // units == 1))
